"""Metadata stay aligned with X and y, whatever the sampler does."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from imblearn.base import BaseSampler
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import Pipeline as ImblearnPipeline
from imblearn.under_sampling import (
    EditedNearestNeighbours,
    RandomUnderSampler,
)
from scipy import sparse
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClusterMixin,
    TransformerMixin,
    clone,
)
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from fairsk.base import GroupAwareMixin
from fairsk.datasets import make_biased_classification
from fairsk.groups import Groups
from fairsk.pipeline import Pipeline, make_pipeline
from fairsk.postprocessing import ThresholdOptimizer
from fairsk.reductions import ReweighingClassifier

CONTAINERS = {
    "list": list,
    "numpy": np.asarray,
    "numpy 2d": lambda v: np.asarray(v)[:, None],
    "pandas": pd.Series,
    "pandas frame": lambda v: pd.DataFrame({"row": v}, index=range(5, 5 + len(v))),
    "polars": pl.Series,
    "polars frame": lambda v: pl.DataFrame({"row": v}),
    "sparse": lambda v: sparse.csr_array(np.asarray(v)[:, None]),
    "dict": lambda v: {"row": np.asarray(v)},
    "groups": Groups.from_columns,
}


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


class Recorder(ClassifierMixin, ClusterMixin, TransformerMixin, BaseEstimator):
    """Keeps what `fit` was given."""

    __metadata_request__fit = {"sensitive_features": True, "sample_weight": True}
    __metadata_request__predict = {"sensitive_features": True}

    def __init__(self, group_by=None):
        self.group_by = group_by

    def fit(self, X, y, sensitive_features=None, sample_weight=None):
        self.X_, self.y_ = X, y
        self.groups_, self.weight_ = sensitive_features, sample_weight
        self.classes_ = np.unique(y)
        return self

    def fit_predict(self, X, y=None, **metadata):
        return self.fit(X, y, **metadata).predict(X)

    def fit_transform(self, X, y=None, **metadata):
        self.fit(X, y, **metadata)
        return X

    def transform(self, X):
        return X

    def predict(self, X, sensitive_features=None):
        self.groups_at_predict_ = sensitive_features
        return np.repeat(self.classes_[0], len(X))


class Mixer(GroupAwareMixin, BaseSampler):
    """Adds the mean of each group, and says so if asked."""

    __metadata_request__fit_resample = {"sensitive_features": True}
    _sampling_type = "bypass"

    def __init__(self, group_by=None, tell=True):
        super().__init__()
        self.group_by = group_by
        self.tell = tell

    def fit_resample(self, X, y, *, sensitive_features=None):
        groups = self._check_groups(X, sensitive_features)
        X, y = np.asarray(X), np.asarray(y)
        codes = range(groups.n_groups)
        first = np.array([np.flatnonzero(groups.codes == code)[0] for code in codes])
        means = np.array([X[groups.codes == code].mean(axis=0) for code in codes])
        self.sample_indices_ = np.append(np.arange(len(y)), [-1] * len(first))
        if self.tell:
            self.group_indices_ = np.append(np.arange(len(y)), first)
        return np.vstack([X, means]), np.append(y, y[first])

    def _fit_resample(self, X, y):
        raise NotImplementedError


def make_rows(n_rows=60, seed=0):
    """Rows that no two of are equal, and classes that overlap."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n_rows) < 0.3).astype(int)
    y[:8] = 1
    return rng.normal(size=(n_rows, 3)) + y[:, None], y


def row_numbers(X, X_original):
    """Which row of the original each row is."""
    number_of = {row.tobytes(): number for number, row in enumerate(X_original)}
    return np.array([number_of[row.tobytes()] for row in np.ascontiguousarray(X)])


def plain(values):
    if sparse.issparse(values):
        values = values.toarray()
    if isinstance(values, Groups):
        values = [values.labels[code] for code in values.codes]
    if isinstance(values, dict):
        values = values["row"]
    return np.ravel(np.asarray(values))


