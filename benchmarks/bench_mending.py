"""What each way to mend the data buys, next to the plain model."""

import os
import warnings
from dataclasses import dataclass
from functools import cache

import joblib
import numpy as np
import pandas as pd
from imblearn.over_sampling import SMOTE
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from benchmarks.datasets import make_encoder, split
from benchmarks.methods import join_parts
from benchmarks.objective import Entry, accuracy_and_gaps
from fairsk import inprocessing, preprocessing, reductions, resampling

# Tasks, the column that the groups are read from, and a few numbers for the methods
# that can do with no more.
DATA = {
    "adult/sex": ("sex", ["age", "education_num", "hours_per_week"]),
    "compas/2": ("race", ["age", "priors_count", "juv_misd_count"]),
    "german/sex": ("sex", ["duration", "credit_amount", "age"]),
    "law/white": ("race", ["lsat", "ugpa", "zfya"]),
}
_memory = joblib.Memory(os.environ.get("FAIRSK_BENCHMARK_CACHE"), verbose=0)


@dataclass(frozen=True)
class Problem:
    """Training and test rows, as they come and encoded.

    Parameters
    ----------
    frame, frame_test : DataFrame
        The rows.
    X, X_test : ndarray
        The rows, encoded.
    y : ndarray
        Labels of the training rows.
    group, group_test : ndarray
        Groups.
    column : str
        Column of the frames that has the groups.
    few : list of str
        Columns of a few numbers.
    """

    frame: pd.DataFrame
    frame_test: pd.DataFrame
    X: np.ndarray
    X_test: np.ndarray
    y: np.ndarray
    group: np.ndarray
    group_test: np.ndarray
    column: str
    few: list


def _model():
    return LogisticRegression(max_iter=1000)


def _fit_predict(X, y, X_test):
    return _model().fit(X, y).predict(X_test)


def _plain(problem, seed):
    return _fit_predict(problem.X, problem.y, problem.X_test)


def _plain_few(problem, seed):
    X, X_test = _few(problem)
    return _fit_predict(X, problem.y, X_test)


def _few(problem):
    scaler = StandardScaler().fit(problem.frame[problem.few])
    return (
        scaler.transform(problem.frame[problem.few]),
        scaler.transform(problem.frame_test[problem.few]),
    )


def _reduction(make):
    def predict(problem, seed):
        model = make(seed)
        model.fit(problem.X, problem.y, sensitive_features=problem.group)
        return model.predict(problem.X_test)

    return predict


def _sampler(make):
    def predict(problem, seed):
        X, y = make(seed).fit_resample(
            problem.X, problem.y, sensitive_features=problem.group
        )
        return _fit_predict(X, y, problem.X_test)

    return predict


def _transformer(make, *, at_transform=False):
    """The features of all parts are changed; some methods need the group for it."""

    def predict(problem, seed):
        transformer = make(seed)
        transformer.fit(problem.X, problem.y, sensitive_features=problem.group)

        def transform(X, group):
            given = {"sensitive_features": group} if at_transform else {}
            return transformer.transform(X, **given)

        return _fit_predict(
            transform(problem.X, problem.group),
            problem.y,
            transform(problem.X_test, problem.group_test),
        )

    return predict


def _detect_proxies(problem, seed):
    detector = preprocessing.ProxyDetector(random_state=seed, threshold=0.75)
    detector.fit(problem.frame, sensitive_features=problem.group)
    kept = problem.frame.columns[detector.get_support()]
    encoder = make_encoder()
    X = encoder.fit_transform(problem.frame[kept])
    return _fit_predict(X, problem.y, encoder.transform(problem.frame_test[kept]))


def _augment(problem, seed):
    sampler = resampling.CounterfactualAugmenter(group_by=problem.column)
    frame, y = sampler.fit_resample(problem.frame, problem.y)
    encoder = make_encoder()
    X = encoder.fit_transform(frame)
    return _fit_predict(X, y, encoder.transform(problem.frame_test))


def _optimize(problem, seed):
    X, X_test = _few(problem)
    mapper = preprocessing.OptimizedPreprocessor(tolerance=0.02, random_state=seed)
    mapper.fit(X, problem.y, sensitive_features=problem.group)
    X, y = mapper.transform_labels(X, problem.y, sensitive_features=problem.group)
    X_test = mapper.transform(X_test, sensitive_features=problem.group_test)
    return _fit_predict(X, y, X_test)


