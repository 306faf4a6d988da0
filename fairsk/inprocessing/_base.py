"""What all penalised classifiers share: data, training, prediction."""

import warnings
from collections import ChainMap
from contextlib import contextmanager
from inspect import signature
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from fairsk.base import GroupAwareMixin
from fairsk.definitions import (
    DEFINITIONS,
    DISPARITIES,
    Disparity,
    FairnessDefinition,
    UndefinedRateWarning,
)
from fairsk.inprocessing._batches import GroupedDataset, StratifiedBatches
from fairsk.inprocessing._net import (
    CosineDecay,
    FairNet,
    Monitor,
    class_probabilities,
)
from fairsk.penalties import PENALTIES, Penalty, get_penalty
from fairsk.utils._sklearn import (
    Interval,
    Options,
    StrOptions,
    _check_sample_weight,
    _fit_context,
)

_OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}

# Rows of one forward pass at predict: the activations stay in the cache.
_PREDICT_ROWS = 4096

# Share of batches that may lack a rate before the user hears of it.
_MAX_UNDEFINED = 0.5


class BaseFairNetClassifier(GroupAwareMixin, ClassifierMixin, BaseEstimator):
    """Base class of classifiers that train a torch module with a penalty.

    Subclasses say what is trained, by `_module` and `_net_params`.
    """

    _parameter_constraints: dict = {
        # Views, not sets: what a user registers later is an option too.
        "fairness": [
            StrOptions(ChainMap(DEFINITIONS, PENALTIES).keys()),
            FairnessDefinition,
            torch.nn.Module,
            list,
        ],
        "disparity": [StrOptions(DISPARITIES.keys()), Disparity],
        "fairness_weight": [Interval(Real, 0, None, closed="left")],
        "group_by": [str, Integral, list, tuple, callable, None],
        "optimizer": [StrOptions(set(_OPTIMIZERS)), callable],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "learning_rate": [StrOptions({"constant", "cosine"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {np.inf}),
        ],
        "callbacks": [list, None],
        "device": [str, torch.device],
        "dtype": [StrOptions({"float32", "float64"})],
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, *, sensitive_features=None, sample_weight=None):
        """Train the network.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Training samples. A sparse matrix is made dense, in the dtype of the
            network.
        y : array-like of shape (n_samples,)
            Class labels.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            Sensitive feature(s) of the samples. None reads them by `group_by`.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, for the loss and for the rates of the groups. None
            weighs all samples equally.

        Returns
        -------
        self : object
            Fitted estimator.
        """
        reset = not (self.warm_start and hasattr(self, "net_"))
        X_raw, X, y, sample_weight = self._check_fit_data(X, y, sample_weight, reset)
        classes = np.unique(y)
        if reset:
            self._check_two_classes(y, sample_weight)
            self.classes_ = classes
        elif not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"{type(self).__name__} needs the classes of the first fit to go on by "
                f"warm_start: {self.classes_}. Got {classes}. Set warm_start=False."
            )
        groups = self._check_groups(
            X_raw, sensitive_features, reset=reset, extend=not reset
        )
        return self._train(X, y, groups, sample_weight, reset, self.max_iter)

    def predict(self, X):
        """Most probable class of samples.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            Class labels.
        """
        y_score = self.predict_proba(X)
        return self.classes_[y_score.argmax(axis=1)]

    def predict_proba(self, X):
        """Probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y_score : ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`.
        """
        check_is_fitted(self, "net_")
        X = validate_data(
            self, X, reset=False, accept_sparse="csr", dtype=self._numpy_dtype
        )
        net = self.net_
        net._set_training(False)
        with torch.inference_mode():
            outputs = [
                class_probabilities(net.module_(chunk.to(net.device))).cpu()
                for chunk in self._to_tensor(X).split(_PREDICT_ROWS)
            ]
        return torch.cat(outputs).numpy()

    @property
    def n_iter_(self):
        """Number of epochs that were trained."""
        check_is_fitted(self, "net_")
        return len(self.loss_curve_)

    @property
    def loss_curve_(self):
        """Mean objective, penalty included, of each epoch."""
        check_is_fitted(self, "net_")
        return [row["train_loss"] for row in self.net_.history if "train_loss" in row]

    @property
    def _numpy_dtype(self):
        return np.dtype(self.dtype)

    @property
    def _torch_dtype(self):
        return getattr(torch, self.dtype)

    def _check_fit_data(self, X, y, sample_weight, reset):
        X_raw = X
        X, y = validate_data(
            self, X, y, reset=reset, accept_sparse="csr", dtype=self._numpy_dtype
        )
        check_classification_targets(y)
        y = column_or_1d(y)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(
                sample_weight, X, dtype=self._numpy_dtype, ensure_non_negative=True
            )
            if not sample_weight.any():
                raise ValueError(
                    f"{type(self).__name__} needs a sample of positive weight. All "
                    "sample weights are zero."
                )
        return X_raw, X, y, sample_weight

    def _check_two_classes(self, classes, sample_weight=None):
        if sample_weight is not None:
            classes = classes[sample_weight > 0]
        classes = np.unique(classes)
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of at least 2 classes. Got 1 "
                f"class: {classes[0]!r}."
            )

    def _train(self, X, y, groups, sample_weight, reset, epochs):
        device = resolve_device(self.device, type(self).__name__)
        if reset:
            self._random_state = check_random_state(self.random_state)
        seed = int(self._random_state.randint(np.iinfo(np.int32).max))
        dataset = self._make_dataset(X, y, groups, sample_weight, device)
        if self.fairness_weight:
            self._warn_undefined(dataset)
        with seeded(seed, device):
            if reset:
                self.net_ = self._make_net(device).initialize()
            self._train_net(dataset, seed, epochs)
        return self

    def _make_dataset(self, X, y, groups, sample_weight, device):
        codes = groups.codes.astype(np.int64)
        y = np.searchsorted(self.classes_, y)
        if sample_weight is not None:
            # A sample of weight 0 is no sample, in the loss as in the batches.
            kept = np.flatnonzero(sample_weight)
            X, y, codes = X[kept], y[kept], codes[kept]
            sample_weight = sample_weight[kept] / sample_weight[kept].mean()
            sample_weight = torch.as_tensor(sample_weight).to(device)
        return GroupedDataset(
            self._to_tensor(X).to(device),
            torch.as_tensor(y).to(device),
            torch.as_tensor(codes).to(device),
            sample_weight,
        )

    def _to_tensor(self, X):
        dense = X.toarray() if hasattr(X, "toarray") else X
        # torch warns of arrays that it could write to by mistake; ours is only read.
        return torch.from_numpy(dense if dense.flags.writeable else dense.copy())

    def _make_net(self, device):
        """The net of a cold start, not yet initialized."""
        module, module_params = self._module()
        optimizer = _OPTIMIZERS.get(self.optimizer, self.optimizer)
        params = {
            "lr": self.learning_rate_init,
            "callbacks": self._callbacks(),
            "device": str(device),
            "verbose": int(self.verbose),
            "iterator_train__shuffle": self.shuffle,
            "iterator_valid__batch_size": -1,
            "criterion__penalty": get_penalty(self.fairness, self.disparity),
            "criterion__n_classes": len(self.classes_),
            "criterion__n_groups": len(self.group_labels_),
            "criterion__fairness_weight": float(self.fairness_weight),
            **({"optimizer__fused": True} if can_fuse(optimizer, device) else {}),
            **module_params,
        }
        return FairNet(
            module,
            optimizer=optimizer,
            module_dtype=self._torch_dtype,
            **params,
        )

    def _callbacks(self):
        monitor = Monitor(
            key="valid_loss" if self.early_stopping else "train_loss",
            tol=self.tol,
            patience=self.n_iter_no_change,
            restore=self.early_stopping,
        )
        callbacks = [("monitor", monitor)]
        if self.learning_rate == "cosine":
            callbacks.append(("learning_rate", CosineDecay(self.max_iter)))
        return callbacks + list(self.callbacks or [])

    def _train_net(self, dataset, seed, epochs):
        net = self.net_
        net.criterion_.n_groups = len(self.group_labels_)
        if isinstance(net.criterion_.penalty, Penalty):
            net.criterion_.penalty.bind(self.group_labels_)
        batch_size = self._batch_size(len(dataset))
        net.set_params(batch_size=batch_size)
        net.iterator_train__seed = seed
        datasets = (dataset, None)
        if self.early_stopping and epochs > 1:
            datasets = self._split(dataset, seed)
        n_before = len(net.history)
        net.max_epochs = epochs
        net.partial_fit(datasets)
        self._report(net, n_before, batch_size)

    def _batch_size(self, n_samples):
        return choose_batch_size(self.batch_size, n_samples)

    def _split(self, dataset, seed):
        """Training and validation data with the same share of every stratum."""
        batches = StratifiedBatches(dataset, batch_size=1, seed=seed)
        order = batches.draw_order().to(dataset.X.device)
        n_valid = round(self.validation_fraction * len(dataset))
        if not 0 < n_valid < len(dataset):
            raise ValueError(
                f"{type(self).__name__} needs samples to train on and to validate "
                f"with. Got {len(dataset)} samples and validation_fraction="
                f"{self.validation_fraction}. Set early_stopping=False, or change the "
                "fraction."
            )
        return dataset.take(order[n_valid:]), dataset.take(order[:n_valid])

    def _warn_undefined(self, dataset):
        """Warn of rates that a group cannot define, as it lacks a class."""
        if len(self.group_labels_) < 2:
            return
        shape = (len(self.group_labels_), len(self.classes_))
        cells = (dataset.groups * shape[1] + dataset.y).cpu().numpy()
        strata = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)
        present = strata.any(axis=1)
        labels = [g for g, here in zip(self.group_labels_, present) if here]
        penalty = get_penalty(self.fairness, self.disparity)
        if isinstance(penalty, Penalty):  # a plain module cannot tell
            penalty.bind(labels).warn_undefined(strata[present], labels)

    def _report(self, net, n_before, batch_size):
        """Warn of what went wrong in the epochs of this call."""
        rows = [row for row in net.history[n_before:] if "train_loss" in row]
        epoch = dict(net.callbacks_)["monitor"].diverged_epoch_
        if epoch is not None:
            self._report_divergence(epoch, is_first=n_before + len(rows) == 1)
        n_batches = sum(row["train_batch_count"] for row in rows)
        n_undefined = sum(row["undefined_batches"] for row in rows)
        if self.fairness_weight and n_undefined > _MAX_UNDEFINED * n_batches:
            warnings.warn(
                f"{type(self).__name__} could compare all groups in only "
                f"{n_batches - n_undefined} of {n_batches} batches: a group (or one of "
                "its classes) is so rare that the others had no sample of it. Raise "
                f"batch_size (now {batch_size}).",
                UndefinedRateWarning,
                stacklevel=5,
            )

    def _report_divergence(self, epoch, is_first):
        advice = (
            "Lower learning_rate_init, scale the features, or lower fairness_weight."
        )
        if is_first:
            raise ValueError(
                f"{type(self).__name__} needs a finite loss. It was not finite in the "
                f"first epoch. {advice}"
            )
        warnings.warn(
            f"The loss of {type(self).__name__} was not finite in epoch {epoch}. "
            f"Training stopped with the best state before. {advice}",
            UserWarning,
            stacklevel=6,
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class PartialFitMixin:
    """Training epoch by epoch, for networks whose classes are known beforehand."""

    __metadata_request__partial_fit = {"sensitive_features": True}

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X, y, classes=None, *, sensitive_features=None, sample_weight=None
    ):
        """Train for one more epoch, on the given samples.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,)
            Class labels.
        classes : array-like of shape (n_classes,), default=None
            All classes that may ever appear; needed in the first call only.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            Sensitive feature(s) of the samples; new groups may appear. None reads them
            by `group_by`.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights.

        Returns
        -------
        self : object
            Fitted estimator.
        """
        reset = not hasattr(self, "net_")
        X_raw, X, y, sample_weight = self._check_fit_data(X, y, sample_weight, reset)
        if reset:
            self.classes_ = np.unique(y if classes is None else classes)
            self._check_two_classes(self.classes_)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"{type(self).__name__} needs the classes of the first call of "
                f"partial_fit: {self.classes_}. Got {unknown}. Pass all of them as "
                "`classes` in the first call."
            )
        groups = self._check_groups(
            X_raw, sensitive_features, reset=reset, extend=not reset
        )
        return self._train(X, y, groups, sample_weight, reset, epochs=1)


