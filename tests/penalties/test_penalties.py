"""Penalties against brute force, closed forms, scipy and finite differences."""

import copy
import itertools
import pickle
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import log_loss, mutual_info_score

from fairsk import metrics
from fairsk.definitions import (
    DEFINITIONS,
    DISPARITIES,
    GROUP_MEANS,
    UndefinedRateWarning,
    group_counts,
)
from fairsk.penalties import (
    PENALTIES,
    CalibrationGapPenalty,
    ConfidencePenalty,
    CovariancePenalty,
    DefinitionPenalty,
    DistanceCorrelationPenalty,
    EachFeaturePenalty,
    GroupMeanPenalty,
    HSICPenalty,
    LossGapPenalty,
    MemoryPenalty,
    MMDPenalty,
    MutualInformationPenalty,
    Penalty,
    PenaltySum,
    WassersteinPenalty,
    WorstLossPenalty,
    get_penalty,
)
from tests.common.devices import NoUploads

VARIANTS = {
    **PENALTIES,
    "brier_gap": lambda: LossGapPenalty(loss="brier"),
    "calibrated": lambda: CalibrationGapPenalty(reference="calibrated"),
    "correlation": lambda: CovariancePenalty(normalise=True),
    "covariance_2": lambda: CovariancePenalty(power=2),
    "cramer": lambda: WassersteinPenalty(power=2),
    "distance_covariance": lambda: DistanceCorrelationPenalty(normalise=False),
    "hsic_laplacian": lambda: HSICPenalty(kernel="laplacian"),
    "hsic_normalised": lambda: HSICPenalty(normalise=True),
    "mmd_laplacian": lambda: MMDPenalty(kernel="laplacian"),
    "mmd_overall": lambda: MMDPenalty(reference="overall"),
    "mmd_false_positives": lambda: MMDPenalty(given=0),
    "hsic_separation": lambda: HSICPenalty(given="y_true"),
    "wasserstein_separation": lambda: WassersteinPenalty(given="y_true"),
    "mutual_information_separation": lambda: MutualInformationPenalty(given="y_true"),
    "covariance_separation": lambda: CovariancePenalty(given="y_true"),
    "smooth": lambda: DefinitionPenalty("equalized_odds", "smooth_difference"),
    "squared": lambda: DefinitionPenalty("equalized_odds", power=2),
    "overall": lambda: DefinitionPenalty("equalized_odds", reference="overall"),
    "smooth_overall": lambda: DefinitionPenalty(
        "demographic_parity", "smooth_difference", reference="overall"
    ),
    "sum": lambda: PenaltySum(["demographic_parity", "hsic"], [1.0, 3.0]),
    **{name: lambda name=name: DefinitionPenalty(name) for name in DEFINITIONS},
    **{
        f"odds_{d}": lambda d=d: DefinitionPenalty("equalized_odds", d)
        for d in DISPARITIES
    },
}
every_penalty = pytest.mark.parametrize("name", sorted(VARIANTS))
# What these compare depends on the truth (or on no group), so scores that do not
# depend on the group need not make them vanish.
NOT_INDEPENDENCE = {
    "confidence",
    "calibrated",
    "calibration_gap",
    "loss_gap",
    "brier_gap",
    "mean_absolute_error",
    "mean_squared_error",
    "r2_score",
    "root_mean_squared_error",
    "worst_loss",
    "overall_accuracy_equality",
    "predictive_parity",
    "false_discovery_rate_parity",
    "false_omission_rate_parity",
    "treatment_equality",
}


def make_batch(seed=0, n=60, n_classes=2, n_groups=3, weighted=True):
    rng = np.random.default_rng(seed)
    logits = torch.tensor(rng.normal(size=(n, n_classes)), requires_grad=True)
    y_true = torch.tensor(rng.integers(n_classes, size=n))
    groups = torch.tensor(rng.integers(n_groups, size=n))
    weight = torch.tensor(rng.uniform(0.2, 2, n)) if weighted else None
    return logits, y_true, groups, weight


def split_groups(values, groups, weight):
    """Values and weights of each group."""
    codes = groups.numpy()
    weight = np.ones(len(codes)) if weight is None else weight.numpy()
    return [(values[codes == g], weight[codes == g]) for g in np.unique(codes)]


def mean_over_pairs(parts, distance):
    return np.mean([distance(a, b) for a, b in itertools.combinations(parts, 2)])


@every_penalty
@pytest.mark.parametrize("n_classes", [2, 3])
def test_gradient_matches_finite_differences(name, n_classes):
    logits, y_true, groups, weight = make_batch(n=24, n_classes=n_classes)
    penalty = VARIANTS[name]()

    def value(logits):
        return penalty(logits.softmax(-1), y_true, groups, weight, n_groups=3)

    assert torch.autograd.gradcheck(value, logits, eps=1e-7, atol=1e-5)


