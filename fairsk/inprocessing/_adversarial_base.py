"""What the adversarial classifier and regressor share."""

import warnings
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from fairsk.inprocessing._adversarial_objective import (
    AdversarialLoss,
    AdversarySchedule,
    NetworkDecay,
    ProjectionNet,
    RepresentingPerceptron,
    adversary_inputs,
)
from fairsk.inprocessing._base import BaseFairNet
from fairsk.inprocessing._batches import GroupedDataset
from fairsk.inprocessing._device import PREDICT_ROWS
from fairsk.inprocessing._monitors import LastEpoch
from fairsk.inprocessing._net import FairNet
from fairsk.inprocessing._objective_base import (
    MIXUP_CONSTRAINTS,
    OPTION_CONSTRAINTS,
    TRAINING_CONSTRAINTS,
    ObjectiveMixin,
)
from fairsk.inprocessing._perceptron import PerceptronMixin
from fairsk.metrics._leakage import default_probes, fresh_knowledge, probe_leakage
from fairsk.utils._sklearn import Interval, StrOptions

# Samples on which a fresh probe judges the end of training, which has to be quick.
_PROBE_ROWS = 5000
# A fresh probe that knows this much, where the adversary knows less than a share of it,
# shows that the adversary has failed and not the group gone.
_KNOWN, _SHARE = 0.02, 0.25


