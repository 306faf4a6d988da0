"""One network for every fairness weight."""

from numbers import Real

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from fairsk.inprocessing._base import BaseFairNet, BaseFairNetClassifier
from fairsk.inprocessing._conditioned_perceptron import (
    ConditionedLoss,
    ConditionedNet,
    ConditionedPerceptron,
)
from fairsk.inprocessing._device import PREDICT_ROWS
from fairsk.inprocessing._monitors import LastEpoch
from fairsk.inprocessing._objective_base import (
    CLASS_WEIGHT_CONSTRAINTS,
    MIXUP_CONSTRAINTS,
    OPTION_CONSTRAINTS,
    TRAINING_CONSTRAINTS,
    ObjectiveMixin,
)
from fairsk.inprocessing._perceptron import PerceptronMixin
from fairsk.penalties import Penalty, get_penalty
from fairsk.utils._sklearn import Interval


class ConditionedFairMLPClassifier(
    ObjectiveMixin, PerceptronMixin, BaseFairNetClassifier
):
    r"""Multilayer perceptron whose fairness weight is chosen when it predicts.

    The weight :math:`\lambda` is an input of the network, drawn anew for every batch,
    and the network is trained on the objective at that weight,

    .. math:: \mathrm{E}_\lambda \, \frac{1}{1 + \lambda} \Bigl[
        \frac{1}{n}\sum_i w_i \,\ell(y_i, f(x_i; \lambda))
        + \lambda\, \mathrm{disparity}(f(\cdot\,; \lambda)) \Bigr]

    (you only train once). So one fit has the whole trade-off between accuracy and
    fairness, and :meth:`set_fairness_weight`, or `fairness_weight` in `predict`, takes
    a point of it. Hidden layers are scaled and shifted by functions of
    :math:`\lambda` (FiLM).

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(64, 32)
        Width of each hidden layer.
    activation : {"identity", "logistic", "tanh", "relu"}, default="relu"
        Activation of the hidden layers.
    fairness : str, FairnessDefinition, Penalty or list, default="demographic_parity"
        What must agree between groups, as in :class:`FairMLPClassifier`.
    disparity : str or Disparity, default="difference"
        How the rates of the groups become one number, where `fairness` is a definition:
        a key of :data:`fairsk.definitions.DISPARITIES` or an instance.
    max_fairness_weight : float, default=4.0
        Largest weight of the penalty that is trained and may be chosen.
    default_fairness_weight : float, default=1.0
        The weight of a prediction, until another one is chosen.
    fairness_warmup : int, default=0
        Epochs in which the weights of the penalty grow from 0 to what they are, so that
        the network learns something before it is asked to be fair.
    class_weight : dict, "balanced" or None, default=None
        Factor of the loss of each class, by its label; "balanced" weighs all classes
        alike. The penalty does not change with it.
    robustness_epsilon : float, default=0.0
        Half of the loss is that of samples that an attack has moved by up to this much
        in every feature, within the range of the feature. 0 attacks nothing.
    robustness_steps : int, default=1
        Gradient steps of the attack: 1 is FGSM, more are projected gradients.
    mixup_alpha : float, default=0.0
        Adds the fairness weight of the batch times the mean slope of the score along
        straight paths between samples of two groups (of one class, where the penalty
        compares within classes), at places from Beta(alpha, alpha): fair mixup. 0 adds
        nothing.
    individual_fairness : LipschitzPairing, CounterfactualPairing or list, default=None
        Terms that ask for similar scores of similar samples, or of a sample and its
        counterfactual.
    group_by : str, int, list of str or int, or callable, default=None
        Column(s) of X that hold the sensitive features, or a function of X that returns
        them. Not used where `sensitive_features` is passed.
    optimizer : {"adam", "adamw", "sgd"} or class, default="adam"
        Optimizer, or a class of :mod:`torch.optim`.
    alpha : float, default=1e-4
        Strength of the L2 penalty of the parameters (`weight_decay` of the optimizer).
    batch_size : int, default="auto"
        Samples of a batch. "auto" takes a twentieth of the samples, but at least 128
        and at most 512.
    learning_rate : {"cosine", "constant"}, default="cosine"
        Course of the learning rate over `max_iter` epochs: down to 0 along half a
        cosine, or constant.
    learning_rate_init : float, default=0.003
        Initial learning rate.
    max_iter : int, default=60
        Number of epochs.
    shuffle : bool, default=True
        Whether to draw new batches in every epoch. A single batch is never shuffled.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial parameters, the batches and the weights.
        torch's global generators are neither read nor changed.
    verbose : bool or int, default=False
        Whether to print the readings of every epoch.
    callbacks : list, default=None
        skorch callbacks, or pairs of name and callback.
    device : str or torch.device, default="auto"
        Where to train; "auto" is CUDA where there is one, otherwise the CPU.
    dtype : {"float32", "float64"}, default="float32"
        Floating dtype of the network and of the features.

    Attributes
    ----------
    fairness_weight_ : float
        The weight of predictions.
    history_ : list of dict
        Of each epoch `train_loss`, the mean objective over the weights that were drawn,
        and `penalty`.
    net_ : skorch.NeuralNet
        The trained net. ``net_.module_`` is the network.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    group_labels_ : list of length n_groups
        Labels of the groups.
    group_names_in_ : list
        Names of the sensitive features.
    loss_curve_ : list of length `n_iter_`
        Mean objective of each epoch.
    n_iter_ : int
        Number of epochs that were trained.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where all of them are strings.

    See Also
    --------
    FairMLPClassifierCV : Trains a network for each of several weights, and chooses one.
    FairMLPClassifier : One network at one weight.

    Notes
    -----
    Draws are dense at small weights, where a step changes most:
    :math:`\lambda = \lambda_\max (e^{4u} - 1) / (e^4 - 1)` with u uniform on [0, 1].
    Counts of a definition are averaged over batches of similar weights only (four
    ranges of u take turns), since those of a fair and of an unfair network say nothing
    of either. The factor :math:`1 / (1 + \lambda)` leaves the best network at each
    weight what it is, and gives the weights a similar say.

    One network that serves all weights is a little worse at each than a network of its
    own: where one weight is needed, fit that. Predictions at a weight beyond
    `max_fairness_weight` raise.

    References
    ----------
    Dosovitskiy & Djolonga (2020). You only train once: loss-conditional training of
    deep networks. ICLR.

    Perez, Strub, de Vries, Dumoulin & Courville (2018). FiLM: visual reasoning with a
    general conditioning layer. AAAI.

    Examples
    --------
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.inprocessing import ConditionedFairMLPClassifier
    >>> from fairsk.metrics import demographic_parity_difference
    >>> X, y, group = make_biased_classification(
    ...     2000, base_rate_gap=0.4, random_state=0
    ... )
    >>> clf = ConditionedFairMLPClassifier(random_state=0)
    >>> clf = clf.fit(X, y, sensitive_features=group)
    >>> for fairness_weight in [0, 2]:
    ...     y_pred = clf.predict(X, fairness_weight=fairness_weight)
    ...     gap = demographic_parity_difference(y, y_pred, sensitive_features=group)
    ...     print(f"weight {fairness_weight}: gap below 0.1 is {gap < 0.1}")
    weight 0: gap below 0.1 is False
    weight 2: gap below 0.1 is True
    """

    # Rates that a group cannot define matter here.
    fairness_weight = 1.0
    _net_class = ConditionedNet
    _check_attribute = BaseFairNet._check_attribute

    __metadata_request__predict = {"fairness_weight": True}
    __metadata_request__predict_proba = {"fairness_weight": True}

    _parameter_constraints: dict = {
        **TRAINING_CONSTRAINTS,
        **CLASS_WEIGHT_CONSTRAINTS,
        **OPTION_CONSTRAINTS,
        **MIXUP_CONSTRAINTS,
        **PerceptronMixin._parameter_constraints,
        **{
            name: BaseFairNet._parameter_constraints[name]
            for name in ("fairness", "disparity", "fairness_warmup")
        },
        "max_fairness_weight": [Interval(Real, 0, None, closed="neither")],
        "default_fairness_weight": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        hidden_layer_sizes=(64, 32),
        activation="relu",
        *,
        fairness="demographic_parity",
        disparity="difference",
        max_fairness_weight=4.0,
        default_fairness_weight=1.0,
        fairness_warmup=0,
        class_weight=None,
        robustness_epsilon=0.0,
        robustness_steps=1,
        mixup_alpha=0.0,
        individual_fairness=None,
        group_by=None,
        optimizer="adam",
        alpha=1e-4,
        batch_size="auto",
        learning_rate="cosine",
        learning_rate_init=0.003,
        max_iter=60,
        shuffle=True,
        random_state=None,
        verbose=False,
        callbacks=None,
        device="auto",
        dtype="float32",
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.fairness = fairness
        self.disparity = disparity
        self.max_fairness_weight = max_fairness_weight
        self.default_fairness_weight = default_fairness_weight
        self.fairness_warmup = fairness_warmup
        self.class_weight = class_weight
        self.robustness_epsilon = robustness_epsilon
        self.robustness_steps = robustness_steps
        self.mixup_alpha = mixup_alpha
        self.individual_fairness = individual_fairness
        self.group_by = group_by
        self.optimizer = optimizer
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks
        self.device = device
        self.dtype = dtype

    def set_fairness_weight(self, fairness_weight):
        """Choose the weight of all predictions to come.

        Parameters
        ----------
        fairness_weight : float
            In [0, `max_fairness_weight`].

        Returns
        -------
        self : object
            The estimator, which is not fitted again.
        """
        check_is_fitted(self, "net_")
        self.fairness_weight_ = float(self._check_weight(fairness_weight))
        return self

    def predict(self, X, *, fairness_weight=None):
        """Most probable class of samples.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Samples.
        fairness_weight : float, default=None
            The weight; None takes `fairness_weight_`.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            Class labels.
        """
        y_score = self.predict_proba(X, fairness_weight=fairness_weight)
        return self.classes_[y_score.argmax(axis=1)]

    def predict_proba(self, X, *, fairness_weight=None):
        """Probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Samples.
        fairness_weight : float, default=None
            The weight; None takes `fairness_weight_`.

        Returns
        -------
        y_score : ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`.
        """
        X = self._check_predict_data(X)
        if fairness_weight is None:
            fairness_weight = self.fairness_weight_
        weight = self._check_weight(fairness_weight)
        net, outputs = self.net_, []
        net._set_training(False)
        with torch.inference_mode():
            for chunk in self._to_tensor(X).split(PREDICT_ROWS):
                y_pred = net.module_(chunk.to(net.device), weight)
                outputs.append(self._link(y_pred).cpu())
        return torch.cat(outputs).numpy()

    def _check_weight(self, fairness_weight):
        is_number = isinstance(fairness_weight, Real) and not isinstance(
            fairness_weight, (bool, np.bool_)
        )
        if not is_number or not 0 <= fairness_weight <= self.max_fairness_weight:
            raise ValueError(
                f"{type(self).__name__} needs a fairness_weight in "
                f"[0, {self.max_fairness_weight}], where it was trained. Got "
                f"{fairness_weight!r}. Raise max_fairness_weight and fit again."
            )
        return fairness_weight

    def _objective(self):
        penalty = get_penalty(self.fairness, self.disparity)
        return ConditionedLoss, {"penalty": penalty}

    def _respond(self, X):
        return self.net_.module_(X, self.fairness_weight_)

    @property
    def _milder(self):
        return (
            f"Lower default_fairness_weight (now {self.fairness_weight_:g}), raise "
            "weights over some epochs by fairness_warmup"
        )

    def _monitor(self):
        return LastEpoch()

    def _module(self):
        _, params = super()._module()
        if not self._hidden_sizes():
            raise ValueError(
                f"{type(self).__name__} needs a hidden layer, which the weight "
                "changes. Got hidden_layer_sizes=(). Add one."
            )
        largest = float(self.max_fairness_weight)
        return ConditionedPerceptron, {**params, "module__max_weight": largest}

    def _train_net(self, dataset, seed, epochs):
        self.fairness_weight_ = float(self._check_weight(self.default_fairness_weight))
        for penalty in self.net_.criterion_.penalties:
            if isinstance(penalty, Penalty):
                penalty.bind(self.group_labels_)
        super()._train_net(dataset, seed, epochs)