@every_penalty
def test_value_is_not_negative_and_a_scalar(name):
    logits, y_true, groups, weight = make_batch()
    value = VARIANTS[name]()(logits.softmax(-1), y_true, groups, weight)
    assert value.shape == ()
    assert value >= -1e-12


@every_penalty
def test_one_column_is_the_probability_of_class_1(name):
    logits, y_true, groups, weight = make_batch()
    p = logits.softmax(-1)
    penalty = VARIANTS[name]()
    both = penalty(p, y_true, groups, weight)
    torch.testing.assert_close(penalty(p[:, 1], y_true, groups, weight), both)
    torch.testing.assert_close(penalty(p[:, 1:], y_true, groups, weight), both)


@every_penalty
def test_relabelling_the_groups_changes_nothing(name):
    logits, y_true, groups, weight = make_batch()
    penalty = VARIANTS[name]()
    first = penalty(logits.softmax(-1), y_true, groups, weight, n_groups=3)
    relabelled = torch.tensor([2, 0, 1])[groups]
    second = penalty(logits.softmax(-1), y_true, relabelled, weight, n_groups=3)
    torch.testing.assert_close(first, second)


@every_penalty
def test_a_weight_of_2_equals_the_sample_twice(name):
    logits, y_true, groups, _ = make_batch()
    weight = torch.randint(1, 3, (60,), generator=torch.Generator().manual_seed(0))
    penalty = VARIANTS[name]()
    p = logits.softmax(-1)
    weighted = penalty(p, y_true, groups, weight.double(), n_groups=3)
    twice = torch.arange(60).repeat_interleave(weight)
    repeated = penalty(p[twice], y_true[twice], groups[twice], n_groups=3)
    torch.testing.assert_close(weighted, repeated)


@every_penalty
def test_one_group_and_empty_groups_add_nothing(name):
    logits, y_true, groups, weight = make_batch()
    penalty = VARIANTS[name]()
    p = logits.softmax(-1)
    value = penalty(p, y_true, groups, weight, n_groups=3)
    torch.testing.assert_close(
        penalty(p, y_true, 2 * groups, weight, n_groups=7), value
    )
    if name not in ("confidence", "calibrated", "worst_loss"):
        alone = penalty(p, y_true, 0 * groups, weight, n_groups=2)
        assert alone.item() == pytest.approx(0, abs=1e-12)
        (gradient,) = torch.autograd.grad(alone, logits)
        assert gradient.isfinite().all()


@every_penalty
@pytest.mark.parametrize("n_classes", [2, 3])
def test_leading_axes_are_members_with_a_penalty_each(name, n_classes):
    penalty = VARIANTS[name]()
    batches = [make_batch(seed, n_classes=n_classes) for seed in range(4)]
    p = torch.stack([batch[0].softmax(-1) for batch in batches])
    folds = [batches[0], batches[1]]  # members 0 and 1 share rows, so do 2 and 3
    y_true, groups, weight = (
        torch.stack([fold[i] for fold in folds])[:, None] for i in (1, 2, 3)
    )
    stacked = penalty(p.reshape(2, 2, *p.shape[1:]), y_true, groups, weight, n_groups=3)
    alone = [
        [penalty(p[2 * f + m], *folds[f][1:], n_groups=3).item() for m in (0, 1)]
        for f in (0, 1)
    ]
    torch.testing.assert_close(stacked, torch.tensor(alone, dtype=torch.double))
    shared = penalty(p, *batches[0][1:], n_groups=3)
    assert shared.shape == (4,)
    torch.testing.assert_close(shared[0], stacked[0, 0])


@pytest.mark.parametrize("name", sorted(set(VARIANTS) - NOT_INDEPENDENCE))
def test_penalty_of_independent_scores_is_sampling_error(name):
    rng = np.random.default_rng(1)
    penalty = VARIANTS[name]()
    means = []
    for n in (100, 1600):
        values = []
        for _ in range(10):
            p = torch.tensor(rng.beta(2, 3, n))
            y, groups = torch.tensor(rng.integers(2, size=(2, n)))
            values.append(penalty(p, y, groups, n_groups=2).item())
        means.append(np.mean(values))
    biased = penalty(0.5 * p + 0.5 * groups, y, groups, n_groups=2).item()
    assert means[1] < 0.45 * means[0]  # a quarter, at the rate of n^(-1/2)
    assert means[1] < 0.15 * biased


# Gaps in what the scores say of the truth: 0 where both do not depend on the group.
GAPS = NOT_INDEPENDENCE - {"confidence", "calibrated", "worst_loss"}


@pytest.mark.parametrize("name", sorted(GAPS))
def test_gap_between_exchangeable_groups_is_sampling_error(name):
    rng = np.random.default_rng(1)
    penalty = VARIANTS[name]()
    means = []
    for n in (100, 3200):
        values = []
        for _ in range(10):
            truth = torch.tensor(rng.beta(2, 3, n))
            y = (torch.tensor(rng.uniform(size=n)) < truth).long()
            groups = torch.tensor(rng.integers(2, size=n))
            values.append(penalty(truth, y, groups, n_groups=2).item())
        means.append(np.mean(values))
    assert means[1] < 0.4 * means[0]  # a sixth, at the rate of n^(-1/2)


