"""The smallest error of the worst group, or the smallest error within a bound."""

import warnings
from numbers import Real

import numpy as np

from fairsk.inprocessing._base import BaseFairNetClassifier
from fairsk.inprocessing._objective_base import (
    CLASS_WEIGHT_CONSTRAINTS,
    EARLY_STOPPING_CONSTRAINTS,
    OPTION_CONSTRAINTS,
    TRAINING_CONSTRAINTS,
    ObjectiveMixin,
)
from fairsk.inprocessing._objectives import MinimaxLoss
from fairsk.inprocessing._perceptron import PerceptronMixin
from fairsk.utils._sklearn import Interval, StrOptions


class MinimaxClassifier(ObjectiveMixin, PerceptronMixin, BaseFairNetClassifier):
    r"""Multilayer perceptron whose worst group has the smallest error that can be had.

    Without a bound it solves

    .. math:: \min_\theta \max_g E_g(\theta),

    and with ``max_error``, :math:`\gamma`, the relaxed problem, which gives up no more
    of the average than the bound needs,

    .. math:: \min_\theta E(\theta) \quad\text{such that}\quad
        E_g(\theta) \le \gamma \text{ for all groups } g.

    The network is trained on the cross entropy of the groups in weights w, and a second
    player moves these by the errors that it sees. Without a bound, by exponentiated
    gradient, :math:`w_g \propto w_g \exp(\eta E_g)`. With it, by multipliers,

    .. math:: \lambda_g \leftarrow (\lambda_g + \eta (E_g - \gamma))_+, \qquad
        w_g \propto p_g + (\lambda_g + \rho (E_g - \gamma))_+,

    where :math:`p_g` is the share of the group. Errors are means over the last ten
    batches or so. Each epoch is judged on all samples, and the best one is kept:
    without a bound the one whose worst group has the smallest error, with it the one
    with the smallest average error of those within the bound.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(64, 32)
        Width of each hidden layer.
    activation : {"identity", "logistic", "tanh", "relu"}, default="relu"
        Activation of the hidden layers.
    max_error : float, default=None
        Bound :math:`\gamma` on the error of each group, between the smallest that can
        be had for the worst group and what it has in training without groups. None
        makes the largest error as small as possible.
    error : {"zero_one", "log_loss"}, default="zero_one"
        What is bounded: the share of wrong predictions, or the mean cross entropy.
    step_size : float, default=0.1
        Step size :math:`\eta` of the weights of the groups, for each batch.
    damping : float, default=1.0
        Weight :math:`\rho` of the present violation of the bound, which keeps the two
        players from moving in circles. Not used without `max_error`.
    class_weight : dict, "balanced" or None, default=None
        Factor of the loss of each class, by its label; "balanced" weighs all classes
        alike. What counts as error does not change with it.
    robustness_epsilon : float, default=0.0
        Half of the loss is that of samples that an attack has moved by up to this much
        in every feature, within the range of the feature. 0 attacks nothing. The
        weights of the groups follow the samples as they are.
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
        Whether to set samples aside, and to judge the epochs on them rather than on the
        training samples.
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
    group_weights_ : ndarray of shape (n_groups,)
        Weights w of the groups at the end of training, which sum to 1.
    multipliers_ : ndarray of shape (n_groups,)
        Multipliers :math:`\lambda`; 0 without a bound.
    worst_error_ : float
        Largest error of a group, on the samples that the epochs were judged on.
    mean_error_ : float
        Error of all of them.
    history_ : list of dict
        Of each epoch `train_loss`, `mean_loss`, `mean_error`, `worst_error` and
        `violation`: the trade-off that training went through.
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
    GroupDROClassifier : Follows the losses, also of groups crossed with labels.
    fairsk.penalties.LossGapPenalty : Asks for equal losses, also of the best group.

    Notes
    -----
    The papers solve the game for a randomised mixture of models, of all rounds. A
    single network is what most users can deploy, hence the best epoch. The error of a
    network has no gradient, so the player of the weights follows the error, and the
    network the cross entropy.

    A bound that cannot be reached is met as well as can be, and a warning says what was
    reached. For the range of useful bounds, fit once without `max_error` (its
    `worst_error_` is the lower end) and look at the errors by group of a plain model
    (the largest is the upper end).

    References
    ----------
    Diana, Gill, Kearns, Kenthapadi & Roth (2021). Minimax group fairness: algorithms
    and experiments. AIES.

    Martinez, Bertran & Sapiro (2020). Minimax Pareto fairness: a multi objective
    perspective. ICML.

    Examples
    --------
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.inprocessing import MinimaxClassifier
    >>> X, y, groups = make_biased_classification(random_state=0)
    >>> clf = MinimaxClassifier(max_iter=5, random_state=0)
    >>> clf.fit(X, y, sensitive_features=groups).predict_proba(X).shape
    (1000, 2)
    >>> clf.worst_error_ >= clf.mean_error_
    True
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
        "max_error": [Interval(Real, 0, None, closed="left"), None],
        "error": [StrOptions({"zero_one", "log_loss"})],
        "step_size": [Interval(Real, 0, None, closed="left")],
        "damping": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        hidden_layer_sizes=(64, 32),
        activation="relu",
        *,
        max_error=None,
        error="zero_one",
        step_size=0.1,
        damping=1.0,
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
        self.max_error = max_error
        self.error = error
        self.step_size = step_size
        self.damping = damping
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
    def group_weights_(self):
        """Weights of the groups at the end of training."""
        if self.max_error is None:
            return self._player_array("log_weights", np.exp)
        weights = self._player_array("shares") + self.multipliers_
        return weights / weights.sum()

    @property
    def multipliers_(self):
        """Multipliers of the bound."""
        return self._player_array("multipliers")

    @property
    def worst_error_(self):
        """Largest error of a group."""
        return self._readings["worst_error"]

    @property
    def mean_error_(self):
        """Error of all samples."""
        return self._readings["mean_error"]

    def _objective(self):
        return MinimaxLoss, {
            "bound": self.max_error,
            "error": self.error,
            "step_size": self.step_size,
            "damping": self.damping,
        }

    def _train_net(self, dataset, seed, epochs):
        super()._train_net(dataset, seed, epochs)
        if self._readings["violation"] > 0:
            warnings.warn(
                f"{type(self).__name__} needs a max_error that can be reached. Got "
                f"{self.max_error}; the smallest error of the worst group that it "
                f"reached is {self.worst_error_:.4g}, by the model that it keeps. "
                "Raise max_error, max_iter or the size of the network.",
                UserWarning,
                stacklevel=5,
            )
