"""The report against brute force, scikit-learn per group and fairlearn."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as skm

from fairsk.definitions import RATES, Rate, UndefinedRateWarning
from fairsk.metrics import METRICS, GroupMetrics, OutcomeCounts, group_metrics

COUNTED = sorted(name for name, entry in METRICS.items() if entry.metric.on_counts)


def table(seed, n=400, n_groups=4, n_classes=2):
    rng = np.random.default_rng(seed)
    scores = rng.random(n).round(2)
    return {
        "y": (rng.random(n) < 0.2 + 0.6 * scores).astype(int)
        if n_classes == 2
        else rng.integers(n_classes, size=n),
        "p": (scores > 0.5).astype(int)
        if n_classes == 2
        else rng.integers(n_classes, size=n),
        "s": scores,
        "race": np.array(list("abcdefghij"))[rng.integers(n_groups, size=n)],
        "site": np.array(["north", "south"])[rng.integers(2, size=n)],
        "w": rng.integers(0, 4, size=n).astype(float),
    }


SCIKIT_LEARN = {
    "accuracy": skm.accuracy_score,
    "true_positive_rate": lambda y, p, **kw: skm.recall_score(
        y, p, zero_division=np.nan, **kw
    ),
    "true_negative_rate": lambda y, p, **kw: skm.recall_score(
        y, p, pos_label=0, zero_division=np.nan, **kw
    ),
    "positive_predictive_value": lambda y, p, **kw: skm.precision_score(
        y, p, zero_division=np.nan, **kw
    ),
    "f1_score": lambda y, p, **kw: skm.f1_score(y, p, zero_division=np.nan, **kw),
    "selection_rate": lambda y, p, sample_weight=None: np.average(
        p, weights=sample_weight
    ),
    "balanced_accuracy": skm.balanced_accuracy_score,
    "matthews_correlation": skm.matthews_corrcoef,
    "cohen_kappa": skm.cohen_kappa_score,
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", SCIKIT_LEARN)
def test_count_metrics_equal_scikit_learn_on_each_group(name, weighted):
    data = table(0)
    weights = data["w"] if weighted else None
    result = group_metrics(
        name,
        data["y"],
        data["p"],
        sensitive_features=data["race"],
        sample_weight=weights,
    )
    for group, value in result.by_group[name].items():
        own = data["race"] == group
        kwargs = {"sample_weight": weights[own]} if weighted else {}
        expected = SCIKIT_LEARN[name](data["y"][own], data["p"][own], **kwargs)
        np.testing.assert_allclose(value, expected)
    kwargs = {"sample_weight": weights} if weighted else {}
    expected = SCIKIT_LEARN[name](data["y"], data["p"], **kwargs)
    np.testing.assert_allclose(result.overall[name], expected)


SCORED = {
    "roc_auc": skm.roc_auc_score,
    "average_precision": skm.average_precision_score,
    "brier_score": skm.brier_score_loss,
    "log_loss": lambda y, s, **kw: skm.log_loss(y, s, labels=[0, 1], **kw),
}


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", SCORED)
def test_score_metrics_equal_scikit_learn_on_each_group(name, weighted, columns):
    data = table(1)
    weights = data["w"] if weighted else None
    scores = data["s"] if columns == 1 else np.c_[1 - data["s"], data["s"]]
    result = group_metrics(
        name,
        data["y"],
        None,
        y_score=scores,
        sensitive_features=data["race"],
        sample_weight=weights,
    )
    for group, value in result.by_group[name].items():
        own = data["race"] == group
        kwargs = {"sample_weight": weights[own]} if weighted else {}
        expected = SCORED[name](data["y"][own], data["s"][own], **kwargs)
        np.testing.assert_allclose(value, expected)


REGRESSION = {
    "mean_absolute_error": skm.mean_absolute_error,
    "mean_squared_error": skm.mean_squared_error,
    "root_mean_squared_error": skm.root_mean_squared_error,
    "r2_score": skm.r2_score,
    "mean_error": lambda y, p, sample_weight=None: np.average(
        p - y, weights=sample_weight
    ),
}


@pytest.mark.parametrize("weighted", [False, True])
def test_regression_metrics_equal_scikit_learn_on_each_group(weighted, rng):
    data = table(2)
    y_true = rng.normal(1e4, 1, size=400)
    y_pred = y_true + rng.normal(size=400)
    weights = data["w"] if weighted else None
    result = group_metrics(
        list(REGRESSION),
        y_true,
        y_pred,
        sensitive_features=data["race"],
        control_features=data["site"],
        sample_weight=weights,
    )
    for (site, group), row in result.by_group.iterrows():
        own = (data["race"] == group) & (data["site"] == site)
        kwargs = {"sample_weight": weights[own]} if weighted else {}
        for name, function in REGRESSION.items():
            expected = function(y_true[own], y_pred[own], **kwargs)
            np.testing.assert_allclose(row[name], expected, rtol=1e-7)


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 60),
    n_groups=st.integers(1, 6),
    n_classes=st.integers(2, 4),
    weighted=st.booleans(),
    controlled=st.booleans(),
)
def test_report_equals_loops_over_groups(
    seed, n, n_groups, n_classes, weighted, controlled
):
    data = table(seed, n, n_groups, n_classes)
    weights = data["w"] if weighted else np.ones(n)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedRateWarning)
        result = group_metrics(
            ["selection_rate", "false_positive_rate"],
            data["y"],
            data["p"],
            sensitive_features=data["race"],
            control_features=data["site"] if controlled else None,
            sample_weight=weights if weighted else None,
            labels=range(n_classes),
        )
    positives = [1] if n_classes == 2 else range(n_classes)
    for c, stratum in enumerate(result.stratum_labels):
        inside = data["site"] == stratum[0] if controlled else np.ones(n, dtype=bool)
        for g, label in enumerate(result.group_labels):
            own = inside & (data["race"] == label)
            assert result.sizes[c, g] == own.sum()
            expected = [selected(data, own, weights, k) for k in positives]
            expected += [false_positives(data, own, weights, k) for k in positives]
            np.testing.assert_allclose(result.values[c, :, g], expected, atol=1e-12)
        for column, name in enumerate(result.names):
            check_disparities(result, c, column, name, controlled, stratum)


def mean(values, weights):
    return (values * weights).sum() / weights.sum() if weights.sum() > 0 else np.nan


def selected(data, own, weights, k):
    return mean(data["p"][own] == k, weights[own])


def false_positives(data, own, weights, k):
    return selected(data, own & (data["y"] != k), weights, k)


def check_disparities(result, c, column, name, controlled, stratum):
    values = result.values[c, column]
    defined = values[~np.isnan(values)]
    gap = np.ptp(defined) if len(defined) > 1 else np.nan
    share = np.nan
    if len(defined) > 1:
        share = defined.min() / defined.max() if defined.max() else 1.0
    expected = {
        result.difference: gap,
        result.ratio: share,
        result.group_min: defined.min() if len(defined) else np.nan,
        result.group_max: defined.max() if len(defined) else np.nan,
    }
    for method, value in expected.items():
        shown = method()[name]
        got = shown[stratum[0]] if controlled else shown
        np.testing.assert_allclose(got, value, atol=1e-12)


def rare_recall(y_true, y_pred, sample_weight=None):
    return float(np.average(y_pred, weights=sample_weight))


@pytest.mark.parametrize("controlled", [False, True])
def test_report_equals_fairlearn(controlled):
    fairlearn = pytest.importorskip("fairlearn.metrics")
    data = table(3)
    names = {
        "selection_rate": fairlearn.selection_rate,
        "true_positive_rate": fairlearn.true_positive_rate,
        "false_positive_rate": fairlearn.false_positive_rate,
        "accuracy": skm.accuracy_score,
        "own": rare_recall,
    }
    features = {"race": data["race"], "old": (data["s"] > 0.3).astype(int)}
    controls = {"site": data["site"]} if controlled else None
    result = group_metrics(
        {name: name if name in METRICS else f for name, f in names.items()},
        data["y"],
        data["p"],
        sensitive_features=pd.DataFrame(features),
        control_features=controls,
    )
    peer = fairlearn.MetricFrame(
        metrics=names,
        y_true=data["y"],
        y_pred=data["p"],
        sensitive_features=pd.DataFrame(features),
        control_features=controls and pd.DataFrame(controls),
    )
    pd.testing.assert_frame_equal(
        result.by_group, peer.by_group, check_dtype=False, check_index_type=False
    )

    def same(own, other):
        np.testing.assert_allclose(
            np.asarray(own, dtype=float), np.asarray(other, dtype=float)
        )

    same(result.overall, peer.overall)
    same(result.group_min(), peer.group_min())
    same(result.group_max(), peer.group_max())
    same(result.difference(), peer.difference())
    same(result.difference(to="overall"), peer.difference(method="to_overall"))
    same(result.ratio(), peer.ratio())
    same(result.ratio(to="overall"), peer.ratio(method="to_overall"))


def test_functions_and_names_share_one_report():
    data = table(4)
    common = {"sensitive_features": data["race"], "sample_weight": data["w"]}
    result = group_metrics(
        {"named": "accuracy", "function": skm.accuracy_score},
        data["y"],
        data["p"],
        **common,
    )
    np.testing.assert_allclose(result.by_group["named"], result.by_group["function"])
    np.testing.assert_allclose(result.overall["named"], result.overall["function"])


def test_functions_that_name_y_score_get_it():
    data = table(5)
    result = group_metrics(
        ["roc_auc", skm.roc_auc_score],
        data["y"],
        data["p"],
        y_score=data["s"],
        sensitive_features=data["race"],
    )
    np.testing.assert_allclose(
        result.by_group["roc_auc"], result.by_group["roc_auc_score"]
    )


def test_sample_params_are_sliced_with_the_rows():
    data = table(6)

    def cost(y_true, y_pred, amount):
        return float(((y_true != y_pred) * amount).mean())

    result = group_metrics(
        {"cost": cost},
        data["y"],
        data["p"],
        sensitive_features=data["race"],
        sample_params={"cost": {"amount": data["s"]}},
    )
    for group, value in result.by_group["cost"].items():
        own = data["race"] == group
        wrong = data["y"][own] != data["p"][own]
        assert value == pytest.approx((wrong * data["s"][own]).mean())


def test_a_new_rate_is_measured_as_a_named_one():
    data = table(7)
    hit = Rate("hit", RATES["accuracy"].numerator, RATES["accuracy"].denominator, False)
    result = group_metrics(
        [hit, "accuracy"], data["y"], data["p"], sensitive_features=data["race"]
    )
    np.testing.assert_array_equal(result.by_group["hit"], result.by_group["accuracy"])


def test_multiclass_rates_have_a_column_for_each_class():
    result = group_metrics(
        ["true_positive_rate", "accuracy"],
        ["a", "b", "c", "a", "b", "c"],
        ["a", "b", "a", "a", "c", "c"],
        sensitive_features=[0, 0, 0, 1, 1, 1],
    )
    assert result.names == [
        "true_positive_rate (class 'a')",
        "true_positive_rate (class 'b')",
        "true_positive_rate (class 'c')",
        "accuracy",
    ]
    np.testing.assert_array_equal(result.values[0, :3, 0], [1, 1, 0])


def test_multiclass_log_loss_equals_scikit_learn(rng):
    scores = rng.dirichlet(np.ones(3), size=90)
    y_true, groups = rng.choice(list("abc"), 90), rng.integers(2, size=90)
    result = group_metrics(
        "log_loss", y_true, None, y_score=scores, sensitive_features=groups
    )
    for group in (0, 1):
        own = groups == group
        expected = skm.log_loss(y_true[own], scores[own], labels=list("abc"))
        assert result.by_group["log_loss"][group] == pytest.approx(expected)


def test_undefined_rates_are_nan_with_one_warning():
    with pytest.warns(UndefinedRateWarning, match="rate of group 'b'") as record:
        result = group_metrics(
            ["true_positive_rate", "selection_rate", "roc_auc"],
            [0, 1, 0, 0],
            [0, 1, 1, 0],
            y_score=[0.1, 0.9, 0.8, 0.2],
            sensitive_features=list("aabb"),
        )
    assert len(record) == 1
    assert np.isnan(result.by_group.loc["b", "true_positive_rate"])
    assert np.isnan(result.by_group.loc["b", "roc_auc"])
    assert np.isnan(result.difference()["true_positive_rate"])
    assert result.difference()["selection_rate"] == 0


def test_a_group_missing_from_a_stratum_is_undefined_there():
    with pytest.warns(UndefinedRateWarning, match="'b' in stratum"):
        result = group_metrics(
            {"rate": "selection_rate", "mean": rare_recall},
            [0, 1, 0],
            [0, 1, 1],
            sensitive_features=list("aab"),
            control_features=[0, 1, 1],
        )
    assert np.isnan(result.by_group.loc[(0, "b")]).all()
    assert result.group_sizes.loc[(0, "b")] == 0


def test_weights_of_zero_leave_a_group_undefined():
    with pytest.warns(UndefinedRateWarning, match="of group 'b'"):
        result = group_metrics(
            ["selection_rate", "mean_prediction"],
            [0, 1, 0, 1],
            [0, 1, 1, 1],
            sensitive_features=list("aabb"),
            sample_weight=[1, 1, 0, 0],
        )
    assert np.isnan(result.by_group.loc["b"]).all()


def test_one_group_has_a_report_and_no_disparity():
    result = group_metrics(
        "selection_rate", [0, 1], [1, 1], sensitive_features=["a", "a"]
    )
    assert result.by_group.loc["a", "selection_rate"] == 1
    assert np.isnan(result.difference()["selection_rate"])


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (pd.DataFrame, pd.DataFrame),
        (pl.DataFrame, pl.DataFrame),
        (pa.table, pa.Table),
    ],
)
def test_tables_are_of_the_kind_that_came_in(make, kind):
    data = table(8)
    result = group_metrics(
        ["selection_rate", "accuracy"],
        data["y"],
        data["p"],
        sensitive_features=make({"race": data["race"], "site": data["site"]}),
    )
    for shown in (result.by_group, result.group_sizes, result.difference()):
        assert type(shown).__module__.split(".")[0] == kind.__module__.split(".")[0]
    assert isinstance(result.by_group, kind)


def test_without_a_frame_library_tables_are_dicts(monkeypatch):
    data = table(9)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = group_metrics(
        "accuracy", data["y"], data["p"], sensitive_features=data["race"]
    )
    assert set(result.by_group) == {"sensitive_feature_0", "accuracy"}
    assert set(result.overall) == {"accuracy"}


def test_tensors_give_the_report_of_arrays():
    data = table(10)
    codes = np.unique(data["race"], return_inverse=True)[1]
    metrics = ["selection_rate", "accuracy", "log_loss"]
    expected = group_metrics(
        metrics, data["y"], data["p"], y_score=data["s"], sensitive_features=codes
    )
    result = group_metrics(
        metrics,
        torch.tensor(data["y"]),
        torch.tensor(data["p"]),
        y_score=torch.tensor(data["s"]),
        sensitive_features=torch.tensor(codes),
    )
    np.testing.assert_allclose(result.values, expected.values)


# To leave a device, array-api-strict needs numpy 2.
DEVICES = ["CPU_DEVICE"] + ["device1"] * (
    np.lib.NumpyVersion(np.__version__) >= "2.0.0"
)


@pytest.mark.parametrize("device", DEVICES)
def test_arrays_of_the_array_api_give_the_report_of_numpy(device):
    xp = pytest.importorskip("array_api_strict")
    data, device = table(10), xp.Device(device)
    codes = np.unique(data["race"], return_inverse=True)[1]
    metrics = ["selection_rate", "accuracy", "log_loss", skm.accuracy_score]

    def report(convert):
        return group_metrics(
            metrics,
            convert(data["y"]),
            convert(data["p"]),
            y_score=convert(data["s"]),
            sensitive_features=convert(codes),
            sample_weight=convert(data["w"]),
        )

    given = report(lambda values: xp.asarray(values, device=device))
    np.testing.assert_allclose(given.values, report(np.asarray).values)


@pytest.mark.gpu
def test_tensors_on_a_gpu_give_the_report_of_arrays():
    data = table(10)
    codes = np.unique(data["race"], return_inverse=True)[1]
    metrics = ["selection_rate", "accuracy", "log_loss"]

    def report(convert):
        return group_metrics(
            metrics,
            convert(data["y"]),
            convert(data["p"]),
            y_score=convert(data["s"]),
            sensitive_features=convert(codes),
            sample_weight=convert(data["w"]),
        )

    given = report(lambda values: torch.as_tensor(values, device="cuda"))
    np.testing.assert_allclose(given.values, report(np.asarray).values)


def test_counts_give_the_report_of_their_arrays():
    data = table(11)
    common = {"sensitive_features": data["race"], "control_features": data["site"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedRateWarning)
        expected = group_metrics(COUNTED, data["y"], data["p"], **common)
        counts = OutcomeCounts.from_arrays(data["y"], data["p"], **common)
        result = GroupMetrics.from_counts(COUNTED, counts, kind="polars")
    np.testing.assert_array_equal(result.values, expected.values)
    assert isinstance(result.by_group, pl.DataFrame)


def test_report_as_dicts_has_groups_and_strata():
    data = table(12)
    report = group_metrics(
        "accuracy",
        data["y"],
        data["p"],
        sensitive_features=data["race"],
        control_features=data["site"],
    ).to_dict()
    own = (data["site"] == "north") & (data["race"] == "a")
    value = report["north"]["by_group"]["a"]["accuracy"]
    assert value == pytest.approx((data["y"] == data["p"])[own].mean())
    assert report["north"]["group_sizes"]["a"] == own.sum()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"metrics": "acuracy"}, ValueError, "Did you mean 'accuracy'"),
        ({"metrics": []}, ValueError, "at least one metric"),
        ({"metrics": {"x": 3}}, TypeError, "'x' to be a name or a function"),
        ({"metrics": "roc_auc"}, ValueError, "needs `y_score` for the metric"),
        ({"metrics": [len, len]}, ValueError, "metrics of different names"),
        ({"metrics": lambda a, b: a}, TypeError, "metrics that return one number"),
        ({"sensitive_features": [0]}, ValueError, "one entry per sample"),
        (
            {"metrics": max, "sensitive_features": [0]},
            ValueError,
            "one entry per sample",
        ),
        ({"control_features": [0]}, ValueError, "1 control features for 4"),
        ({"pos_label": 7}, ValueError, "`pos_label` to be one of"),
        ({"sample_params": {"f": {"w": [1]}}}, ValueError, None),
        (
            {"metrics": lambda a, b: 0.0, "sample_weight": [1, 1, 1, 1]},
            TypeError,
            "metrics that take `sample_weight`",
        ),
        (
            {"metrics": "mean_error", "sample_weight": [1, 1, 1, -1]},
            ValueError,
            "finite `sample_weight` of at least 0",
        ),
        ({"sensitive_features": [0, None, 1, 1]}, ValueError, "missing in 1 of 4"),
    ],
)
def test_bad_input_raises(change, error, message):
    arguments = {
        "metrics": "selection_rate",
        "y_true": [0, 1, 0, 1],
        "y_pred": [0, 1, 1, 1],
        "sensitive_features": [0, 0, 1, 1],
    } | change
    if message is None:
        arguments["metrics"], message = rare_recall, "`sample_params` by the names"
    with pytest.raises(error, match=message):
        group_metrics(**arguments)


@pytest.mark.parametrize("controlled", [False, True])
def test_report_shows_the_noise_floor_beside_the_difference(controlled):
    data = table(13)
    result = group_metrics(
        ["selection_rate", skm.accuracy_score],
        data["y"],
        data["p"],
        sensitive_features={"race <&>": data["race"]},
        control_features=data["site"] if controlled else None,
    )
    text, html = repr(result), result._repr_html_()
    assert "noise floor" in text
    assert "race &lt;&amp;&gt;" in html
    shown = f"{np.ravel(result.difference())[0]:.4g}"
    mean, _ = group_metrics(
        "selection_rate",
        data["y"],
        data["p"],
        sensitive_features=data["race"],
        control_features=data["site"] if controlled else None,
    ).noise_floor(n_resamples=999, random_state=0)
    for number in (shown, f"{np.ravel(mean)[0]:.4g}"):
        assert number in text
        assert f"<td>{number}</td>" in html
    # Calling a function a thousand times is nothing to do unasked.
    row = next(line for line in text.splitlines() if "accuracy_score" in line[5:])
    assert row
    assert len(text.splitlines()) == html.count("<tr>") + 1