def test_every_independence_penalty_of_hard_predictions_is_the_gap_of_rates(rng):
    y_true, y_pred = rng.integers(2, size=(2, 300))
    group = rng.integers(2, size=300)
    share = group.mean() * (1 - group.mean())
    gap = metrics.demographic_parity_difference(
        y_true, y_pred, sensitive_features=group
    )
    mmd = 2 * (1 - np.exp(-1 / (2 * 0.1**2))) * gap**2
    expected = {
        "mean_prediction": gap,
        "wasserstein": gap,
        "covariance": 2 * share * gap,
        "mmd": mmd,
        "hsic": 2 * share**2 * mmd,
        "distance_correlation": np.corrcoef(y_pred, group)[0, 1] ** 2,
        "mutual_information": mutual_info_score(y_pred, group),
        "loss_gap": 100
        * metrics.overall_accuracy_equality_difference(
            y_true, y_pred, sensitive_features=group
        ),
    }
    batch = [torch.tensor(a) for a in (y_pred.astype(float), y_true, group)]
    for name, value in expected.items():
        assert get_penalty(name)(*batch).item() == pytest.approx(value), name


@pytest.mark.parametrize("name", sorted(set(VARIANTS) - NOT_INDEPENDENCE))
def test_a_score_that_depends_more_has_a_larger_penalty(name):
    rng = np.random.default_rng(0)
    y, groups = torch.tensor(rng.integers(2, size=(2, 500)))
    p = torch.tensor(rng.uniform(0.3, 0.6, 500))
    penalty = VARIANTS[name]()
    near = penalty(p + 0.05 * groups, y, groups)
    far = penalty(p + 0.3 * groups, y, groups)
    assert far > 2 * near


@pytest.mark.parametrize("name", sorted(DEFINITIONS))
@pytest.mark.parametrize("disparity", sorted(DISPARITIES))
def test_definition_penalty_at_hard_predictions_is_the_metric(name, disparity, rng):
    y_true, y_pred = rng.integers(2, size=(2, 300))
    groups = rng.integers(4, size=300)
    hard = torch.eye(2, dtype=torch.double)[torch.tensor(y_pred)]
    arguments = (hard, torch.tensor(y_true), torch.tensor(groups))
    counts = group_counts(groups, y_true, y_pred, n_groups=4, n_classes=2)
    metric = float(DEFINITIONS[name].disparity(counts, disparity))
    if disparity == "difference":
        function = getattr(metrics, f"{name}_difference")
        assert metric == pytest.approx(
            function(y_true, y_pred, sensitive_features=groups)
        )
    sign = DISPARITIES[disparity].greater_is_better
    value = DefinitionPenalty(name, disparity)(*arguments).item()
    assert value == pytest.approx(1 - metric if sign else metric)
    squared = DefinitionPenalty(name, disparity, power=2)(*arguments).item()
    assert squared == pytest.approx(value**2)


@pytest.mark.parametrize("name", sorted(DEFINITIONS))
def test_reference_overall_compares_with_all_samples(name, rng):
    y_true, y_pred = rng.integers(3, size=(2, 300))
    groups = rng.integers(4, size=300)
    counts = group_counts(groups, y_true, y_pred, n_groups=4, n_classes=3)
    values = DEFINITIONS[name].values(counts)
    overall = DEFINITIONS[name].values(counts.sum(0, keepdims=True))
    hard = torch.eye(3, dtype=torch.double)[torch.tensor(y_pred)]
    penalty = DefinitionPenalty(name, reference="overall")
    value = penalty(hard, torch.tensor(y_true), torch.tensor(groups)).item()
    assert value == pytest.approx(abs(values - overall).max())


def test_smooth_difference_lies_below_the_difference_and_nears_it():
    logits, y_true, groups, _ = make_batch()
    hard = DefinitionPenalty("demographic_parity")
    smooth = DefinitionPenalty("demographic_parity", "smooth_difference")
    p = logits.softmax(-1)
    assert 0 < smooth(p, y_true, groups) < hard(p, y_true, groups)
    steps = (groups == 0).double()
    assert smooth(steps, y_true, groups).item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("weighted", [False, True])
def test_wasserstein_and_energy_distance_are_those_of_scipy(weighted):
    logits, _, groups, weight = make_batch(weighted=weighted)
    p = logits.softmax(-1)[:, 1].detach()
    p[:20] = p[0]  # ties
    parts = split_groups(p.numpy(), groups, weight)
    expected = mean_over_pairs(
        parts, lambda a, b: stats.wasserstein_distance(a[0], b[0], a[1], b[1])
    )
    value = WassersteinPenalty()(p, None, groups, weight)
    assert value.item() == pytest.approx(expected)
    energy = mean_over_pairs(
        parts, lambda a, b: stats.energy_distance(a[0], b[0], a[1], b[1]) ** 2
    )
    value = WassersteinPenalty(power=2)(p, None, groups, weight)
    assert value.item() == pytest.approx(energy)


