"""The penalty of a definition against the metric and finite differences."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairsk.definitions import (
    DEFINITIONS,
    DISPARITIES,
    get_definition,
    get_disparity,
    group_counts,
)
from fairsk.penalties import DefinitionPenalty, EachFeaturePenalty, PenaltySum

every_definition = pytest.mark.parametrize("fairness", sorted(DEFINITIONS))
every_disparity = pytest.mark.parametrize("disparity", sorted(DISPARITIES))


def draw(seed, n=60, n_groups=3, n_classes=2, weighted=False):
    rng = np.random.default_rng(seed)
    y_score = rng.dirichlet(np.ones(n_classes), size=n)
    y_true = rng.integers(n_classes, size=n)
    groups = rng.integers(n_groups, size=n)
    weight = rng.random(n) if weighted else None
    return y_score, y_true, groups, weight


def tensors(y_score, y_true, groups, weight):
    weight = weight if weight is None else torch.as_tensor(weight)
    return (*map(torch.as_tensor, (y_score, y_true, groups)), weight)


@every_definition
@every_disparity
@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 40),
    n_groups=st.integers(1, 4),
    n_classes=st.integers(2, 4),
    weighted=st.booleans(),
)
def test_penalty_at_hard_predictions_is_the_metric(
    fairness, disparity, seed, n, n_groups, n_classes, weighted
):
    _, y_true, groups, weight = draw(seed, n, n_groups, n_classes, weighted)
    y_pred = np.random.default_rng(seed + 1).integers(n_classes, size=n)
    counts = group_counts(
        groups,
        y_true,
        y_pred,
        n_groups=n_groups,
        n_classes=n_classes,
        sample_weight=weight,
    )
    metric = get_definition(fairness).disparity(counts, disparity)
    if get_disparity(disparity).greater_is_better:
        metric = 1 - metric
    penalty = DefinitionPenalty(fairness, disparity)(
        *tensors(np.eye(n_classes)[y_pred], y_true, groups, weight), n_groups=n_groups
    )
    assert penalty.item() == pytest.approx(np.nan_to_num(metric, nan=0.0), abs=1e-12)


@every_definition
@every_disparity
@pytest.mark.parametrize("n_classes", [2, 3])
def test_gradient_is_the_finite_difference(fairness, disparity, n_classes):
    y_score, *rest = tensors(*draw(1, n_classes=n_classes, weighted=True))
    penalty = DefinitionPenalty(fairness, disparity)
    assert torch.autograd.gradcheck(
        lambda score: penalty(score, *rest), y_score.requires_grad_()
    )


@every_definition
@every_disparity
@pytest.mark.parametrize(
    ("y_true", "groups"),
    [
        ([0, 1, 0, 1], [0, 0, 0, 0]),  # one group only
        ([0, 0, 0, 0], [0, 1, 0, 1]),  # one class only
        ([0, 0, 1, 1], [0, 0, 1, 1]),  # each group has one class
    ],
)
def test_gradient_is_finite_where_rates_are_undefined(
    fairness, disparity, y_true, groups
):
    logits = torch.tensor([-1.0, 2.0, 0.3, -0.2], requires_grad=True)
    penalty = DefinitionPenalty(fairness, disparity)(
        logits.sigmoid(), torch.tensor(y_true), torch.tensor(groups), n_groups=3
    )
    penalty.backward()
    assert penalty.isfinite()
    assert logits.grad.isfinite().all()
    if len(set(groups)) == 1:
        assert penalty == 0
        assert (logits.grad == 0).all()


def test_one_score_per_sample_is_the_probability_of_class_one():
    y_score, *rest = tensors(*draw(2))
    penalty = DefinitionPenalty("equalized_odds")
    assert penalty(y_score[:, 1], *rest) == penalty(y_score, *rest)


def test_number_of_groups_is_read_off_the_codes():
    batch = list(tensors(*draw(3)))
    penalty = DefinitionPenalty()
    assert penalty(*batch) == penalty(*batch, n_groups=7)


@every_definition
def test_window_over_equal_batches_is_the_batch(fairness):
    batch = list(tensors(*draw(4)))
    penalty = DefinitionPenalty(fairness, window=5)
    alone = DefinitionPenalty(fairness)(*batch)
    for _ in range(7):
        assert penalty(*batch).item() == pytest.approx(alone.item())


def test_first_batches_of_a_window_are_pooled():
    pieces = [list(tensors(*draw(seed))) for seed in (5, 6, 7)]
    pooled = [torch.cat([piece[i] for piece in pieces]) for i in range(3)]
    penalty = DefinitionPenalty("equalized_odds", window=10)
    for piece in pieces:
        value = penalty(*piece)
    expected = DefinitionPenalty("equalized_odds")(*pooled)
    assert value.item() == pytest.approx(expected.item())


def test_group_missing_from_a_batch_keeps_its_rate():
    penalty = DefinitionPenalty(window=4)
    y_true = torch.zeros(4, dtype=torch.long)
    both, first = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 0, 0])
    penalty(torch.tensor([0.8, 0.8, 0.2, 0.2]), y_true, both, n_groups=2)
    y_score = torch.full((4,), 0.8, requires_grad=True)
    value = penalty(y_score, y_true, first, n_groups=2)
    value.backward()
    assert value.item() == pytest.approx(0.6)
    assert (y_score.grad > 0).all()


def test_evaluation_mode_takes_the_batch_alone():
    one, two = list(tensors(*draw(8))), list(tensors(*draw(9)))
    penalty = DefinitionPenalty(window=10)
    penalty(*one)
    assert penalty.eval()(*two) == DefinitionPenalty()(*two)


def test_window_forgets_when_a_group_is_new():
    penalty = DefinitionPenalty(window=10)
    one = list(tensors(*draw(8)))
    penalty(*one, n_groups=3)
    assert penalty(*one, n_groups=4) == DefinitionPenalty()(*one, n_groups=4)


def test_undefined_says_which_rate_of_which_group():
    strata = np.array([[[5, 5], [5, 0]], [[1, 1], [0, 0]]])
    undefined = DefinitionPenalty("equalized_odds").undefined(strata)
    # Rows are true and false positive rate, columns the groups.
    assert undefined[0].tolist() == [[False, True], [False, False]]
    assert undefined[1].tolist() == [[False, True], [False, True]]


def test_unknown_names_raise():
    with pytest.raises(ValueError, match="Did you mean 'demographic_parity'"):
        DefinitionPenalty("demographic_party")
    with pytest.raises(ValueError, match="disparity"):
        DefinitionPenalty(disparity="gap")


def test_penalty_can_be_copied_after_use():
    penalty = DefinitionPenalty(window=3)
    penalty(*tensors(*draw(0)))
    assert "demographic_parity" in repr(copy.deepcopy(penalty))


def test_plan_sets_the_window_where_none_is_given():
    batches = [list(tensors(*draw(seed))) for seed in range(4)]

    def last(penalty):
        return [penalty(*batch).item() for batch in batches][-1]

    assert last(DefinitionPenalty().plan(100)) == last(DefinitionPenalty(window=10))
    assert last(DefinitionPenalty().plan(3)) == last(DefinitionPenalty(window=3))
    assert last(DefinitionPenalty().plan(1)) == last(DefinitionPenalty(window=1))
    assert last(DefinitionPenalty(window=2).plan(100)) == last(
        DefinitionPenalty(window=2)
    )
    assert last(DefinitionPenalty()) == last(DefinitionPenalty(window=1))


def test_sums_plan_their_terms():
    one, two = list(tensors(*draw(8))), list(tensors(*draw(9)))
    total, alone = (
        PenaltySum(["equalized_odds"]).plan(5),
        DefinitionPenalty("equalized_odds", window=5),
    )
    for batch in (one, two):
        assert total(*batch) == alone(*batch)


def test_each_feature_has_a_window_of_its_own():
    features = torch.tensor([[0, 0, 1], [0, 1, 0]])
    each = EachFeaturePenalty().bind([("a", 0), ("a", 1), ("b", 0)]).plan(5)
    alone = [DefinitionPenalty(window=5) for _ in features]
    for seed in range(3):
        y_score, y_true, groups, weight = tensors(*draw(seed))
        expected = [
            penalty(y_score, y_true, feature[groups], weight)
            for penalty, feature in zip(alone, features)
        ]
        assert each(y_score, y_true, groups, weight) == sum(expected) / 2