# Methods by name: functions of a problem and a seed that predict its test rows.
METHODS = {
    "plain model": _plain,
    "ReweighingClassifier": _reduction(
        lambda seed: reductions.ReweighingClassifier(_model())
    ),
    "ReweighingClassifier, FairBalance": _reduction(
        lambda seed: reductions.ReweighingClassifier(_model(), strategy="fair_balance")
    ),
    "ExponentiatedGradientClassifier 0.02": _reduction(
        lambda seed: reductions.ExponentiatedGradientClassifier(
            _model(), tolerance=0.02, random_state=seed
        )
    ),
    "ExponentiatedGradientClassifier 0.02, equalized odds": _reduction(
        lambda seed: reductions.ExponentiatedGradientClassifier(
            _model(), fairness="equalized_odds", tolerance=0.02, random_state=seed
        )
    ),
    "LagrangianGridClassifier 0.05": _reduction(
        lambda seed: reductions.LagrangianGridClassifier(_model())
    ),
    "GroupOverSampler": _sampler(
        lambda seed: resampling.GroupOverSampler(random_state=seed)
    ),
    "GroupUnderSampler": _sampler(
        lambda seed: resampling.GroupUnderSampler(random_state=seed)
    ),
    "PreferentialSampler": _sampler(
        lambda seed: resampling.PreferentialSampler(_model())
    ),
    "Massaging": _sampler(lambda seed: resampling.Massaging(_model())),
    "GroupSampler(SMOTE)": _sampler(
        lambda seed: resampling.GroupSampler(SMOTE(random_state=seed))
    ),
    "FairSMOTE": _sampler(lambda seed: resampling.FairSMOTE(random_state=seed)),
    "FairSMOTE, situation testing": _sampler(
        lambda seed: resampling.FairSMOTE(random_state=seed, situation_testing=True)
    ),
    "GroupMixup": _sampler(lambda seed: resampling.GroupMixup(random_state=seed)),
    "CounterfactualAugmenter": _augment,
    "CorrelationRemover": _transformer(
        lambda seed: preprocessing.CorrelationRemover(), at_transform=True
    ),
    "ConceptEraser": _transformer(lambda seed: preprocessing.ConceptEraser()),
    "ConceptEraser, within labels": _transformer(
        lambda seed: preprocessing.ConceptEraser(condition_on_label=True)
    ),
    "ConceptEraser, preserving the label": _transformer(
        lambda seed: preprocessing.ConceptEraser(preserve_label=True)
    ),
    "MeanProjection": _transformer(lambda seed: preprocessing.MeanProjection()),
    "NullspaceProjector": _transformer(
        lambda seed: preprocessing.NullspaceProjector(tol=0.05)
    ),
    "DisparateImpactRemover": _transformer(
        lambda seed: preprocessing.DisparateImpactRemover(), at_transform=True
    ),
    "ProxyDetector, columns up to 0.75": _detect_proxies,
    "FairRepresentation": _transformer(
        lambda seed: preprocessing.FairRepresentation(random_state=seed)
    ),
    "AdversarialRepresentation": _transformer(
        lambda seed: inprocessing.AdversarialRepresentation(random_state=seed)
    ),
    "AdversarialRepresentation, equalized odds": _transformer(
        lambda seed: inprocessing.AdversarialRepresentation(
            fairness="equalized_odds", random_state=seed
        )
    ),
    "plain model, three columns": _plain_few,
    "OptimizedPreprocessor 0.02, three columns": _optimize,
}


def _aif360_prototypes(problem, seed):
    from aif360.sklearn.preprocessing import LearnedFairRepresentations

    is_first = problem.group == problem.group[0]
    frame = pd.DataFrame(problem.X, index=pd.Index(is_first.astype(int), name="group"))
    learner = LearnedFairRepresentations("group", n_prototypes=10, random_state=seed)
    learner.fit(frame, pd.Series(problem.y, index=frame.index), priv_group=1)
    return _fit_predict(
        learner.transform(frame).to_numpy(),
        problem.y,
        learner.transform(pd.DataFrame(problem.X_test)).to_numpy(),
    )