def test_mmd_is_the_double_sum():
    logits, _, groups, weight = make_batch(n_classes=3)
    p = logits.softmax(-1).detach()
    parts = split_groups(p.numpy(), groups, weight)

    def kernel(a, b):
        total = 0.0
        for x, v in zip(*a):
            for y, w in zip(*b):
                total += v * w * np.exp(-((x - y) ** 2).sum() / (2 * 0.3**2))
        return total / a[1].sum() / b[1].sum()

    expected = mean_over_pairs(
        parts, lambda a, b: kernel(a, a) + kernel(b, b) - 2 * kernel(a, b)
    )
    value = MMDPenalty(0.3)(p, None, groups, weight)
    assert value.item() == pytest.approx(expected)


def test_hsic_is_the_trace_formula():
    logits, _, groups, _ = make_batch()
    p = logits.softmax(-1)[:, 1].detach().numpy()
    codes = groups.numpy()
    n = len(p)
    K = np.exp(-((p[:, None] - p) ** 2) / (2 * 0.1**2))
    L = (codes[:, None] == codes).astype(float)
    H = np.eye(n) - 1 / n
    expected = np.trace(K @ H @ L @ H) / n**2
    value = HSICPenalty()(torch.tensor(p), None, groups)
    assert value.item() == pytest.approx(expected)
    norm = np.trace(K @ H @ K @ H) * np.trace(L @ H @ L @ H) / n**4
    normalised = HSICPenalty(normalise=True)(torch.tensor(p), None, groups)
    assert normalised.item() == pytest.approx(expected / norm**0.5)


def test_hsic_of_two_groups_is_mmd_times_the_squared_shares():
    logits, _, groups, weight = make_batch(n_groups=2)
    p = logits.softmax(-1)
    share = (weight * groups).sum() / weight.sum()
    factor = 2 * (share * (1 - share)) ** 2
    torch.testing.assert_close(
        HSICPenalty()(p, None, groups, weight),
        factor * MMDPenalty()(p, None, groups, weight),
    )


@pytest.mark.parametrize("continuous", [False, True])
def test_distance_correlation_is_the_formula(continuous, rng):
    p = rng.uniform(size=50)
    a = rng.integers(3, size=50)
    attribute = a + rng.normal(size=50) if continuous else a

    def centred(d):
        return d - d.mean(0) - d.mean(1)[:, None] + d.mean()

    A = centred(abs(p[:, None] - p))
    apart = attribute[:, None] - attribute
    B = centred(abs(apart) if continuous else (apart != 0).astype(float))
    expected = (A * B).mean() / ((A * A).mean() * (B * B).mean()) ** 0.5
    arguments = (torch.tensor(p), None, torch.tensor(attribute))
    value = DistanceCorrelationPenalty()(*arguments)
    assert value.item() == pytest.approx(expected)
    unscaled = DistanceCorrelationPenalty(normalise=False)(*arguments)
    assert unscaled.item() == pytest.approx((A * B).mean())


def test_covariance_and_correlation_are_those_of_numpy(rng):
    p, age, weight = rng.uniform(size=(3, 40))
    arguments = (torch.tensor(p), None, torch.tensor(age), torch.tensor(weight))
    covariance = np.cov(p, age, aweights=weight, ddof=0)
    value = CovariancePenalty()(*arguments).item()
    assert value == pytest.approx(abs(covariance[0, 1]))
    correlation = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    value = CovariancePenalty(2, normalise=True)(*arguments).item()
    assert value == pytest.approx(correlation**2)


def test_covariance_of_two_groups_is_the_scaled_gap_of_means():
    logits, y_true, groups, _ = make_batch(n_groups=2)
    p = logits.softmax(-1)
    share = groups.double().mean()
    gap = DefinitionPenalty("demographic_parity")(p, y_true, groups)
    torch.testing.assert_close(
        CovariancePenalty()(p, None, groups), 2 * share * (1 - share) * gap
    )


def test_mutual_information_is_that_of_the_joint_table():
    logits, _, groups, weight = make_batch(n_classes=3)
    p = logits.softmax(-1).detach().numpy()
    parts = split_groups(p, groups, weight)
    joint = np.array([(w[:, None] * s).sum(0) for s, w in parts])
    joint /= joint.sum()
    independent = np.outer(joint.sum(1), joint.sum(0))
    value = MutualInformationPenalty()(torch.tensor(p), None, groups, weight)
    assert value.item() == pytest.approx(
        stats.entropy(joint.ravel(), independent.ravel())
    )


