"""The path of fairness weights: all of them, on all folds, in one training run."""

import warnings
from itertools import chain
from numbers import Integral

import numpy as np
import torch
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from fairsk.definitions import DEFINITIONS, FairnessDefinition, UndefinedRateWarning
from fairsk.groups import read_columns
from fairsk.inprocessing._base import BaseFairNetClassifier
from fairsk.inprocessing._device import (
    explain_out_of_memory,
    is_out_of_memory,
    resolve_device,
    seeded,
)
from fairsk.inprocessing._losses import is_cross_entropy
from fairsk.inprocessing._options import LossOptionsMixin
from fairsk.inprocessing._reports import _MAX_UNDEFINED
from fairsk.inprocessing._stacked import Fold, StackedLoss, Watch, train
from fairsk.inprocessing._stacked_terms import StackedTerms, member_terms
from fairsk.metrics import get_scorer
from fairsk.penalties import Penalty, get_penalty
from fairsk.utils._rows import take_rows
from fairsk.utils._sklearn import Interval, StrOptions, _BaseScorer, _fit_context

# Of the ends of a default path: two orders of magnitude, since what a weight buys
# depends on the data.
_SMALLEST_SHARE = 0.01

_MEMORY_REMEDY = (
    "One network at a time does not fit. Lower batch_size, or set device='cpu'."
)

_NOT_IN_A_PATH = ("fairness_weight", "callbacks", "warm_start")


