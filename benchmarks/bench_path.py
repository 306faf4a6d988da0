"""What a path of fairness weights costs: together, one by one, and in a search."""

import time
from functools import partial

import numpy as np
import torch
from sklearn.base import clone
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from skorch import NeuralNet
from torch.nn import functional

from benchmarks.datasets import make_encoder, split
from benchmarks.objective import Bar, Entry
from fairsk.inprocessing import FairMLPClassifier, FairMLPClassifierCV
from fairsk.inprocessing._perceptron import MultilayerPerceptron
from fairsk.penalties import DefinitionPenalty

_HIDDEN = (64, 32)
_FAIRNESS = "demographic_parity"
_N_WEIGHTS, _N_FOLDS = 16, 3
_EPOCHS = 3


def run(size, context):
    """Rows of a path at two batch sizes; on a GPU also of many members at once."""
    train, _, _ = split("adult/sex", 0, n_rows=size)
    X = make_encoder().fit_transform(train.X).astype(np.float32)
    codes = np.unique(train.group, return_inverse=True)[1]
    data = (X, train.y.astype(np.int64), codes)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rows = []
        for batch_size in (256, 512, 1024):
            rows += _compare(data, batch_size, context)
            rows += _compare_two_processes(data, batch_size, context)
        if torch.cuda.is_available():
            rows += _compare_members(data, context)
    finally:
        torch.set_num_threads(n_threads)
    return rows


def _compare(data, batch_size, context):
    cases = {
        "path": (_path(data, batch_size, False), 1),
        "path, all weights refitted": (_path(data, batch_size, True), 1),
        "bare torch loops": (_bare(data, batch_size), _N_WEIGHTS),
        "search over FairMLPClassifier": (_search(data, batch_size), _N_WEIGHTS),
        "search over skorch": (_skorch_search(data, batch_size), _N_WEIGHTS),
    }
    # Searches, too, train the chosen weight on all samples at the end.
    refits = {
        name: _refit(call)
        for name, (call, _) in cases.items()
        if name.startswith("search")
    }
    return _time(cases, refits, "path", batch_size, time.process_time, context)