class AdversarialMixin(ObjectiveMixin, PerceptronMixin):
    """Perceptrons that are trained against an adversary.

    Subclasses write `_strata`, the classes of the samples among which the adversary
    must fail, and say by `_needs_target` whether there is more than one stratum.
    """

    _parameter_constraints: dict = {
        **TRAINING_CONSTRAINTS,
        **OPTION_CONSTRAINTS,
        **MIXUP_CONSTRAINTS,
        **PerceptronMixin._parameter_constraints,
        "learning_rate": [StrOptions({"cosine", "constant", "inverse"})],
        "fairness_weight": [Interval(Real, 0, None, closed="left")],
        "method": [StrOptions({"projection", "reversal"})],
        "adversary_input": [StrOptions({"score", "representation"})],
        "adversary_hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
        "adversary_learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "schedule": [StrOptions({"ramp", "constant", "sqrt"})],
        "pretrain": [Interval(Real, 0, 1, closed="left")],
    }

    _check_attribute = BaseFairNet._check_attribute

    def _check_penalty(self, requirement):
        """Nothing: an adversary takes groups and numbers alike."""

    @property
    def adversary_(self):
        """The adversary."""
        check_is_fitted(self, "net_")
        return self.net_.criterion_.adversary

    @property
    def _milder(self):
        return f"Lower fairness_weight (now {self.fairness_weight:g}), raise pretrain"

    @property
    def _net_class(self):
        return ProjectionNet if self.method == "projection" else FairNet

    @property
    def _compares_within_classes(self):
        return self._needs_target

    @property
    def _n_pretrain(self):
        return int(self.pretrain * self.max_iter)

    def _objective(self):
        hidden = self._hidden_sizes("adversary_hidden_layer_sizes")
        return AdversarialLoss, {
            "n_inputs": self._n_inputs,
            "strata": self._strata(),
            "hidden": hidden,
        }

    @property
    def _n_inputs(self):
        """Number of columns that the adversary reads."""
        if self.adversary_input == "score":
            return self._n_outputs
        sizes = self._hidden_sizes()
        if not sizes:
            raise ValueError(
                f"{type(self).__name__} needs a hidden layer for adversary_input="
                "'representation'. Got hidden_layer_sizes=(). Set "
                "adversary_input='score', or add a layer."
            )
        return sizes[-1]

    def _module(self):
        module, params = super()._module()
        if self.adversary_input == "representation":
            module = RepresentingPerceptron
        # Weight decay keeps the network small, not its opponent.
        opponent = {"lr": self.adversary_learning_rate_init, "weight_decay": 0.0}
        return module, {
            **params,
            "optimizer__param_groups": [("adversary.*", opponent)],
        }

    def _monitor(self):
        return LastEpoch()

    def _callbacks(self):
        schedule = AdversarySchedule(
            float(self.fairness_weight), self.schedule, self._n_pretrain, self.max_iter
        )
        callbacks = [("monitor", self._monitor()), ("schedule", schedule)]
        if self.learning_rate != "constant":
            decay = NetworkDecay(self.learning_rate, self._n_pretrain, self.max_iter)
            callbacks.append(("learning_rate", decay))
        return callbacks + list(self.callbacks or [])

    def _train_net(self, dataset, seed, epochs):
        super()._train_net(dataset, seed, epochs)
        self._probe_seed = seed
        self.leakage_ = 0.0
        if not self.net_.criterion_.has_game:
            return
        order = np.random.RandomState(seed).permutation(len(dataset))[:_PROBE_ROWS]
        sample = dataset.take(torch.as_tensor(order).to(dataset.X.device))
        seen, y, attribute = self._read(sample)
        if not np.isfinite(seen).all():
            raise ValueError(
                f"{type(self).__name__} needs finite outputs. Its weights became so "
                "large that they are not. Lower learning_rate_init, scale the features "
                "and the target, or lower fairness_weight."
            )
        linear = default_probes(seed, self._is_continuous)["linear"]
        parts = self._parts(seen, y, attribute)
        leaks = [probe_leakage(linear, *part, cv=3, seed=seed) for part in parts]
        self.leakage_ = max(leaks, default=0.0)
        fresh = [fresh_knowledge(linear, *part, cv=3, seed=seed) for part in parts]
        if self.fairness_weight:
            self._report_collapse(max(fresh, default=0.0))

    def _report_collapse(self, fresh):
        """Warn where a fresh probe knows what the adversary should have known."""
        known = np.array([row["penalty"] for row in self.history_ if "penalty" in row])
        low = known < _SHARE * fresh
        if fresh < _KNOWN or not (len(low) and low[-1]):
            return
        epoch = len(low) - np.argmin(low[::-1]) + 1 if not low.all() else 1
        warnings.warn(
            f"The adversary of {type(self).__name__} collapsed in epoch {epoch}: in "
            f"the end it knew {known[-1]:.3f} of the group (1 is all), a fresh linear "
            f"probe {fresh:.3f}. What is left of the group went unpunished. Raise "
            "adversary_learning_rate_init or pretrain, or lower fairness_weight.",
            UserWarning,
            stacklevel=6,
        )

    def _read(self, dataset):
        """What the adversary reads, targets and attribute, as arrays."""
        net, parts = self.net_, []
        net._set_training(False)
        with torch.inference_mode():
            for start in range(0, len(dataset), PREDICT_ROWS):
                X, y = dataset[start : start + PREDICT_ROWS]
                y_pred = net.module_(X["X"].to(net.device))
                outputs, _ = net.criterion_.losses(y_pred, y)
                parts.append(adversary_inputs(y_pred, outputs, self._n_classes).cpu())
        seen = torch.cat(parts).double().numpy()
        return seen, dataset.y.cpu().numpy(), dataset.groups.cpu().numpy()

    def _parts(self, seen, y, attribute):
        """Columns and attribute of the samples of each stratum that can be probed."""
        strata = self._strata()
        kept = [row[y] if self._n_classes else np.full(len(y), True) for row in strata]
        parts = [(seen[rows], attribute[rows]) for rows in kept]
        return [part for part in parts if _can_be_probed(part[1])]

    def probe(self, X, y=None, *, sensitive_features=None):
        """What fresh probes still read of the group, on folds they were not fitted to.

        Nothing is learnt from the adversary that the network was trained with: it may
        be fooled for the moment. Pass samples that were not trained on.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,), default=None
            Their targets; needed where the group is to be read among equal ones.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            Sensitive feature(s) of the samples. None reads them by `group_by`.

        Returns
        -------
        leakage : dict of {str: float}
            By probe, "linear" and "mlp", how much better than chance it tells the
            groups: 0 for chance, 1 for all. The largest number of the strata. For a
            continuous attribute, the share of its variance that is explained.
        """
        X_raw, X = X, self._check_predict_data(X)
        if y is None and self._needs_target:
            raise ValueError(
                f"{type(self).__name__} needs y to probe among samples of one target. "
                "Got None. Pass y."
            )
        y = self._encode_target(np.asarray(y)) if self._needs_target else None
        attribute = self._check_attribute(X_raw, sensitive_features, reset=False)
        device = self.net_.device
        tensors = [self._to_tensor(X), y, attribute]
        if y is None:
            dtype = np.int64 if self._n_classes else self._numpy_dtype
            tensors[1] = np.zeros(len(attribute), dtype=dtype)
        tensors = [torch.as_tensor(tensor).to(device) for tensor in tensors]
        parts = self._parts(*self._read(GroupedDataset(*tensors)))
        # That of the fit: a probe asked twice answers alike, and draws from no state.
        seed = self._probe_seed
        return {
            name: max(
                (probe_leakage(probe, *part, cv=5, seed=seed) for part in parts),
                default=0.0,
            )
            for name, probe in default_probes(seed, self._is_continuous).items()
        }


def _can_be_probed(attribute):
    """Whether there is something to tell apart, and two samples of each."""
    _, sizes = np.unique(attribute, return_counts=True)
    if np.issubdtype(attribute.dtype, np.floating):
        return len(sizes) > 1
    return len(sizes) > 1 and sizes.min() > 1