def test_equal_lengths_do_not_fool_the_pipeline():
    class Reverser(BaseSampler):
        _sampling_type = "bypass"

        def fit_resample(self, X, y):
            return X[::-1], y[::-1]

        def _fit_resample(self, X, y):
            raise NotImplementedError

    X, y = make_rows()
    pipe = make_pipeline(Reverser(), Recorder())
    with pytest.raises(ValueError, match="does not tell `sample_indices_`"):
        pipe.fit(X, y, recorder__sensitive_features=y)


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS.keys())
def test_metadata_stay_in_their_container(container):
    X, y = make_rows()
    given = container(np.arange(len(y)) + 1)
    pipe = make_pipeline(RandomOverSampler(random_state=0), Recorder())
    pipe.fit(X, y, recorder__sensitive_features=given)
    assert type(pipe[-1].groups_) is type(given)
    expected = row_numbers(pipe[-1].X_, X) + 1
    np.testing.assert_array_equal(plain(pipe[-1].groups_), expected)


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("method", ["fit", "fit_predict", "fit_transform"])
def test_routed_metadata_are_resampled_in_every_method(method):
    X, y = make_rows()
    numbers = np.arange(len(y))
    pipe = make_pipeline(MinMaxScaler(), RandomOverSampler(), Recorder())
    getattr(pipe, method)(X, y, sensitive_features=numbers, sample_weight=numbers)
    expected = row_numbers(pipe[-1].X_, MinMaxScaler().fit_transform(X))
    np.testing.assert_array_equal(pipe[-1].groups_, expected)
    np.testing.assert_array_equal(pipe[-1].weight_, expected)


def test_several_samplers_resample_one_after_the_other():
    X, y = make_rows()
    numbers = np.arange(len(y))
    pipe = make_pipeline(
        RandomOverSampler(random_state=0),
        "passthrough",
        StandardScaler(with_mean=False, with_std=False),
        EditedNearestNeighbours(sampling_strategy="all"),
        RandomUnderSampler(random_state=0),
        Recorder(),
    )
    pipe.fit(X, y, recorder__sensitive_features=numbers)
    np.testing.assert_array_equal(pipe[-1].groups_, row_numbers(pipe[-1].X_, X))


def test_what_does_not_belong_to_the_rows_is_left_alone():
    class Wide(Recorder):
        def fit(self, X, y, eval_set=None, tag=None):
            self.eval_set_, self.tag_ = eval_set, tag
            return self

    X, y = make_rows()
    eval_set, tag = (X[:7], y[:7]), "a" * len(y)
    pipe = make_pipeline(RandomUnderSampler(), Wide())
    pipe.fit(X, y, wide__eval_set=eval_set, wide__tag=tag)
    assert pipe[-1].eval_set_ is eval_set
    assert pipe[-1].tag_ is tag


@pytest.mark.parametrize("name", ["sensitive_features", "sample_weight"])
def test_metadata_of_another_length_raise(name):
    X, y = make_rows()
    pipe = make_pipeline(RandomUnderSampler(random_state=0), Recorder())
    n_resampled = 2 * y.sum()
    with pytest.raises(ValueError, match=f"Got {n_resampled} for the step 'recorder'"):
        pipe.fit(X, y, **{f"recorder__{name}": np.ones(n_resampled)})


def test_made_rows_get_the_group_that_their_sampler_tells():
    X, y = make_rows()
    frame = pd.DataFrame({"sex": list("fm") * 30, "old": [0, 0, 1] * 20})
    pipe = make_pipeline(Mixer(), Recorder())
    pipe.fit(X, y, mixer__sensitive_features=frame, recorder__sensitive_features=frame)
    groups = pipe[-1].groups_
    assert list(groups.columns) == ["sex", "old"]
    pd.testing.assert_frame_equal(groups[:60], frame)
    made = pipe[-1].X_[60:]
    for (sex, old), row in zip(groups[60:].itertuples(index=False), made):
        members = ((frame["sex"] == sex) & (frame["old"] == old)).to_numpy()
        np.testing.assert_allclose(row, X[members].mean(axis=0))


def test_equal_groups_need_not_be_the_same_object():
    X, y = make_rows()
    pipe = Pipeline([("a", Mixer()), ("b", Mixer()), ("c", Recorder())])
    pipe.fit(
        X,
        y,
        a__sensitive_features=["x", "y"] * 30,
        b__sensitive_features=np.array(["x", "y"] * 30),
        c__sensitive_features=pd.Series(["x", "y"] * 30),
    )
    assert pipe[-1].groups_.tolist() == ["x", "y"] * 32


@pytest.mark.parametrize("tell", [True, False])
def test_made_rows_of_other_groups_raise(tell):
    X, y = make_rows()
    pipe = make_pipeline(Mixer(tell=tell), Recorder())
    other = ["x", "x", "y"] * 20
    with pytest.raises(ValueError, match="other groups" if tell else "does not tell"):
        pipe.fit(
            X,
            y,
            mixer__sensitive_features=["x", "y"] * 30,
            recorder__sensitive_features=other,
        )


def test_weights_of_made_rows_are_unknown():
    X, y = make_rows()
    pipe = make_pipeline(Mixer(), Recorder())
    with pytest.raises(ValueError, match="does not tell the `sample_weight`"):
        pipe.fit(
            X,
            y,
            mixer__sensitive_features=["x", "y"] * 30,
            recorder__sample_weight=np.ones(60),
        )