def test_loss_gap_is_the_gap_of_the_groups_log_losses():
    logits, y_true, groups, weight = make_batch(n_classes=3)
    p, codes = logits.softmax(-1).detach(), groups.numpy()
    losses = [
        log_loss(
            y_true.numpy()[codes == g],
            p.numpy()[codes == g],
            sample_weight=weight.numpy()[codes == g],
            labels=[0, 1, 2],
        )
        for g in range(3)
    ]
    value = LossGapPenalty()(p, y_true, groups, weight)
    assert value.item() == pytest.approx(max(losses) - min(losses))


def test_calibration_gap_is_the_double_sum():
    logits, y_true, groups, _ = make_batch(n_groups=2)
    p = logits.softmax(-1)[:, 1].detach().numpy()
    y, codes = y_true.numpy(), groups.numpy()
    u = (y - p) * np.where(codes == 1, 1 / (codes == 1).sum(), -1 / (codes == 0).sum())
    K = np.exp(-abs(p[:, None] - p) / 0.2)
    value = CalibrationGapPenalty()(torch.tensor(p), y_true, groups)
    assert value.item() == pytest.approx(u @ K @ u)


def test_calibration_penalty_is_small_for_calibrated_scores_and_not_for_others(rng):
    p = torch.tensor(rng.uniform(size=3000))
    y = (torch.tensor(rng.uniform(size=3000)) < p).long()
    groups = torch.tensor(rng.integers(2, size=3000))
    penalty = CalibrationGapPenalty()
    distorted = torch.where(groups == 1, p**2, p)
    assert penalty(p, y, groups) < 0.05 * penalty(distorted, y, groups)


def test_confidence_is_blind_to_the_groups():
    logits, _, groups, _ = make_batch(n_groups=2)
    p = logits.softmax(-1)
    expected = (p[:, 0] - p[:, 1]).abs().mean()
    for codes in (groups, 1 - groups, 0 * groups):
        torch.testing.assert_close(ConfidencePenalty()(p, None, codes), expected)


def test_given_one_class_sees_that_class_only():
    logits, y_true, groups, _ = make_batch()
    p = logits.softmax(-1)
    for k in (0, 1):
        kept = y_true == k
        torch.testing.assert_close(
            MMDPenalty(given=k)(p, y_true, groups),
            MMDPenalty()(p[kept], None, groups[kept]),
        )


def test_given_y_true_is_the_mean_over_classes():
    logits, y_true, groups, _ = make_batch()
    p = logits.softmax(-1)
    each = [HSICPenalty(given=k)(p, y_true, groups) for k in (0, 1)]
    both = HSICPenalty(given="y_true")(p, y_true, groups)
    torch.testing.assert_close(both, sum(each) / 2)


@pytest.mark.parametrize(
    "name", sorted(n for n, p in PENALTIES.items() if p().takes_continuous_groups)
)
def test_penalty_of_a_continuous_attribute_has_a_right_gradient(name):
    logits, y_true, groups, weight = make_batch(n=20)
    penalty = PENALTIES[name]()
    age = groups + torch.rand(20, generator=torch.Generator().manual_seed(0)).double()

    def value(logits):
        return penalty(logits.softmax(-1), y_true, age, weight)

    assert torch.autograd.gradcheck(value, logits, eps=1e-7, atol=1e-5)


@pytest.mark.parametrize(
    "name",
    sorted(
        {*DEFINITIONS}
        | {n for n, p in PENALTIES.items() if not p().takes_continuous_groups}
    ),
)
def test_unmet_requirement_lists_the_penalties_that_work(name):
    logits, y_true, groups, _ = make_batch()
    with pytest.raises(ValueError, match=r"continuous sensitive.*'covariance'.*'hsic'"):
        get_penalty(name)(logits.softmax(-1), y_true, groups.double())