@contextmanager
def seeded(seed, device):
    """Seed torch on the CPU and on one device, and put back what was there.

    Parameters
    ----------
    seed : int
        Seed.
    device : torch.device
        The device; no other is touched.
    """
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(cuda):
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def resolve_device(device, owner):
    """The torch device of a parameter `device`.

    Parameters
    ----------
    device : str or torch.device
        Name of a device, or "auto": CUDA where there is one, otherwise the CPU.
    owner : str
        Who asks, for the error message.

    Returns
    -------
    device : torch.device
        A device that is there.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"{owner} needs a CUDA device for device={str(device)!r}. torch finds "
            "none. Set device='auto' or 'cpu', or install torch with CUDA."
        )
    return device


def choose_batch_size(batch_size, n_samples):
    """The number of samples of a batch that a parameter `batch_size` stands for.

    Parameters
    ----------
    batch_size : int or "auto"
        Samples of a batch; "auto" takes a twentieth, but at least 128 and at most 512.
    n_samples : int
        Number of samples.

    Returns
    -------
    batch_size : int
        At most `n_samples`.
    """
    if batch_size != "auto":
        return min(batch_size, n_samples)
    # Small data need more steps than large batches would give, and no noisier ones.
    return min(max(n_samples // 20, 128), 512, n_samples)


def can_fuse(optimizer, device):
    """Whether the optimizer has one fused step for all parameters on the device."""
    try:
        has_option = "fused" in signature(optimizer).parameters
    except (TypeError, ValueError):
        return False
    return has_option and device.type in ("cpu", "cuda")
