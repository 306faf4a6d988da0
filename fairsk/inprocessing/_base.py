"""What all penalised networks share: data, training, prediction."""

from collections import ChainMap
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from fairsk.base import GroupAwareMixin
from fairsk.definitions import (
    DEFINITIONS,
    DISPARITIES,
    Disparity,
    FairnessDefinition,
)
from fairsk.groups import (
    Groups,
    is_continuous,
    read_columns,
    read_numbers,
    split_columns,
)
from fairsk.inprocessing._batches import GroupedDataset, StratifiedBatches
from fairsk.inprocessing._device import (
    can_fuse,
    choose_batch_size,
    explain_out_of_memory,
    map_chunks,
    resolve_device,
    seeded,
)
from fairsk.inprocessing._losses import (
    PenalizedLoss,
    class_probabilities,
    predicted_values,
)
from fairsk.inprocessing._net import CosineDecay, FairNet, Monitor, Warmup
from fairsk.inprocessing._options import balanced_class_weight
from fairsk.inprocessing._reports import (
    TrainingReportsMixin,
    collapse_of_classes,
    collapse_of_values,
)
from fairsk.penalties import PENALTIES, Penalty, get_penalty
from fairsk.penalties._base import unmet_requirement
from fairsk.utils._sklearn import (
    Interval,
    Options,
    StrOptions,
    _check_sample_weight,
    _fit_context,
    _num_samples,
)

_OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}