def test_get_penalty_takes_names_instances_and_lists():
    assert isinstance(get_penalty("demographic_parity"), DefinitionPenalty)
    assert get_penalty("equalized_odds", "ratio").disparity is DISPARITIES["ratio"]
    assert isinstance(get_penalty(DEFINITIONS["equal_opportunity"]), DefinitionPenalty)
    for name, kind in PENALTIES.items():
        assert type(get_penalty(name)) is type(kind())
    assert get_penalty("mean_error", "variance").disparity is DISPARITIES["variance"]
    instance = MMDPenalty(0.5)
    copied = get_penalty(instance)
    assert copied is not instance
    assert copied.length_scale == 0.5
    logits, y_true, groups, weight = make_batch()
    arguments = (logits.softmax(-1), y_true, groups, weight)
    total = get_penalty(["demographic_parity", ("hsic", 4.0), (instance, 2.0)])
    expected = (
        DefinitionPenalty()(*arguments)
        + 4 * HSICPenalty()(*arguments)
        + 2 * instance(*arguments)
    )
    torch.testing.assert_close(total(*arguments), expected)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"Did you mean 'wasserstein'\?"):
        get_penalty("waserstein")
    with pytest.raises(ValueError, match=r"demographic_parity.*hsic.*Got 3"):
        get_penalty(3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MMDPenalty(0), "length_scale > 0"),
        (lambda: HSICPenalty(kernel="cosine"), "'gaussian' or 'laplacian'"),
        (lambda: MMDPenalty(reference="first"), "`reference`"),
        (lambda: CalibrationGapPenalty(reference="first"), "`reference`"),
        (lambda: DefinitionPenalty(reference="first"), "`reference`"),
        (lambda: WassersteinPenalty(3), "power 1 or 2"),
        (lambda: CovariancePenalty(3), "power 1 or 2"),
        (lambda: DefinitionPenalty(power=3), "power 1 or 2"),
        (lambda: HSICPenalty(given="groups"), "`given`"),
        (lambda: LossGapPenalty(loss="hinge"), "`loss`"),
        (lambda: MemoryPenalty(window=0), "window >= 1"),
        (lambda: MemoryPenalty("loss_gap"), "sees the batch alone.*its `window`"),
        (lambda: GroupMeanPenalty(window=0), "window >= 1, or None"),
        (lambda: PenaltySum([]), "at least one penalty"),
        (lambda: PenaltySum(["hsic"], [-1.0]), "non-negative weight"),
    ],
)
def test_bad_parameters_raise(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_conditioning_on_a_continuous_target_raises():
    y_score, y_true = torch.rand(2, 10)
    groups = torch.arange(10) % 2
    with pytest.raises(ValueError, match="given=None"):
        HSICPenalty(given="y_true")(y_score, y_true, groups)


def test_each_feature_compares_the_values_of_each_feature():
    labels = [(a, b) for a in "xy" for b in "pqr"]
    logits, y_true, groups, weight = make_batch(n_groups=6, n=200)
    p = logits.softmax(-1)
    penalty = EachFeaturePenalty("demographic_parity").bind(labels)
    inner = DefinitionPenalty("demographic_parity")
    expected = (
        inner(p, y_true, groups // 3, weight) + inner(p, y_true, groups % 3, weight)
    ) / 2
    value = penalty(p, y_true, groups, weight, n_groups=6)
    torch.testing.assert_close(value, expected)


def test_each_feature_needs_labels():
    logits, y_true, groups, _ = make_batch()
    with pytest.raises(ValueError, match="bind"):
        EachFeaturePenalty()(logits.softmax(-1), y_true, groups)


def test_each_feature_misses_values_and_not_combinations():
    labels = [("x", "p"), ("x", "q"), ("y", "p")]
    penalty = EachFeaturePenalty("demographic_parity").bind(labels)
    without_y = penalty.undefined(np.array([[3, 1], [1, 0], [0, 0]]))
    assert without_y.tolist() == [[False, False, True], [False, False, False]]
    rare = EachFeaturePenalty("demographic_parity").bind([*labels, ("y", "q")])
    without_xq = rare.undefined(np.array([[3, 1], [0, 0], [0, 2], [1, 1]]))
    assert not without_xq.any()


@pytest.mark.parametrize("given", [None, "y_true", 1])
def test_undefined_marks_groups_without_samples(given):
    strata = np.array([[4, 2], [3, 0], [0, 0]])
    undefined = HSICPenalty(given=given).undefined(strata)
    expected = {
        None: [[False, False, True]],
        "y_true": [[False, False, True], [False, True, True]],
        1: [[False, True, True]],
    }[given]
    assert undefined.tolist() == expected


def test_missing_groups_are_named():
    with pytest.warns(UndefinedRateWarning, match=r"HSICPenalty.*'b'"):
        HSICPenalty(given=1).warn_undefined(np.array([[1, 1], [1, 0]]), ["a", "b"])


@pytest.mark.parametrize("name", ["covariance", "hsic", "wasserstein"])
def test_memory_is_the_penalty_of_all_kept_batches(name):
    inner, memory = get_penalty(name), MemoryPenalty(name, window=3)
    batches = [make_batch(seed, n=10 + seed) for seed in range(4)]
    for batch in batches:
        value = memory(batch[0].softmax(-1), *batch[1:], n_groups=3)
    joined = [torch.cat([batch[i] for batch in batches[1:]]) for i in range(4)]
    expected = inner(joined[0].softmax(-1), *joined[1:], n_groups=3)
    torch.testing.assert_close(value, expected)
    (gradient,) = torch.autograd.grad(value, batches[-1][0])
    (whole,) = torch.autograd.grad(expected, batches[-1][0])
    torch.testing.assert_close(gradient, whole * (11 + 12 + 13) / 13)


@pytest.mark.parametrize(
    ("plain", "kept"),
    [
        (WassersteinPenalty(), MemoryPenalty("wasserstein", window=16)),
        (DefinitionPenalty(), DefinitionPenalty(window=16)),
        (GroupMeanPenalty(), GroupMeanPenalty(window=16)),
        (LossGapPenalty(), LossGapPenalty(window=16)),
        (MutualInformationPenalty(), MutualInformationPenalty(window=16)),
    ],
    ids=lambda penalty: type(penalty).__name__,
)
def test_a_window_lowers_the_bias_of_small_batches(plain, kept, rng):
    values = []
    for _ in range(100):
        p = torch.tensor(rng.uniform(size=32))
        y, groups = torch.tensor(rng.integers(2, size=(2, 32)))
        values.append([penalty(p, y, groups).item() for penalty in (plain, kept)])
    biased, unbiased = np.mean(values[20:], axis=0)
    assert unbiased < 0.5 * biased


def test_memory_is_unused_in_evaluation_and_forgotten_by_bind():
    penalty = MemoryPenalty()
    first, second = make_batch(0), make_batch(1)
    alone = WassersteinPenalty()(second[0].softmax(-1), *second[1:])
    penalty(first[0].softmax(-1), *first[1:])
    torch.testing.assert_close(
        copy.deepcopy(penalty).eval()(second[0].softmax(-1), *second[1:]), alone
    )
    penalty.bind([0, 1, 2])
    torch.testing.assert_close(penalty(second[0].softmax(-1), *second[1:]), alone)


def test_memory_holds_no_sample_twice():
    batch = make_batch()
    memory = MemoryPenalty(window=10).plan(3)
    for _ in range(7):
        memory(batch[0].softmax(-1), *batch[1:])
    assert len(memory._memory) == 2


@pytest.mark.parametrize(
    "make",
    [
        lambda **w: GroupMeanPenalty("mean_squared_error", "variance", **w),
        lambda **w: LossGapPenalty(**w),
        lambda **w: LossGapPenalty(given="y_true", **w),
        lambda **w: WorstLossPenalty(**w),
        lambda **w: MutualInformationPenalty(given="y_true", **w),
    ],
)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_first_batches_of_a_window_are_pooled(make, n_classes):
    batches = [make_batch(seed, n_classes=n_classes) for seed in (5, 6, 7)]
    pooled = [torch.cat([batch[i] for batch in batches]) for i in range(4)]
    penalty = make(window=10)
    for batch in batches:
        value = penalty(batch[0].softmax(-1), *batch[1:], n_groups=3)
    expected = make()(pooled[0].softmax(-1), *pooled[1:], n_groups=3)
    torch.testing.assert_close(value, expected)
    (gradient,) = torch.autograd.grad(value, batches[-1][0])
    (whole,) = torch.autograd.grad(expected, batches[-1][0])
    torch.testing.assert_close(gradient, 3 * whole)


@every_penalty
def test_penalties_pickle_and_show_themselves(name):
    penalty = VARIANTS[name]()
    assert isinstance(penalty, Penalty)
    loaded = pickle.loads(pickle.dumps(penalty))
    assert repr(loaded) == repr(penalty)
    logits, y_true, groups, weight = make_batch()
    arguments = (logits.softmax(-1), y_true, groups, weight)
    torch.testing.assert_close(loaded(*arguments), penalty(*arguments))


@every_penalty
def test_single_precision_agrees_up_to_rounding(name):
    logits, y_true, groups, weight = make_batch()
    penalty = VARIANTS[name]()
    p = logits.softmax(-1).detach()
    single = penalty(p.float(), y_true, groups, weight.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(
        single.double(), penalty(p, y_true, groups, weight), rtol=1e-3, atol=1e-5
    )


@every_penalty
def test_a_device_is_neither_read_nor_sent_numbers(name):
    # Tensors of this device have no values: reading one, as for a condition, raises.
    logits, y_true, groups, weight = (x.to("meta") for x in make_batch())
    logits = logits.detach().requires_grad_()
    penalty = VARIANTS[name]().train()
    for given, watch in (
        (weight, nullcontext()),
        (weight, NoUploads()),
        (None, NoUploads()),
    ):
        with watch:  # constants go there in the first step
            value = penalty(logits.softmax(-1), y_true, groups, given, n_groups=3)
            value.backward()
    assert value.is_meta
    assert logits.grad.is_meta


@pytest.mark.gpu
@every_penalty
def test_penalties_agree_on_a_gpu(name):
    logits, y_true, groups, weight = make_batch()
    penalty = VARIANTS[name]()
    arguments = (logits.softmax(-1).detach(), y_true, groups, weight)
    expected = penalty(*arguments, n_groups=3)
    on_device = penalty.cuda()(*[x.cuda() for x in arguments], n_groups=3)
    torch.testing.assert_close(on_device.cpu(), expected)


REGRESSION = {
    **{name: make for name, make in VARIANTS.items() if make().takes_regression},
    "absolute_gap": lambda: LossGapPenalty(loss="absolute_error"),
    "bounded": lambda: WorstLossPenalty(0.5),
    "squared_mean": lambda: GroupMeanPenalty(power=2),
}
for _name in [
    n for n, make in REGRESSION.items() if getattr(make(), "given", None) is not None
]:
    del REGRESSION[_name]
del REGRESSION["brier_gap"]
of_targets = pytest.mark.parametrize("name", sorted(REGRESSION))


def make_targets(seed=0, n=40, n_groups=3):
    rng = np.random.default_rng(seed)
    y_pred = torch.tensor(rng.normal(size=n), requires_grad=True)
    y_true = torch.tensor(rng.normal(size=n))
    groups = torch.tensor(rng.integers(n_groups, size=n))
    return y_pred, y_true, groups, torch.tensor(rng.uniform(0.2, 2, n))


@of_targets
def test_gradient_on_a_continuous_target_matches_finite_differences(name):
    y_pred, y_true, groups, weight = make_targets(n=24)
    penalty = REGRESSION[name]()

    def value(y_pred):
        return penalty(y_pred[:, None], y_true, groups, weight, n_groups=3)

    assert torch.autograd.gradcheck(value, y_pred, eps=1e-7, atol=1e-5)


@of_targets
def test_group_with_one_sample_leaves_the_gradient_finite(name):
    y_pred, y_true, groups, _ = make_targets()
    groups[0] = 3
    value = REGRESSION[name]()(y_pred[:, None], y_true, groups, n_groups=5)
    (gradient,) = torch.autograd.grad(value, y_pred)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("disparity", sorted(DISPARITIES))
@pytest.mark.parametrize(
    "name", sorted(n for n, mean in GROUP_MEANS.items() if mean.response == "predict")
)
def test_group_mean_penalty_is_the_metric(name, disparity):
    y_pred, y_true, groups, weight = make_targets()
    y_pred, y_true = y_pred.detach() + 3, y_true + 3
    report = metrics.group_metrics(
        [name],
        y_true.numpy(),
        y_pred.numpy(),
        sensitive_features=groups.numpy(),
        sample_weight=weight.numpy(),
    )
    by_group = np.asarray(report.by_group[name])
    expected = float(DISPARITIES[disparity](by_group[None]))
    if DISPARITIES[disparity].greater_is_better:
        expected = 1 - expected
    value = get_penalty(name, disparity)(y_pred, y_true, groups, weight)
    assert value.item() == pytest.approx(expected)


def test_mean_of_probabilities_is_soft_demographic_parity():
    for n_classes in (2, 3):
        logits, y_true, groups, weight = make_batch(n_classes=n_classes)
        arguments = (logits.softmax(-1), y_true, groups, weight)
        torch.testing.assert_close(
            GroupMeanPenalty()(*arguments), DefinitionPenalty()(*arguments)
        )


def test_losses_of_a_target_by_hand():
    y_pred, y_true, groups, weight = make_targets()
    errors = (y_pred - y_true).detach().numpy()
    parts = split_groups(errors, groups, weight)
    squared = [np.average(e**2, weights=w) for e, w in parts]
    absolute = [np.average(abs(e), weights=w) for e, w in parts]
    batch = (y_pred, y_true, groups, weight)
    assert LossGapPenalty()(*batch).item() == pytest.approx(np.ptp(squared))
    gap = LossGapPenalty(loss="absolute_error")(*batch).item()
    assert gap == pytest.approx(np.ptp(absolute))
    assert WorstLossPenalty()(*batch).item() == pytest.approx(max(squared))
    bound = np.mean(squared)
    worst = WorstLossPenalty(bound)(*batch).item()
    assert worst == pytest.approx(max(squared) - bound)
    assert WorstLossPenalty(99.0)(*batch).item() == 0


def test_worst_log_loss_is_that_of_scikit_learn():
    logits, y_true, groups, weight = make_batch()
    p = logits.softmax(-1)
    expected = max(
        log_loss(
            y_true[groups == g].numpy(),
            p[groups == g].detach().numpy(),
            sample_weight=weight[groups == g].numpy(),
            labels=[0, 1],
        )
        for g in range(3)
    )
    value = WorstLossPenalty()(p, y_true, groups, weight)
    assert value.item() == pytest.approx(expected)


def test_bad_means_bounds_and_losses_raise():
    with pytest.raises(ValueError, match=r"term of the prediction.*'mean_prediction'"):
        GroupMeanPenalty("log_loss")
    with pytest.raises(ValueError, match="power 1 or 2"):
        GroupMeanPenalty(power=3)
    with pytest.raises(ValueError, match="upper_bound >= 0"):
        WorstLossPenalty(-1)
    batch = make_targets()
    with pytest.raises(ValueError, match=r"a continuous target: one of.*'squared"):
        LossGapPenalty(loss="log")(*batch)
    logits, y_true, groups, _ = make_batch()
    with pytest.raises(ValueError, match=r"of classes: one of \['brier', 'log'\]"):
        LossGapPenalty(loss="squared_error")(logits.softmax(-1), y_true, groups)


def test_kernels_are_wider_on_a_standardised_target():
    y_pred, y_true, groups, weight = make_targets()
    for kind in (MMDPenalty, HSICPenalty):
        torch.testing.assert_close(
            kind()(y_pred, y_true, groups, weight),
            kind(1.0)(y_pred, y_true, groups, weight),
        )
