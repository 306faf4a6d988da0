"""What estimators share that train on an objective of their own."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fairsk.inprocessing._base import BaseFairNet, BaseFairNetClassifier
from fairsk.inprocessing._device import choose_batch_size
from fairsk.inprocessing._monitors import BestEpoch
from fairsk.inprocessing._net import CosineDecay, Warmup
from fairsk.inprocessing._options import LossOptionsMixin

#: Constraints of the parameters that all of them have.
TRAINING_CONSTRAINTS = {
    name: BaseFairNet._parameter_constraints[name]
    for name in (
        "group_by",
        "optimizer",
        "batch_size",
        "learning_rate",
        "learning_rate_init",
        "max_iter",
        "shuffle",
        "random_state",
        "verbose",
        "callbacks",
        "device",
        "dtype",
    )
}
#: And of those that can set samples aside.
EARLY_STOPPING_CONSTRAINTS = {
    name: BaseFairNet._parameter_constraints[name]
    for name in ("early_stopping", "validation_fraction")
}
#: Of the options that add to the loss, and of mixup, which needs a weight of fairness.
OPTION_CONSTRAINTS = {
    name: LossOptionsMixin._parameter_constraints[name]
    for name in ("robustness_epsilon", "robustness_steps", "individual_fairness")
}
MIXUP_CONSTRAINTS = {
    "mixup_alpha": LossOptionsMixin._parameter_constraints["mixup_alpha"]
}
CLASS_WEIGHT_CONSTRAINTS = {
    "class_weight": BaseFairNetClassifier._parameter_constraints["class_weight"]
}


class ObjectiveMixin(LossOptionsMixin):
    """Networks trained in one go on an objective that has a player of its own.

    Subclasses write `_objective`, the criterion and its arguments, and may choose
    another `_monitor`.
    """

    # No parameters here, but what the base class asks of every network.
    warm_start = False
    early_stopping = False
    fairness_weight = 0.0
    mixup_alpha = 0.0
    disparity = "difference"

    def _objective(self):
        """Class of the criterion, and its arguments beside the numbers of classes."""
        raise NotImplementedError

    def _monitor(self):
        return BestEpoch()

    def _criterion_params(self):
        criterion, arguments = self._objective()
        arguments = {
            "n_classes": self._n_classes,
            "n_groups": len(self.group_labels_),
            **arguments,
        }
        named = {f"criterion__{name}": value for name, value in arguments.items()}
        return {"criterion": criterion, **named}

    def _callbacks(self):
        callbacks = [("monitor", self._monitor())]
        if self.fairness_warmup:
            callbacks.append(("fairness_warmup", Warmup(self.fairness_warmup)))
        if self.learning_rate == "cosine":
            callbacks.append(("learning_rate", CosineDecay(self.max_iter)))
        return callbacks + list(self.callbacks or [])

    def _check_attribute(self, X, sensitive_features, reset):
        groups = self._check_groups(X, sensitive_features, reset=reset)
        return groups.codes.astype(np.int64)

    def _train_net(self, dataset, seed, epochs):
        batch_size = choose_batch_size(self.batch_size, len(dataset))
        n_batches = -(-len(dataset) // batch_size)
        self.net_.criterion_.prepare(dataset, n_batches)
        super()._train_net(dataset, seed, epochs)

    @property
    def history_(self):
        """Readings of every epoch."""
        check_is_fitted(self, "net_")
        return [
            {
                name: float(value)
                for name, value in row.items()
                if isinstance(value, float) and name != "dur"
            }
            for row in self.net_.history
        ]

    @property
    def _readings(self):
        """Readings of the epoch whose state was kept."""
        check_is_fitted(self, "net_")
        return dict(self.net_.callbacks_)["monitor"].readings_

    def _player_array(self, name, link=None):
        """What the player beside the network holds, as float64."""
        check_is_fitted(self, "net_")
        array = getattr(self.net_.criterion_, name).detach().cpu().numpy()
        array = array.astype(float)
        return array if link is None else link(array)