def _aif360_repair(problem, seed):
    from aif360.algorithms.preprocessing import DisparateImpactRemover
    from aif360.datasets import BinaryLabelDataset

    def repair(X, group):
        columns = [f"x{j}" for j in range(X.shape[1])]
        frame = pd.DataFrame(X, columns=columns).assign(
            group=(group == problem.group[0]).astype(float), label=0.0
        )
        dataset = BinaryLabelDataset(
            df=frame, label_names=["label"], protected_attribute_names=["group"]
        )
        remover = DisparateImpactRemover(sensitive_attribute="group")
        return remover.fit_transform(dataset).features[:, : len(columns)]

    return _fit_predict(
        repair(problem.X, problem.group),
        problem.y,
        repair(problem.X_test, problem.group_test),
    )


def _scikit_lego_filter(problem, seed):
    from sklego.preprocessing import InformationFilter

    def with_group(X, group):
        return np.column_stack([group == problem.group[0], X]).astype(float)

    information_filter = InformationFilter([0])
    X = information_filter.fit_transform(with_group(problem.X, problem.group))
    X_test = information_filter.transform(
        with_group(problem.X_test, problem.group_test)
    )
    return _fit_predict(X, problem.y, X_test)


# The same of others, with the packages that they need. Where a peer computes what ours
# does (weights, residuals), a test says so, and there is no row for it.
PEER_METHODS = {
    "AIF360 LearnedFairRepresentations": (("aif360",), _aif360_prototypes),
    "AIF360 DisparateImpactRemover": (("aif360", "BlackBoxAuditing"), _aif360_repair),
    "scikit-lego InformationFilter": (("sklego",), _scikit_lego_filter),
}


@cache
def _prepare(task, seed, n_rows):
    train, validation, test = split(task, seed, n_rows=n_rows)
    data, encoder = join_parts(train, validation), make_encoder()
    problem = Problem(
        data.X,
        test.X,
        encoder.fit_transform(data.X),
        encoder.transform(test.X),
        data.y,
        data.group,
        test.group,
        *DATA[task],
    )
    return problem, test.y


@_memory.cache
def _read(task, seed, n_rows, name):
    """Accuracy and gaps of one method on one split."""
    problem, y_test = _prepare(task, seed, n_rows)
    predict = METHODS[name] if name in METHODS else PEER_METHODS[name][1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y_pred = predict(problem, seed)
    return accuracy_and_gaps(y_test, y_pred, problem.group_test)


def _run(n_rows, context):
    there = [
        name
        for name, (packages, _) in PEER_METHODS.items()
        if context.peers.issuperset(packages)
    ]
    rows = []
    for task in ["compas/2"] if context.quick else DATA:
        seeds = range(1 if context.quick else 5)
        # One split after the other, so that one is held at a time.
        of_seeds = {}
        for seed in seeds:
            for name in [*METHODS, *there]:
                reading = _read(task, seed, n_rows, name)
                of_seeds.setdefault(name, []).append(reading)
            _prepare.cache_clear()
        rows += [_summarise(task, *item) for item in of_seeds.items()]
    return rows


def _part(name):
    """Folder whose page shows the method: that of the class that its name says."""
    if name.startswith("plain model"):
        return "all" if name == "plain model" else "preprocessing"
    for module in (reductions, resampling):
        if name.partition(" ")[0].partition("(")[0].strip(",") in module.__all__:
            return module.__name__.rpartition(".")[2]
    return "preprocessing"


def _summarise(task, name, of_seeds):
    row = {"part": _part(name), "data": task, "method": name, "seeds": len(of_seeds)}
    for reading in ("accuracy", "demographic_parity", "equalized_odds"):
        values = [of_seed[reading] for of_seed in of_seeds]
        row[reading.replace("_", " ")] = float(np.mean(values))
        row[f"+- {reading[:3]}"] = float(np.std(values))
    return row


ENTRY = Entry(
    name="mending",
    title="What each way to mend the data buys: logistic regression, test data, "
    "5 seeds",
    run=_run,
    sizes=(None,),
    quick_sizes=(400,),
    peers=("aif360", "BlackBoxAuditing", "sklego"),
    notes="Accuracy and the largest difference between groups on 20 % test data, mean "
    "and standard deviation over five splits (`seeds` says so where it is fewer); all "
    "other rows are trained on. Groups are one-hot columns of X too. German credit has "
    "200 test rows: its differences are mostly noise. CorrelationRemover, "
    "DisparateImpactRemover and OptimizedPreprocessor use the group of the test rows, "
    "and so do the peers of the first two. CounterfactualAugmenter changes sex or "
    "race; on law school these are eight races, so eight rows for one. The peers of "
    "ReweighingClassifier (AIF360) and of CorrelationRemover (fairlearn) compute the "
    "same numbers, which tests hold.",
)