def test_sampler_that_reads_its_groups_from_X_passes_them_on():
    X, y = make_rows()
    X[:, 0] = X[:, 0] > 0
    groups = X[:, 0].copy()
    pipe = make_pipeline(Mixer(group_by=0), Recorder())
    pipe.fit(X, y, recorder__sensitive_features=groups)
    np.testing.assert_array_equal(pipe[-1].groups_, pipe[-1].X_[:, 0])


@pytest.mark.usefixtures("routing")
def test_fit_resample_routes_to_every_step():
    X, y = make_rows()
    groups = ["x", "y"] * 30
    pipe = make_pipeline(Mixer(), RandomUnderSampler(random_state=0), Mixer())
    X_resampled, y_resampled = pipe.fit_resample(X, y, sensitive_features=groups)
    once, y_once = Mixer().fit_resample(X, y, sensitive_features=groups)
    under = RandomUnderSampler(random_state=0)
    X_under, y_under = under.fit_resample(once, y_once)
    groups = np.array([*groups, "x", "y"])[under.sample_indices_]
    X_expected, y_expected = Mixer().fit_resample(
        X_under, y_under, sensitive_features=groups
    )
    np.testing.assert_allclose(X_resampled, X_expected)
    np.testing.assert_array_equal(y_resampled, y_expected)


@pytest.mark.usefixtures("routing")
def test_nested_pipelines_resample_what_they_are_handed():
    X, y = make_rows()
    numbers = np.arange(len(y))
    inner = make_pipeline(RandomUnderSampler(random_state=0), Recorder())
    pipe = make_pipeline(RandomOverSampler(random_state=0), inner)
    pipe.fit(X, y, sensitive_features=numbers)
    np.testing.assert_array_equal(inner[-1].groups_, row_numbers(inner[-1].X_, X))


def test_nested_parameters_are_resampled_with_routing_off():
    X, y = make_rows()
    inner = make_pipeline(RandomUnderSampler(random_state=0), Recorder())
    pipe = Pipeline([("over", RandomOverSampler(random_state=0)), ("inner", inner)])
    pipe.fit(X, y, inner__recorder__sensitive_features=np.arange(len(y)))
    np.testing.assert_array_equal(inner[-1].groups_, row_numbers(inner[-1].X_, X))


def test_cached_sampler_still_tells_its_rows(tmp_path):
    X, y = make_rows()
    numbers = np.arange(len(y))
    pipe = make_pipeline(
        StandardScaler(with_mean=False, with_std=False),
        RandomOverSampler(random_state=0),
        Recorder(),
        memory=str(tmp_path),
    )
    for _ in range(2):
        pipe.fit(X, y, recorder__sensitive_features=numbers)
        np.testing.assert_array_equal(pipe[-1].groups_, row_numbers(pipe[-1].X_, X))


@pytest.mark.usefixtures("routing")
def test_transform_input_follows_the_steps():
    class Validating(Recorder):
        __metadata_request__fit = {"X_val": True, "sensitive_features": True}

        def fit(self, X, y, X_val=None, sensitive_features=None):
            self.X_val_ = X_val
            return super().fit(X, y, sensitive_features)

    X, y = make_rows()
    pipe = make_pipeline(
        RandomUnderSampler(random_state=0),
        StandardScaler(),
        Validating(),
        transform_input=["X_val"],
    )
    pipe.fit(X, y, X_val=X[:5], sensitive_features=np.arange(len(y)))
    np.testing.assert_allclose(pipe[-1].X_val_, pipe[1].transform(X[:5]))
    assert len(pipe[-1].groups_) == len(pipe[-1].X_)


@pytest.mark.usefixtures("routing")
def test_grid_search_slices_then_resamples():
    X, y = make_rows(120)
    pipe = make_pipeline(RandomOverSampler(random_state=0), Recorder())
    search = GridSearchCV(
        pipe, {"randomoversampler__random_state": [0, 1]}, error_score="raise"
    )
    search.fit(X, y, sensitive_features=np.arange(120))
    fitted = search.best_estimator_[-1]
    np.testing.assert_array_equal(fitted.groups_, row_numbers(fitted.X_, X))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("group_by", [None, 0])
def test_pipeline_keeps_every_promise_that_scikit_learn_s_keeps(group_by):
    def failures(pipeline):
        results = check_estimator(pipeline, on_fail=None)
        return {r["check_name"] for r in results if r["status"] == "failed"}

    steps = [("scale", StandardScaler()), ("model", LogisticRegression())]
    theirs = failures(sklearn.pipeline.Pipeline(clone(steps, safe=False)))
    ours = failures(Pipeline(clone(steps, safe=False), group_by=group_by))
    assert ours <= theirs | failures(ImblearnPipeline(clone(steps, safe=False)))
    assert len(ours) <= 2


