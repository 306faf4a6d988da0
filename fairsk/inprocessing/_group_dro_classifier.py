"""Distributionally robust optimisation over groups."""

from itertools import product
from numbers import Real

import numpy as np

from fairsk.inprocessing._base import BaseFairNetClassifier
from fairsk.inprocessing._monitors import BestEpoch, LastEpoch
from fairsk.inprocessing._objective_base import (
    CLASS_WEIGHT_CONSTRAINTS,
    EARLY_STOPPING_CONSTRAINTS,
    OPTION_CONSTRAINTS,
    TRAINING_CONSTRAINTS,
    ObjectiveMixin,
)
from fairsk.inprocessing._objectives import GroupDROLoss
from fairsk.inprocessing._perceptron import PerceptronMixin
from fairsk.utils._sklearn import Interval, StrOptions


class GroupDROClassifier(ObjectiveMixin, PerceptronMixin, BaseFairNetClassifier):
    r"""Multilayer perceptron trained for the group that it serves worst.

    The network and a player who weighs the groups play

    .. math:: \min_\theta \max_{q \in \Delta} \sum_c q_c
        \left( L_c(\theta) + \frac{C}{\sqrt{n_c}} \right),

    where :math:`L_c` is the mean cross entropy of the :math:`n_c` samples of the cell
    c, a group or a group and label. For each batch the weights make a step of
    exponentiated gradient, :math:`q_c \propto q_c \exp(\eta (L_c + C / \sqrt{n_c}))`,
    and the network one on the loss in the new weights (Algorithm 1 of the paper).

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(64, 32)
        Width of each hidden layer.
    activation : {"identity", "logistic", "tanh", "relu"}, default="relu"
        Activation of the hidden layers.
    cells : {"group", "group_and_label"}, default="group"
        Between what losses are compared: groups, or groups crossed with labels.
    step_size : float, default=0.01
        Step size :math:`\eta` of the weights of the cells, for each batch.
    adjustment : float, default=0.0
        C of the generalisation adjustment. A small cell, whose training loss says
        little about its true loss, counts as worse than it looks.
    class_weight : dict, "balanced" or None, default=None
        Factor of the loss of each class, by its label; "balanced" weighs all classes
        alike. The weights of the cells follow the losses with it.
    robustness_epsilon : float, default=0.0
        Half of the loss is that of samples that an attack has moved by up to this much
        in every feature, within the range of the feature. 0 attacks nothing. The
        weights of the cells follow the samples as they are.
    robustness_steps : int, default=1
        Gradient steps of the attack: 1 is FGSM, more are projected gradients.
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
    max_iter : int, default=30
        Number of epochs.
    shuffle : bool, default=True
        Whether to draw new batches in every epoch. A single batch is never shuffled.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial parameters, the batches and the validation split.
        torch's global generators are neither read nor changed.
    verbose : bool or int, default=False
        Whether to print the readings of every epoch.
    early_stopping : bool, default=False
        Whether to set samples aside, and to end with the epoch whose worst cell has the
        smallest loss on them.
    validation_fraction : float, default=0.1
        Share of samples that early stopping sets aside, stratified by group and class.
    callbacks : list, default=None
        skorch callbacks, or pairs of name and callback.
    device : str or torch.device, default="auto"
        Where to train; "auto" is CUDA where there is one, otherwise the CPU.
    dtype : {"float32", "float64"}, default="float32"
        Floating dtype of the network and of the features.

    Attributes
    ----------
    cell_weights_ : ndarray of shape (n_cells,)
        Weights :math:`q_c` at the end of training; 0 for a cell without samples.
    cell_losses_ : ndarray of shape (n_cells,)
        Loss of each cell in the last batch that had samples of it.
    cell_labels_ : list of length n_cells
        Group of each cell, or pair of group and class.
    history_ : list of dict
        Of each epoch `train_loss`, the loss in the weights, and `worst_loss`.
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
    MinimaxClassifier : Follows the errors, and can bound them.
    FairMLPClassifier : Asks that the groups are treated alike, not that none is bad.

    Notes
    -----
    It raises the worst group and asks no equality: groups may differ as long as none is
    worse than need be. A network that fits all training samples has no worst group left
    to learn from. The paper finds that robustness then comes with a stronger penalty of
    the parameters (`alpha`), early stopping, or the adjustment.

    Batches are stratified: each has its share of every group and class. A cell that is
    missing from a batch keeps the loss that it had.

    A weight of a sample counts in the means of its cell, and in :math:`n_c` relative to
    the mean weight.

    References
    ----------
    Sagawa, Koh, Hashimoto & Liang (2020). Distributionally robust neural networks for
    group shifts. ICLR.

    Examples
    --------
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.inprocessing import GroupDROClassifier
    >>> X, y, groups = make_biased_classification(random_state=0)
    >>> clf = GroupDROClassifier(max_iter=5, random_state=0)
    >>> clf.fit(X, y, sensitive_features=groups).predict_proba(X).shape
    (1000, 2)
    >>> float(clf.cell_weights_.sum().round(3))
    1.0
    """

    # Common checks: what falls is the largest error of the groups.
    _promises_worst_group = True
    # Every batch should have samples of each group.
    _compares_groups = True

    _parameter_constraints: dict = {
        **TRAINING_CONSTRAINTS,
        **EARLY_STOPPING_CONSTRAINTS,
        **CLASS_WEIGHT_CONSTRAINTS,
        **OPTION_CONSTRAINTS,
        **PerceptronMixin._parameter_constraints,
        "cells": [StrOptions({"group", "group_and_label"})],
        "step_size": [Interval(Real, 0, None, closed="left")],
        "adjustment": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        hidden_layer_sizes=(64, 32),
        activation="relu",
        *,
        cells="group",
        step_size=0.01,
        adjustment=0.0,
        class_weight=None,
        robustness_epsilon=0.0,
        robustness_steps=1,
        individual_fairness=None,
        group_by=None,
        optimizer="adam",
        alpha=1e-4,
        batch_size="auto",
        learning_rate="cosine",
        learning_rate_init=0.003,
        max_iter=30,
        shuffle=True,
        random_state=None,
        verbose=False,
        early_stopping=False,
        validation_fraction=0.1,
        callbacks=None,
        device="auto",
        dtype="float32",
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.cells = cells
        self.step_size = step_size
        self.adjustment = adjustment
        self.class_weight = class_weight
        self.robustness_epsilon = robustness_epsilon
        self.robustness_steps = robustness_steps
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
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.callbacks = callbacks
        self.device = device
        self.dtype = dtype

    @property
    def cell_weights_(self):
        """Weights of the cells at the end of training."""
        return self._player_array("log_weights", np.exp)

    @property
    def cell_losses_(self):
        """Loss of each cell in the last batch that had samples of it."""
        return self._player_array("cell_losses")

    @property
    def cell_labels_(self):
        """Group of each cell, or pair of group and class."""
        if self.cells == "group":
            return list(self.group_labels_)
        return list(product(self.group_labels_, self.classes_.tolist()))

    def _objective(self):
        return GroupDROLoss, {
            "by_label": self.cells == "group_and_label",
            "step_size": self.step_size,
            "adjustment": self.adjustment,
        }

    def _monitor(self):
        # The players move around the solution together: no training loss says when.
        return BestEpoch() if self.early_stopping else LastEpoch()