class BaseFairNet(TrainingReportsMixin, GroupAwareMixin, BaseEstimator):
    """Base class of estimators that train a torch module with a penalty.

    Subclasses say what is trained, by `_module`, and on what target, by being a
    classifier or a regressor.
    """

    _net_class = FairNet
    # For subclasses without these parameters.
    fairness_warmup = 0

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
        "fairness_warmup": [Interval(Integral, 0, None, closed="left")],
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
            Class labels; target values of a regressor.
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
        self._learn_target(y, sample_weight, reset)
        attribute = self._check_attribute(X_raw, sensitive_features, reset)
        return self._train(X, y, attribute, sample_weight, reset, self.max_iter)

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
        y = self._check_target(y)
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

    def _check_attribute(self, X, sensitive_features, reset):
        """Codes of the groups, or the values of a continuous attribute, as floats."""
        if sensitive_features is None and self.group_by is not None:
            owner = type(self).__name__
            sensitive_features = read_columns(X, self.group_by, owner=owner)
        if reset:
            self._is_continuous = self._has_continuous(sensitive_features)
        if self._is_continuous:
            return self._read_continuous(sensitive_features, _num_samples(X))
        groups = self._check_groups(
            X, sensitive_features, reset=reset, extend=not reset
        )
        return groups.codes.astype(np.int64)

    def _has_continuous(self, sensitive_features):
        if sensitive_features is None or isinstance(sensitive_features, Groups):
            return False
        _, columns = split_columns(sensitive_features, type(self).__name__)
        return any(is_continuous(column) for column in columns)

    def _read_continuous(self, sensitive_features, n_samples):
        owner = type(self).__name__
        names, columns = split_columns(sensitive_features, owner)
        if len(columns) > 1:
            raise ValueError(
                f"{owner} needs a continuous sensitive feature to be the only one. Got "
                f"{names}. Cut it into intervals, whose labels are groups."
            )
        values = read_numbers(columns[0], names[0], owner)
        if len(values) != n_samples:
            raise ValueError(
                f"{owner} needs one value of the sensitive feature per sample. Got "
                f"{len(values)} values for {n_samples} samples. Pass "
                "`sensitive_features` of the rows of X."
            )
        self._check_penalty("takes_continuous_groups")
        self.group_labels_, self.group_names_in_ = [], names
        return values.astype(self._numpy_dtype)

    def _check_penalty(self, requirement):
        """Raise if the penalty cannot take what the data are."""
        penalty = get_penalty(self.fairness, self.disparity)
        # A plain module cannot tell.
        if self.fairness_weight and not getattr(penalty, requirement, True):
            raise ValueError(unmet_requirement(penalty, requirement))

    def _train(self, X, y, attribute, sample_weight, reset, epochs):
        device = resolve_device(self.device, type(self).__name__)
        if reset:
            self._random_state = check_random_state(self.random_state)
        seed = int(self._random_state.randint(np.iinfo(np.int32).max))
        remedy = (
            "Lower batch_size (penalties of all pairs of samples need its square), or "
            "set device='cpu'."
        )
        with explain_out_of_memory(type(self).__name__, device, remedy):
            dataset = self._make_dataset(X, y, attribute, sample_weight, device)
            if self.fairness_weight:
                self._warn_undefined(dataset)
            with seeded(seed, device):
                if reset:
                    self.net_ = self._make_net(device).initialize()
                self._train_net(dataset, seed, epochs)
        return self

    def _make_dataset(self, X, y, attribute, sample_weight, device):
        y = self._encode_target(y)
        if sample_weight is not None:
            # A sample of weight 0 is no sample, in the loss as in the batches.
            kept = np.flatnonzero(sample_weight)
            X, y, attribute = X[kept], y[kept], attribute[kept]
            sample_weight = sample_weight[kept] / sample_weight[kept].mean()
            sample_weight = torch.as_tensor(sample_weight).to(device)
        return GroupedDataset(
            self._to_tensor(X).to(device),
            torch.as_tensor(y).to(device),
            torch.as_tensor(attribute).to(device),
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
            "predict_nonlinearity": self._link,
            **self._criterion_params(),
            **({"optimizer__fused": True} if can_fuse(optimizer, device) else {}),
            **module_params,
        }
        return self._net_class(
            module,
            optimizer=optimizer,
            module_dtype=self._torch_dtype,
            **params,
        )

    def _criterion_params(self):
        """The loss of the net, and its arguments by skorch's prefix."""
        return {
            "criterion": PenalizedLoss,
            "criterion__penalty": get_penalty(self.fairness, self.disparity),
            "criterion__n_classes": self._n_classes,
            "criterion__n_groups": len(self.group_labels_),
            "criterion__fairness_weight": float(self.fairness_weight),
        }

    def _outputs(self, X):
        """What `_link` makes of the outputs of the module, for checked features."""
        net = self.net_
        net._set_training(False)

        def respond(chunk):
            return self._link(net.module_(chunk.to(net.device))).cpu()

        remedy = "A single row does not fit. Move the estimator to another device."
        owner = type(self).__name__
        with torch.inference_mode(), explain_out_of_memory(owner, net.device, remedy):
            return map_chunks(respond, self._to_tensor(X)).numpy()

    def _check_predict_data(self, X):
        check_is_fitted(self, "net_")
        return validate_data(
            self, X, reset=False, accept_sparse="csr", dtype=self._numpy_dtype
        )

    def _callbacks(self):
        monitor = Monitor(
            key="valid_loss" if self.early_stopping else "train_loss",
            tol=self.tol,
            patience=self.n_iter_no_change,
            restore=self.early_stopping,
            warmup=self.fairness_warmup,
        )
        callbacks = [("monitor", monitor)]
        if self.fairness_warmup:
            callbacks.append(("fairness_warmup", Warmup(self.fairness_warmup)))
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
        net.loss_terms = self._loss_terms(datasets[0])
        net.criterion_.class_weight = self._learn_class_weight(dataset)
        net.partial_fit(datasets)
        self._report(net, n_before, batch_size)
        if epochs > 1:
            self._warn_collapse(dataset, stacklevel=5)

    def _loss_terms(self, dataset):
        """What is added to the loss of a training batch beside the penalty."""
        return []

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

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class BaseFairNetClassifier(ClassifierMixin, BaseFairNet):
    """Base class of classifiers that train a torch module with a penalty."""

    _parameter_constraints: dict = {
        **BaseFairNet._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    _link = staticmethod(class_probabilities)
    class_weight = None

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
        return self._outputs(self._check_predict_data(X))

    @property
    def _fair_score(self):
        if "class_weight" in self.get_params(deep=False):
            return "balanced accuracy (class_weight='balanced' trains for it)"
        return "balanced accuracy"

    @property
    def _n_classes(self):
        return len(self.classes_)

    @property
    def _n_outputs(self):
        """Outputs of a network; one logit says all of two classes."""
        return self._n_classes if self._n_classes > 2 else 1

    def _sizes(self):
        """Arguments that a module may take from the data."""
        return {"n_features": self.n_features_in_, "n_classes": self._n_classes}

    def _check_target(self, y):
        check_classification_targets(y)
        return column_or_1d(y)

    def _learn_target(self, y, sample_weight, reset):
        classes = np.unique(y)
        if reset:
            self._check_two_classes(y, sample_weight)
            self.classes_ = classes
        elif not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"{type(self).__name__} needs the classes of the first fit to go on by "
                f"warm_start: {self.classes_}. Got {classes}. Set warm_start=False."
            )

    def _check_two_classes(self, classes, sample_weight=None):
        if sample_weight is not None:
            classes = classes[sample_weight > 0]
        classes = np.unique(classes)
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of at least 2 classes. Got 1 "
                f"class: {classes[0]!r}."
            )

    def _encode_target(self, y):
        return np.searchsorted(self.classes_, y)

    def _learn_class_weight(self, dataset):
        """Factor of the loss of each class, a tensor; None where there is none."""
        if self.class_weight is None:
            return None
        if isinstance(self.class_weight, str):
            return balanced_class_weight(dataset, self._n_classes)
        known = self.classes_.tolist()
        unknown = [label for label in self.class_weight if label not in known]
        if unknown:
            raise ValueError(
                f"{type(self).__name__} needs the keys of class_weight to be classes: "
                f"{known}. Got {unknown}."
            )
        weights = [float(self.class_weight.get(label, 1.0)) for label in known]
        return dataset.X.new_tensor(weights)

    def _collapse(self, outputs, y):
        return collapse_of_classes(outputs, y, self.classes_.tolist())