# group_by on the pipeline


def frame_of_people(n_rows=80):
    X, y = make_rows(n_rows)
    frame = pd.DataFrame(X, columns=list("abc"))
    frame["sex"] = np.where(np.arange(n_rows) % 3, "f", "m")
    return frame, y


def preprocessing():
    return ColumnTransformer([("num", StandardScaler(), list("abc"))])


def test_group_by_reads_the_columns_that_a_transformer_drops():
    frame, y = frame_of_people()
    pipe = make_pipeline(
        preprocessing(),
        RandomOverSampler(random_state=0),
        Recorder(),
        group_by="sex",
    )
    pipe.fit(frame, y)
    expected = row_numbers(pipe[-1].X_, pipe[0].transform(frame))
    assert list(pipe[-1].groups_) == ["sex"]
    np.testing.assert_array_equal(
        pipe[-1].groups_["sex"], frame["sex"].to_numpy()[expected]
    )
    assert pipe[-1].weight_ is None
    pipe.predict(frame[:10])
    assert pipe[-1].groups_at_predict_["sex"].tolist() == frame["sex"][:10].tolist()
    assert pipe.score(frame, y) == pytest.approx(1 - y.mean())


@pytest.mark.parametrize("enabled", [True, False])
def test_group_by_agrees_with_metadata(enabled):
    frame, y = frame_of_people()
    with sklearn.config_context(enable_metadata_routing=enabled):
        pipe = make_pipeline(preprocessing(), Mixer(), Recorder(), group_by="sex")
        pipe.fit(frame, y)
        pipe.predict(frame)
    explicit = make_pipeline(preprocessing(), Mixer(), Recorder())
    explicit.fit(
        frame,
        y,
        mixer__sensitive_features=frame["sex"],
        recorder__sensitive_features=frame["sex"],
    )
    np.testing.assert_allclose(pipe[-1].X_, explicit[-1].X_)
    assert pipe[-1].groups_["sex"].tolist() == explicit[-1].groups_.tolist()
    assert len(pipe[-1].groups_at_predict_["sex"]) == len(frame)


def test_metadata_and_a_step_s_own_group_by_win_over_the_pipeline_s():
    frame, y = frame_of_people()
    pipe = make_pipeline(preprocessing(), Recorder(group_by=0), group_by="sex")
    pipe.fit(frame, y)
    assert pipe[-1].groups_ is None
    pipe.set_params(recorder__group_by=None)
    pipe.fit(frame, y, recorder__sensitive_features=y)
    assert pipe[-1].groups_ is y
    pipe.predict(frame, sensitive_features=y)
    assert pipe[-1].groups_at_predict_ is y


@pytest.mark.parametrize("enabled", [True, False])
def test_group_by_works_in_cross_validation(enabled):
    class NeedsGroups(GroupAwareMixin, LogisticRegression):
        __metadata_request__predict = {"sensitive_features": True}

        def __init__(self, group_by=None, C=1.0):
            super().__init__(C=C)
            self.group_by = group_by

        def fit(self, X, y, sensitive_features=None):
            self._check_groups(X, sensitive_features)
            return super().fit(X, y)

        def predict(self, X, sensitive_features=None):
            self._check_groups(X, sensitive_features, reset=False)
            return super().predict(X)

    frame, y = frame_of_people()
    pipe = make_pipeline(preprocessing(), NeedsGroups(), group_by="sex")
    plain = make_pipeline(preprocessing(), LogisticRegression())
    with sklearn.config_context(enable_metadata_routing=enabled):
        # scikit-learn 1.6.0 takes no None for `params` when routing is on.
        scores = cross_val_score(pipe, frame, y, scoring="accuracy", params={})
        np.testing.assert_allclose(scores, cross_val_score(plain, frame, y, params={}))
        search = GridSearchCV(
            pipe, {"needsgroups__C": [0.1, 1]}, scoring="accuracy", error_score="raise"
        ).fit(frame, y)
        assert search.best_estimator_.group_by == "sex"
        labels = cross_val_predict(pipe, frame, y, params={})
        expected = cross_val_predict(plain, frame, y, params={})
        np.testing.assert_array_equal(labels, expected)
        probabilities = cross_val_predict(
            pipe, frame, y, method="predict_proba", params={}
        )
        assert probabilities.shape == (80, 2)