def _compare_two_processes(data, batch_size, context):
    """Wall time on two cores: our processes against those of a search."""
    path = _path(data, batch_size, False, n_jobs=2)
    # Half of the weights each: a search of 2 weights keeps both processes busy.
    search = _skorch_search(data, batch_size, n_weights=2, n_jobs=2)
    cases = {
        "path, 2 processes": (path, 1),
        "search over skorch, 2 processes": (search, _N_WEIGHTS // 2),
    }
    for call, _ in cases.values():
        call()  # starts the processes
    first = next(iter(cases))
    refits = {"search over skorch, 2 processes": _refit(search)}
    return _time(cases, refits, first, batch_size, time.perf_counter, context)


def _time(cases, refits, reference, batch_size, clock, context):
    n_calls = 1 if context.quick else 3
    best = {name: [np.inf, 0.0] for name in cases}
    for _ in range(n_calls):  # interleaved: a slow spell meets them all
        for name, (call, times) in cases.items():
            start = clock()
            call()
            best[name][0] = min(best[name][0], times * (clock() - start))
    for name, refit in refits.items():
        start = clock()
        refit()
        best[name][1] = clock() - start
    best = {name: sum(seconds) for name, seconds in best.items()}
    return [
        {
            "batch_size": batch_size,
            "case": name,
            "seconds": best[name],
            "ratio": best[name] / best[reference],
        }
        for name in cases
    ]


def _params(batch_size):
    return {
        "hidden_layer_sizes": _HIDDEN,
        "fairness": _FAIRNESS,
        "batch_size": batch_size,
        "max_iter": _EPOCHS,
        "n_iter_no_change": np.inf,
        "random_state": 0,
    }


def _path(data, batch_size, refit_path, n_jobs=None):
    X, y, codes = data
    path = FairMLPClassifierCV(
        _N_WEIGHTS,
        cv=StratifiedKFold(_N_FOLDS),
        scoring="accuracy",
        refit_path=refit_path,
        n_jobs=n_jobs,
        device="cpu",
        **_params(batch_size),
    )
    return lambda: path.fit(X, y, sensitive_features=codes)


def _search(data, batch_size):
    """A search over one weight, to be taken as often as there are weights."""
    X, y, codes = data
    X = np.c_[X, codes]

    search = GridSearchCV(
        FairMLPClassifier(group_by=-1, device="cpu", **_params(batch_size)),
        {"fairness_weight": [0.5]},
        scoring="accuracy",
        cv=StratifiedKFold(_N_FOLDS),
        refit=False,
    )
    return partial(search.fit, X=X, y=y)


def _refit(search):
    """The fit of the estimator of a search on all samples."""
    X, y = search.keywords["X"], search.keywords["y"]
    return lambda: clone(search.func.__self__.estimator).fit(X, y)


class PenalizedNet(NeuralNet):
    """skorch as it comes: the group is the last column of X."""

    def get_loss(self, y_pred, y_true, X=None, training=False):
        logit, groups = y_pred[:, 0], X[:, -1].long()
        loss = functional.binary_cross_entropy_with_logits(logit, y_true.float())
        penalty = DefinitionPenalty(_FAIRNESS, window=1)
        return loss + 0.5 * penalty(logit.sigmoid(), y_true, groups, n_groups=2)

    def predict(self, X):
        return (super().predict(X)[:, 0] > 0).astype(int)


class WithoutLast(MultilayerPerceptron):
    """The network on all columns but that of the group."""

    def forward(self, X):
        return super().forward(X[:, :-1])


def _skorch_search(data, batch_size, n_weights=1, n_jobs=None):
    X, y, codes = data
    X = np.c_[X, codes].astype(np.float32)
    net = PenalizedNet(
        WithoutLast,
        torch.nn.BCEWithLogitsLoss,
        module__layer_sizes=[X.shape[1] - 1, *_HIDDEN, 1],
        module__activation="relu",
        optimizer=torch.optim.Adam,
        lr=0.003,
        optimizer__weight_decay=1e-4,
        batch_size=batch_size,
        max_epochs=_EPOCHS,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )
    search = GridSearchCV(
        net,
        {"lr": [0.003] * n_weights},
        scoring=get_scorer("accuracy"),
        cv=StratifiedKFold(_N_FOLDS),
        refit=False,
        n_jobs=n_jobs,
    )
    return partial(search.fit, X=X, y=y)


def _bare(data, batch_size):
    """Training alone, of one weight on all folds; nothing is scored."""
    X, y, codes = data
    folds = [train for train, _ in StratifiedKFold(_N_FOLDS).split(X, y)]

    def call():
        for rows in folds:
            _bare_fit(X[rows], y[rows], codes[rows], batch_size)

    return call


def _bare_fit(X, y, codes, batch_size):
    X, labels, groups = map(torch.from_numpy, (X, y, codes))
    module = MultilayerPerceptron([X.shape[1], *_HIDDEN, 1], "relu")
    optimizer = torch.optim.Adam(module.parameters(), weight_decay=1e-4, fused=True)
    penalty = DefinitionPenalty(_FAIRNESS, window=1)
    for _ in range(_EPOCHS):
        order = torch.randperm(len(X))
        for start in range(0, len(X), batch_size):
            rows = order[start : start + batch_size]
            target, logit = labels[rows], module(X[rows])[:, 0]
            loss = functional.binary_cross_entropy_with_logits(logit, target.float())
            value = penalty(logit.sigmoid(), target, groups[rows], n_groups=2)
            optimizer.zero_grad()
            (loss + 0.5 * value).backward()
            optimizer.step()


def _compare_members(data, context):
    """On a GPU: the time of 64 members of one data set against that of one."""
    X, y, codes = data
    rows = np.arange(len(y))
    params = _params(1024) | {"device": "cuda", "scoring": "accuracy"}

    def fit(n_weights):
        # One fold of a few samples, so that the training on all samples is timed.
        path = FairMLPClassifierCV(
            np.linspace(0, 1, n_weights), cv=[(rows[:2000], rows[:50])], **params
        )
        return lambda: path.fit(X, y, sensitive_features=codes)

    cases = {"1 member on the GPU": fit(1), "64 members on the GPU": fit(64)}
    timed = context.compare(cases, reference="1 member on the GPU")
    return [
        {
            "batch_size": 1024,
            "case": row["case"],
            "seconds": row["milliseconds"] / 1000,
            "ratio": row["ratio"],
        }
        for row in timed
    ]


def _is(case):
    return lambda row: row["case"] == case


ENTRY = Entry(
    name="path",
    title=f"A path of {_N_WEIGHTS} fairness weights on {_N_FOLDS} folds of Adult",
    run=run,
    sizes=(None,),
    bars=(
        Bar(
            "search over skorch as it comes, one core",
            _is("search over skorch"),
            "ratio",
            at_least=12,
        ),
        Bar(
            "search over skorch as it comes, two processes",
            _is("search over skorch, 2 processes"),
            "ratio",
            at_least=8,
        ),
        Bar(
            "search over FairMLPClassifier",
            _is("search over FairMLPClassifier"),
            "ratio",
            at_least=3,
        ),
        Bar(
            "64 members on a GPU against one",
            _is("64 members on the GPU"),
            "ratio",
            at_most=3,
        ),
    ),
    notes=(
        f"One thread, networks {_HIDDEN}, {_EPOCHS} epochs, demographic parity; "
        "seconds of processor time, the smallest of three interleaved calls. The path "
        f"is the whole `fit`: {_N_WEIGHTS * _N_FOLDS} networks on folds, their scores, "
        "and that of the chosen weight (or those of all weights) on all samples. The "
        f"others are timed on one weight, whose time is multiplied by {_N_WEIGHTS}; "
        "searches train the chosen weight on all samples, too (timed once); the bare "
        "loops train on the folds only, and score nothing. skorch is as "
        "it comes, with the same penalty in `get_loss`. With two processes it is wall "
        "time, once they run."
    ),
)