class FairPathCV(BaseFairNetClassifier):
    """Base class of classifiers that train a path of fairness weights.

    Subclasses say how one member is trained alone, by `_member_class`, and how many are
    trained together, by `_stack_class`.
    """

    _parameter_constraints: dict = {
        **BaseFairNetClassifier._parameter_constraints,
        **LossOptionsMixin._parameter_constraints,
        "fairness_weights": [
            Interval(Integral, 1, None, closed="left"),
            "array-like",
        ],
        "cv": ["cv_object"],
        "scoring": [str, callable, list, tuple, dict, None],
        "refit": [str, callable, None],
        "refit_path": ["boolean"],
        "n_jobs": [Integral, None],
        "optimizer": [StrOptions({"adam", "adamw", "sgd"})],
    }
    for _name in _NOT_IN_A_PATH:
        _parameter_constraints.pop(_name)

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, *, sensitive_features=None, sample_weight=None):
        """Train the path on all folds and on all samples, and choose a weight.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,)
            Class labels.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            Sensitive feature(s) of the samples. None reads them by `group_by`.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, for the loss, the rates of the groups and the scores.

        Returns
        -------
        self : object
            Fitted estimator.
        """
        X_raw, X, y, sample_weight = self._check_fit_data(X, y, sample_weight, True)
        self._check_two_classes(y, sample_weight)
        self.classes_ = np.unique(y)
        groups = self._check_path_groups(X_raw, sensitive_features)
        weights = self._check_weights()
        scorers = self._check_scorers()
        owner = type(self).__name__
        device = resolve_device(self.device, owner)
        self._random_state = check_random_state(self.random_state)
        seed = int(self._random_state.randint(np.iinfo(np.int32).max))
        splits = self._split_folds(X, y, groups, sample_weight)

        everything = np.arange(len(y))
        datasets = [
            self._make_dataset(
                X[rows],
                y[rows],
                groups.codes[rows].astype(np.int64),
                None if sample_weight is None else sample_weight[rows],
                device,
            )
            for rows in [*(train for train, _ in splits), everything]
        ]
        if any(weights > 0):
            self._warn_undefined(datasets[-1])
        at_once = datasets if self.refit_path else datasets[:-1]
        with explain_out_of_memory(owner, device, _MEMORY_REMEDY):
            trained = self._train_path(at_once, weights, seed, device)
        # A frame as it came, since a scorer may read groups from a column of it.
        X_raw = X_raw if hasattr(X_raw, "columns") else X
        data = (X_raw, y, _columns(groups), sample_weight)
        net = self._initialized(self._member(weights.max()), seed, device)
        scores = [
            self._score_fold(
                self._in_turn(weights, members, net), scorers, X, data, test
            )
            for members, (_, test) in zip(trained, splits)
        ]
        self._choose(weights, scorers, scores)
        if self.refit_path:
            self.estimators_ = self._estimators(weights, trained[-1], seed, device)
            self.best_estimator_ = self.estimators_[self.best_index_]
        else:
            chosen = weights[[self.best_index_]]
            (last,) = self._train_path(datasets[-1:], chosen, seed, device)
            (self.best_estimator_,) = self._estimators(chosen, last, seed, device)
        self.net_ = self.best_estimator_.net_
        self.best_estimator_._warn_collapse(datasets[-1], stacklevel=3, owner=owner)
        return self

    def predict_path(self, X):
        """Most probable class of samples, by the network of each weight.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y_pred : ndarray of shape (n_weights, n_samples)
            Class labels, in the order of `fairness_weights_`.
        """
        return self.classes_[self.predict_proba_path(X).argmax(axis=-1)]

    def predict_proba_path(self, X):
        """Probability of each class, by the network of each weight.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y_score : ndarray of shape (n_weights, n_samples, n_classes)
            Probabilities, in the order of `fairness_weights_` and `classes_`.
        """
        check_is_fitted(self, "net_")
        if not self.refit_path:
            raise ValueError(
                f"{type(self).__name__} needs a network of each weight that was "
                "trained on all samples. Got refit_path=False, which trains that of "
                "the chosen weight alone. Set refit_path=True."
            )
        return np.stack([member.predict_proba(X) for member in self.estimators_])

    def _check_path_groups(self, X, sensitive_features):
        if sensitive_features is None and self.group_by is not None:
            owner = type(self).__name__
            sensitive_features = read_columns(X, self.group_by, owner=owner)
        if self._has_continuous(sensitive_features):
            raise ValueError(
                f"{type(self).__name__} needs groups, which its folds and scores "
                "compare. Got a continuous sensitive feature. Cut it into intervals, "
                f"or search over the weight of {self._member_class.__name__}."
            )
        return self._check_groups(X, sensitive_features)

    def _check_weights(self):
        weights = self.fairness_weights
        if isinstance(weights, Integral):
            penalty = get_penalty(self.fairness, self.disparity)
            end = getattr(penalty, "largest_weight", Penalty.largest_weight)
            path = np.geomspace(_SMALLEST_SHARE * end, end, max(weights - 1, 1))
            return path if weights == 1 else np.r_[0.0, path]
        weights = np.asarray(weights, dtype=np.float64)
        if weights.ndim != 1 or not len(weights) or not (weights >= 0).all():
            raise ValueError(
                f"{type(self).__name__} needs fairness_weights to be a number of "
                "weights, or non-negative weights of shape (n_weights,). "
                f"Got {self.fairness_weights!r}."
            )
        if not np.isfinite(weights).all():
            raise ValueError(
                f"{type(self).__name__} needs finite fairness_weights. Got {weights}."
            )
        return weights

    def _check_scorers(self):
        scoring = self.scoring
        if scoring is None:
            scoring = ["accuracy", *_own_score(self.fairness)]
        if isinstance(scoring, str):
            scoring = [scoring]
        if isinstance(scoring, (list, tuple)):
            scoring = {name: name for name in scoring}
        if not isinstance(scoring, dict):
            scoring = {"score": scoring}
        scorers = {
            name: get_scorer(s) if isinstance(s, (str, _BaseScorer)) else s
            for name, s in scoring.items()
        }
        if isinstance(self.refit, str) and self.refit not in scorers:
            raise ValueError(
                f"{type(self).__name__} needs `refit` to be a rule or one of the "
                f"scores {list(scorers)}. Got {self.refit!r}."
            )
        return scorers

    def _split_folds(self, X, y, groups, sample_weight):
        """Folds stratified on class and group, unless some of these are too rare."""
        strata = np.searchsorted(self.classes_, y) * groups.n_groups + groups.codes
        cv = check_cv(3 if self.cv is None else self.cv, y, classifier=True)
        n_folds = getattr(cv, "n_splits", 0)
        sizes = np.unique(strata, return_counts=True)[1]
        is_own = self.cv is None or isinstance(self.cv, Integral)
        target = strata if is_own and sizes.min() >= n_folds else y
        splits = list(cv.split(X, target))
        for fold, (rows, _) in enumerate(splits):
            weight = None if sample_weight is None else sample_weight[rows]
            present = np.unique(y[rows] if weight is None else y[rows][weight > 0])
            if len(present) < len(self.classes_):
                raise ValueError(
                    f"{type(self).__name__} needs samples of each class to train on in "
                    f"every fold. Fold {fold} has none of "
                    f"{np.setdiff1d(self.classes_, present).tolist()}. Take fewer "
                    "folds, or a stratified `cv`."
                )
        return splits

    def _member(self, fairness_weight):
        """The estimator that trains one member alone."""
        params = self.get_params(deep=False)
        own = {"fairness_weights", "cv", "scoring", "refit", "refit_path", "n_jobs"}
        shared = {name: value for name, value in params.items() if name not in own}
        member = self._member_class(fairness_weight=float(fairness_weight), **shared)
        member.classes_ = self.classes_
        member.n_features_in_ = self.n_features_in_
        if hasattr(self, "feature_names_in_"):
            member.feature_names_in_ = self.feature_names_in_
        member.group_labels_ = list(self.group_labels_)
        member.group_names_in_ = list(self.group_names_in_)
        member._random_state = self._random_state
        return member

    def _train_path(self, datasets, weights, seed, device):
        """Trained members, a list of them (one for each weight) for each data set."""
        template = self._member(weights.max())
        net = self._initialized(template, seed, device)
        # One stack has one number of steps, so data sets of other sizes have another.
        by_steps = {}
        for position, dataset in enumerate(datasets):
            fold = self._fold(net, template, dataset, seed)
            self._warn_batches(net, fold.batches)
            by_steps.setdefault(len(fold.batches), []).append(position)
        trained = [None] * len(datasets)
        for positions in by_steps.values():
            together = [datasets[position] for position in positions]
            members = self._train_parts(template, together, weights, seed, device)
            for position, fold_members in zip(positions, members):
                trained[position] = fold_members
        self._report_path(weights, trained)
        return trained

    def _train_parts(self, template, datasets, weights, seed, device):
        """Trained members of each data set, a part of the weights in each process."""
        n_jobs = effective_n_jobs(self.n_jobs) if device.type == "cpu" else 1
        parts = np.array_split(weights, min(n_jobs, len(weights)))
        by_part = Parallel(n_jobs=len(parts))(
            delayed(self._train_members)(template, datasets, part, seed, device)
            for part in parts
        )
        return [list(chain(*of_parts)) for of_parts in zip(*by_part)]

    def _train_members(self, template, datasets, weights, seed, device):
        """Trained members of each data set, in halves if memory runs out.

        Members never mix, so fewer of them at a time are trained to the same.
        """
        try:
            net = self._initialized(template, seed, device)
            folds = [self._fold(net, template, d, seed) for d in datasets]
            with seeded(seed, device):
                terms = self._terms(template, folds, weights)
                return self._train_stack(net, folds, weights, terms)
        except RuntimeError as error:
            is_smallest = len(weights) == 1 == len(datasets)
            if is_smallest or not is_out_of_memory(error):
                raise
        # Not inside the `except`, where the error still holds on to the tensors.
        half = len(weights) // 2
        if half:
            first, second = (
                self._train_members(template, datasets, part, seed, device)
                for part in (weights[:half], weights[half:])
            )
            return [a + b for a, b in zip(first, second)]
        half = len(datasets) // 2
        return [
            members
            for part in (datasets[:half], datasets[half:])
            for members in self._train_members(template, part, weights, seed, device)
        ]

    def _initialized(self, member, seed, device):
        """The net that a member starts from."""
        with seeded(seed, device):
            net = member._make_net(device).initialize()
        if isinstance(net.criterion_.penalty, Penalty):
            net.criterion_.penalty.bind(self.group_labels_)
        return net

    def _fold(self, net, template, dataset, seed):
        """A data set as the members train on it, its batches still to be drawn."""
        class_weight = template._learn_class_weight(dataset)
        net.set_params(batch_size=template._batch_size(len(dataset)))
        net.iterator_train__seed = seed
        valid = None
        if self.early_stopping:
            dataset, valid = template._split(dataset, seed)
        batches = net.get_iterator(dataset, training=True)
        return Fold(batches, len(dataset), valid, class_weight)

    def _warn_batches(self, net, batches):
        lacking = net.lacking(batches)
        n_defined = len(batches) - lacking.any(axis=1).sum()
        if n_defined < (1 - _MAX_UNDEFINED) * len(batches):
            counts = zip(self.group_labels_, lacking.any(axis=0))
            warnings.warn(
                f"{type(self).__name__} can compare all groups in only {n_defined} of "
                f"the {len(batches)} batches of an epoch, from epoch 1 on. The others "
                f"have no sample of the group(s) {[g for g, any_ in counts if any_]}, "
                "or none of a class of theirs. Raise batch_size (now "
                f"{batches.batch_size}).",
                UndefinedRateWarning,
                stacklevel=5,
            )

    def _terms(self, template, folds, weights):
        """What each member adds to its loss; None where none adds anything."""
        if not (
            self.robustness_epsilon or self.mixup_alpha or self.individual_fairness
        ):
            return None
        # A member draws on from where its own start has left the generator.
        net = template._make_net(folds[0].batches.dataset.X.device).initialize()
        state = torch.get_rng_state()
        members = [
            member_terms(self._member(weight), fold, net.criterion_, state)
            for fold in folds
            for weight in weights
        ]
        return StackedTerms(net.module_, members)

    def _train_stack(self, net, folds, weights, terms=None):
        """Trained members, a list of them for each fold."""
        stack = self._stack_class(net.module_, len(folds), len(weights))
        criterion = net.criterion_
        loss = StackedLoss(
            criterion.penalty,
            stack.parameters[0].new_tensor(weights),
            len(self.classes_),
            len(self.group_labels_),
            None if is_cross_entropy(criterion.per_sample) else criterion.per_sample,
            None
            if self.class_weight is None
            else torch.stack([fold.class_weight for fold in folds]),
        )
        _, params = net.get_params_for_optimizer("optimizer", ())
        optimizer = net.optimizer(stack.parameters, **params)
        watch = Watch(
            stack,
            tol=self.tol,
            patience=self.n_iter_no_change,
            restore=self.early_stopping,
            warmup=self.fairness_warmup,
        )
        members = train(
            stack,
            folds,
            loss,
            optimizer,
            watch,
            max_iter=self.max_iter,
            cosine=self.learning_rate == "cosine",
            warmup=self.fairness_warmup,
            terms=terms,
            log=_print_epoch if self.verbose else None,
        )
        n = len(weights)
        return [members[f * n : (f + 1) * n] for f in range(len(folds))]

    def _estimators(self, weights, trained, seed, device):
        """Fitted estimators of some members."""
        estimators = []
        for weight, one in zip(weights, trained):
            member = self._member(weight)
            member.net_ = net = self._initialized(member, seed, device)
            net.module_.load_state_dict(one.state)
            for epoch, row in enumerate(one.rows, start=1):
                net.history.new_epoch()
                for key, value in {"epoch": epoch, **row}.items():
                    net.history.record(key, value)
            estimators.append(member)
        return estimators

    def _in_turn(self, weights, trained, net):
        """The same as long as the next one is not asked for: they share one net."""
        for weight, one in zip(weights, trained):
            member = self._member(weight)
            net.module_.load_state_dict(one.state)
            member.net_ = net
            yield member

    def _score_fold(self, estimators, scorers, X, data, rows):
        """Scores of estimators on some rows of X, one dict each."""
        X_raw, y, columns, sample_weight = data
        X, X_raw, y = X[rows], take_rows(X_raw, rows), y[rows]
        metadata = {"sensitive_features": take_rows(columns, rows)}
        if sample_weight is not None:
            metadata["sample_weight"] = sample_weight[rows]
        scores = []
        for estimator in estimators:
            # Scorers ask for predictions one by one: here they find them ready.
            ready = _ReadyAnswers(self.classes_, estimator._outputs(X))
            scores.append(
                {
                    name: scorer(ready, X_raw, y, **metadata)
                    if isinstance(scorer, _BaseScorer)
                    else scorer(estimator, X_raw, y)
                    for name, scorer in scorers.items()
                }
            )
        return scores

    def _report_path(self, weights, trained):
        """Warn of members whose loss was not finite."""
        broken = {}
        for members in trained:
            for weight, member in zip(weights, members):
                if member.diverged_epoch is not None:
                    epochs = broken.setdefault(float(weight), [])
                    epochs.append(member.diverged_epoch)
        if not broken:
            return
        first = [m.diverged_epoch == 1 for members in trained for m in members]
        advice = "Lower learning_rate_init, scale the features, or lower the weights."
        if all(first):
            raise ValueError(
                f"{type(self).__name__} needs a finite loss. It was not finite in the "
                f"first epoch. {advice}"
            )
        warnings.warn(
            f"The loss of {type(self).__name__} was not finite for the fairness "
            f"weights {sorted(broken)}, first in the epochs "
            f"{[min(epochs) for _, epochs in sorted(broken.items())]}. They keep their "
            f"best state before. {advice}",
            UserWarning,
            stacklevel=4,
        )

    def _choose(self, weights, scorers, scores):
        table = np.array(
            [[[row[n] for n in scorers] for row in fold] for fold in scores]
        )
        results = {
            "fairness_weight": weights,
            "params": [{"fairness_weight": float(weight)} for weight in weights],
        }
        for position, name in enumerate(scorers):
            values = table[:, :, position]
            results[f"mean_test_{name}"] = values.mean(axis=0)
            results[f"std_test_{name}"] = values.std(axis=0)
            for fold, row in enumerate(values):
                results[f"split{fold}_test_{name}"] = row
        self.path_results_ = results
        self.fairness_weights_ = weights
        self.frontier_ = _frontier(results, list(scorers))
        self.best_index_ = self._best_index(results, list(scorers))
        self.fairness_weight_ = float(weights[self.best_index_])

    def _best_index(self, results, names):
        if callable(self.refit):
            return int(self.refit(results))
        score = results[f"mean_test_{self.refit or names[0]}"]
        return int(np.nanargmax(score)) if np.isfinite(score).any() else 0