class BaseFairNetRegressor(RegressorMixin, BaseFairNet):
    """Base class of regressors that train a torch module with a penalty.

    The target is standardised by its mean and standard deviation in the training data,
    so that a fairness weight means the same in any unit.
    """

    _link = staticmethod(predicted_values)
    _fair_score = "the largest error of a group"
    _n_classes = None
    _n_outputs = 1

    def predict(self, X):
        """Predicted target of samples.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            Predictions.
        """
        outputs = self._outputs(self._check_predict_data(X))
        return outputs * self.target_scale_ + self.target_mean_

    def _sizes(self):
        return {"n_features": self.n_features_in_}

    def _check_target(self, y):
        y = column_or_1d(y, warn=True)
        try:
            return y.astype(np.float64)
        except (TypeError, ValueError):
            raise ValueError(
                f"{type(self).__name__} needs a target of numbers. Got dtype {y.dtype}."
            ) from None

    def _learn_target(self, y, sample_weight, reset):
        self._check_penalty("takes_regression")
        if not reset:
            return
        self.target_mean_ = float(np.average(y, weights=sample_weight))
        deviation = np.average((y - self.target_mean_) ** 2, weights=sample_weight)
        # Rounding leaves a constant target some spread.
        is_constant = deviation <= 1e-24 * self.target_mean_**2
        self.target_scale_ = 1.0 if is_constant else float(deviation**0.5)

    def _encode_target(self, y):
        y = (y - self.target_mean_) / self.target_scale_
        return y.astype(self._numpy_dtype)

    def _learn_class_weight(self, dataset):
        return None

    def _collapse(self, outputs, y):
        return collapse_of_values(outputs, y)


class PartialFitMixin:
    """Training epoch by epoch, for classifiers whose classes are known beforehand."""

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
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"{type(self).__name__} needs all samples to balance the classes. Got "
                f"class_weight={self.class_weight!r} in partial_fit. Pass the weights "
                "as a dict, or use fit."
            )
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
        attribute = self._check_attribute(X_raw, sensitive_features, reset)
        return self._train(X, y, attribute, sample_weight, reset, epochs=1)


class PartialFitRegressorMixin:
    """Training epoch by epoch, for regressors."""

    __metadata_request__partial_fit = {"sensitive_features": True}

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, *, sensitive_features=None, sample_weight=None):
        """Train for one more epoch, on the given samples.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,)
            Target values. Those of the first call decide `target_mean_` and
            `target_scale_`.
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
        self._learn_target(y, sample_weight, reset)
        attribute = self._check_attribute(X_raw, sensitive_features, reset)
        return self._train(X, y, attribute, sample_weight, reset, epochs=1)