def test_group_by_survives_clone_pickle_and_slices():
    frame, y = frame_of_people()
    pipe = make_pipeline(preprocessing(), Recorder(), group_by="sex", verbose=False)
    assert clone(pipe).group_by == "sex"
    assert pipe.get_params()["group_by"] == "sex"
    assert pipe[:-1].group_by == "sex"
    assert pipe[:].group_by == "sex"
    assert pipe[1:].group_by is None
    assert pipe[0] is pipe.steps[0][1]
    copy = pickle.loads(pickle.dumps(pipe.fit(frame, y)))
    np.testing.assert_array_equal(copy.predict(frame), pipe.predict(frame))
    assert "group_by='sex'" in repr(pipe)


def test_group_by_is_read_only_where_a_step_takes_groups():
    frame, y = frame_of_people()
    pipe = make_pipeline(preprocessing(), LogisticRegression(), group_by="sex")
    nameless = frame.drop(columns="sex")
    labels = pipe.fit(nameless, y).predict(nameless)
    np.testing.assert_array_equal(labels, pipe.predict(frame))


def test_group_by_reaches_meta_estimators_with_routing_off():
    X, y, group = make_biased_classification(300, random_state=0)
    frame = pd.DataFrame(X).assign(group=group).rename(columns=str)
    drop = make_column_transformer(("drop", ["group"]), remainder="passthrough")
    groups = {"sensitive_features": group}
    for meta, needed in (
        (ThresholdOptimizer(LogisticRegression(), random_state=0), groups),
        (ReweighingClassifier(LogisticRegression()), {}),
    ):
        model = make_pipeline(drop, clone(meta), group_by="group").fit(frame, y)
        plain = meta.fit(X, y, **groups)
        np.testing.assert_array_equal(model.predict(frame), plain.predict(X, **needed))


def test_group_by_of_no_column_raises():
    frame, y = frame_of_people()
    pipe = make_pipeline(preprocessing(), Recorder(), group_by="race")
    with pytest.raises(ValueError, match="Pipeline needs `group_by` to name a column"):
        pipe.fit(frame, y)
    with pytest.raises(ValueError, match="'group_by' parameter of Pipeline must be"):
        make_pipeline(Recorder(), group_by=1.5).fit(frame, y)


def test_methods_are_those_of_the_last_step():
    pipe = make_pipeline(StandardScaler(), Recorder(), group_by=0)
    assert hasattr(pipe, "predict")
    assert not hasattr(pipe, "predict_proba")
    assert not hasattr(make_pipeline(StandardScaler()), "predict")
    assert hasattr(make_pipeline(OneHotEncoder()), "transform")
    assert not hasattr(make_pipeline(LogisticRegression()), "transform")


def test_group_by_reaches_transformers():
    class Centerer(GroupAwareMixin, TransformerMixin, BaseEstimator):
        __metadata_request__transform = {"sensitive_features": True}

        def __init__(self, group_by=None):
            self.group_by = group_by

        def fit(self, X, y=None, sensitive_features=None):
            groups = self._check_groups(X, sensitive_features)
            self.means_ = np.array(
                [X[groups.codes == code].mean(axis=0) for code in range(2)]
            )
            return self

        def fit_transform(self, X, y=None, sensitive_features=None):
            return self.fit(X, y, sensitive_features).transform(X, sensitive_features)

        def transform(self, X, sensitive_features=None):
            groups = self._check_groups(X, sensitive_features, reset=False)
            return X - self.means_[groups.codes]

    frame, y = frame_of_people()
    pipe = make_pipeline(preprocessing(), Centerer(), group_by="sex")
    expected = Centerer().fit_transform(
        preprocessing().fit_transform(frame), sensitive_features=frame["sex"]
    )
    np.testing.assert_allclose(pipe.fit_transform(frame, y), expected)
    np.testing.assert_allclose(pipe.transform(frame), expected)
    passthrough = make_pipeline(
        preprocessing(), Centerer(), "passthrough", group_by="sex"
    )
    np.testing.assert_allclose(passthrough.fit(frame, y).transform(frame), expected)
    model = make_pipeline(
        preprocessing(), Centerer(), LogisticRegression(), group_by="sex"
    )
    plain = LogisticRegression().fit(expected, y)
    for method in (
        "predict",
        "predict_proba",
        "predict_log_proba",
        "decision_function",
    ):
        np.testing.assert_allclose(
            getattr(model.fit(frame, y), method)(frame),
            getattr(plain, method)(expected),
        )
    assert model.score(frame, y) == plain.score(expected, y)
    weights = np.arange(len(y))
    assert model.score(frame, y, weights) == plain.score(expected, y, weights)