def _own_score(fairness):
    """Name of the score of the definition that is asked for, if it is one."""
    name = fairness.name if isinstance(fairness, FairnessDefinition) else fairness
    known = isinstance(name, str) and name in DEFINITIONS
    return (
        [f"neg_{name}_difference"] if known else ["neg_demographic_parity_difference"]
    )


def _columns(groups):
    """The sensitive features as a dict of columns."""
    labels = [x if len(groups.names) > 1 else (x,) for x in groups.labels]
    columns = {}
    for name, values in zip(groups.names, zip(*labels)):
        table = np.empty(len(values), dtype=object)
        table[:] = values
        columns[name] = table[groups.codes]
    return columns


class _ReadyAnswers(ClassifierMixin, BaseEstimator):
    """A classifier whose probabilities are known for the samples it is asked about."""

    def __init__(self, classes, y_score):
        self.classes_ = classes
        self.y_score = y_score

    def predict_proba(self, X):
        return self.y_score

    def predict(self, X):
        return self.classes_[self.y_score.argmax(axis=1)]


def _frontier(results, names):
    """Rows that no other row beats in one mean score and equals in the rest."""
    means = np.stack([results[f"mean_test_{name}"] for name in names], axis=1)
    no_worse = (means[None] >= means[:, None]).all(-1)
    better = (means[None] > means[:, None]).any(-1)
    kept = np.flatnonzero(~(no_worse & better).any(axis=1))
    kept = kept[np.argsort(results["fairness_weight"][kept], kind="stable")]
    columns = ["fairness_weight"]
    columns += [f"{kind}_test_{name}" for name in names for kind in ("mean", "std")]
    return {column: results[column][kept] for column in columns}


def _print_epoch(epoch, n_active, loss):
    print(f"epoch {epoch:>4}  training {n_active:>4}  mean loss {loss:.4f}", flush=True)
