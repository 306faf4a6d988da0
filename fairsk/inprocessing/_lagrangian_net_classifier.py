"""A network within a tolerance, by multipliers."""

import warnings
from numbers import Real

import torch

from fairsk.definitions import DEFINITIONS, FairnessDefinition, get_definition
from fairsk.inprocessing._base import BaseFairNetClassifier
from fairsk.inprocessing._objective_base import (
    CLASS_WEIGHT_CONSTRAINTS,
    EARLY_STOPPING_CONSTRAINTS,
    OPTION_CONSTRAINTS,
    TRAINING_CONSTRAINTS,
    ObjectiveMixin,
)
from fairsk.inprocessing._objectives import LagrangianLoss
from fairsk.inprocessing._perceptron import MultilayerPerceptron
from fairsk.inprocessing._prefixed_params import PrefixedParamsMixin
from fairsk.utils._sklearn import Interval, StrOptions

_HIDDEN = (64, 32)


class LagrangianNetClassifier(
    ObjectiveMixin, PrefixedParamsMixin, BaseFairNetClassifier
):
    r"""A network whose groups differ by no more than a tolerance.

    It solves

    .. math:: \min_\theta L(\theta) \quad\text{such that}\quad
        \max_g r_{kg} - \min_g r_{kg} \le \varepsilon
        \text{ for each rate } k \text{ of the definition}

    by the method of multipliers. Each group has a multiplier for a rate that is too
    high and one for a rate that is too low, beside the middle :math:`m_k` of the
    largest and the smallest one. With the violation
    :math:`v^\pm_{kg} = \pm(r_{kg} - m_k) - \varepsilon / 2`, each batch makes the steps

    .. math:: \lambda^\pm_{kg} \leftarrow
        (\lambda^\pm_{kg} + \eta\, v^\pm_{kg})_+, \qquad
        \theta \leftarrow \theta - \alpha \nabla_\theta \Bigl( L + \sum_{kg}
        \bigl[ (\lambda^+_{kg} + \rho v^+_{kg})_+ - (\lambda^-_{kg} + \rho
        v^-_{kg})_+ \bigr]\, \tilde r_{kg} \Bigr).

    The multipliers see the rates r of the predicted classes, which is what the
    tolerance is about; the network sees the rates :math:`\tilde r` of the predicted
    probabilities, which have gradients (the proxy Lagrangian).

    Parameters
    ----------
    module : class or instance of torch.nn.Module, or function that returns one, \
                default=None
        The network, as in :class:`FairNetClassifier`. None takes a multilayer
        perceptron with hidden layers of 64 and 32 units.
    fairness : str or FairnessDefinition, default="demographic_parity"
        What must agree between groups: a key of
        :data:`fairsk.definitions.DEFINITIONS`, or a definition, whose rates are linear
        in the predictions.
    tolerance : float, default=0.02
        Largest difference allowed between the rates of two groups.
    step_size : float, default=0.3
        Step size :math:`\eta` of the multipliers, for each batch.
    damping : float, default=5.0
        Weight :math:`\rho` of the present violation, which keeps the two players from
        moving in circles.
    class_weight : dict, "balanced" or None, default=None
        Factor of the loss of each class, by its label; "balanced" weighs all classes
        alike. The rates do not change with it.
    robustness_epsilon : float, default=0.0
        Half of the loss is that of samples that an attack has moved by up to this much
        in every feature, within the range of the feature. 0 attacks nothing. The rates
        are those of the samples as they are.
    robustness_steps : int, default=1
        Gradient steps of the attack: 1 is FGSM, more are projected gradients.
    individual_fairness : LipschitzPairing, CounterfactualPairing or list, default=None
        Terms that ask for similar scores of similar samples, or of a sample and its
        counterfactual.
    group_by : str, int, list of str or int, or callable, default=None
        Column(s) of X that hold the sensitive features, or a function of X that returns
        them. Not used where `sensitive_features` is passed.
    criterion : class, default=torch.nn.CrossEntropyLoss
        Loss of logits (n_samples, n_classes) and class indices that takes
        ``reduction="none"``.
    optimizer : {"adam", "adamw", "sgd"} or class, default="adam"
        Optimizer, or a class of :mod:`torch.optim`.
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
        Seed of the initial parameters, the batches, the validation split and dropout.
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
    **kwargs : dict
        Parameters with skorch's prefixes, as in :class:`FairNetClassifier`:
        ``module__hidden=64``, ``optimizer__weight_decay=1e-4``.

    Attributes
    ----------
    multipliers_ : ndarray of shape (n_rates, n_groups)
        :math:`\lambda^+ - \lambda^-` at the end of training: the price of the rate of
        each group.
    disparity_ : float
        The disparity that was reached, on the samples that the epochs were judged on.
    history_ : list of dict
        Of each epoch `train_loss`, the Lagrangian, `mean_loss`, `disparity` and
        `violation`.
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
    FairMLPClassifier : Takes a weight in place of a tolerance.
    fairsk.reductions.ExponentiatedGradientClassifier : A randomised mixture of models
        of any kind, within a tolerance.
    fairsk.postprocessing.ThresholdOptimizer : The same promise for a fitted model, if
        the group may be read at predict.

    Notes
    -----
    The multipliers never settle exactly, since the rates of classes move in steps. So
    each epoch is judged on all samples, and the one with the smallest loss of those
    within the tolerance is kept. If there is none, the epoch with the smallest
    disparity is kept, and a warning says what it is.

    The tolerance holds for the samples that the epochs are judged on: the training
    samples, or, with `early_stopping`, those set aside. On others the disparity differs
    by sampling error; choose a smaller tolerance if it must hold there.

    Rates are means over the last ten batches or so. A group that is missing from a
    batch keeps the rates that it had.

    References
    ----------
    Cotter, Jiang & Sridharan (2019). Two-player games for efficient non-convex
    constrained optimization. ALT. (The proxy Lagrangian.)

    Platt & Barr (1988). Constrained differential optimization. NeurIPS. (Damping.)

    Examples
    --------
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.inprocessing import LagrangianNetClassifier
    >>> X, y, groups = make_biased_classification(
    ...     2000, base_rate_gap=0.4, random_state=0
    ... )
    >>> clf = LagrangianNetClassifier(tolerance=0.05, max_iter=15, random_state=0)
    >>> clf = clf.fit(X, y, sensitive_features=groups)
    >>> clf.disparity_ <= 0.05
    True
    """

    # Rates that a group cannot define matter here, as they do to a penalty.
    fairness_weight = 1.0

    _parameter_constraints: dict = {
        **TRAINING_CONSTRAINTS,
        **EARLY_STOPPING_CONSTRAINTS,
        **CLASS_WEIGHT_CONSTRAINTS,
        **OPTION_CONSTRAINTS,
        "module": [callable, None],
        "criterion": [callable],
        "fairness": [StrOptions(DEFINITIONS.keys()), FairnessDefinition],
        "tolerance": [Interval(Real, 0, 1, closed="both")],
        "step_size": [Interval(Real, 0, None, closed="left")],
        "damping": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        module=None,
        *,
        fairness="demographic_parity",
        tolerance=0.02,
        step_size=0.3,
        damping=5.0,
        class_weight=None,
        robustness_epsilon=0.0,
        robustness_steps=1,
        individual_fairness=None,
        group_by=None,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer="adam",
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
        **kwargs,
    ):
        self.module = module
        self.fairness = fairness
        self.tolerance = tolerance
        self.step_size = step_size
        self.damping = damping
        self.class_weight = class_weight
        self.robustness_epsilon = robustness_epsilon
        self.robustness_steps = robustness_steps
        self.individual_fairness = individual_fairness
        self.group_by = group_by
        self.criterion = criterion
        self.optimizer = optimizer
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
        vars(self).update(kwargs)

    @property
    def multipliers_(self):
        """Price of the rate of each group at the end of training."""
        above, below = self._player_array("multipliers")
        return above - below

    @property
    def disparity_(self):
        """The disparity that was reached."""
        return self._readings["disparity"]

    @property
    def _milder(self):
        return f"Raise tolerance (now {self.tolerance:g})"

    def _objective(self):
        definition = get_definition(self.fairness)
        if not definition.is_linear:
            linear = sorted(name for name, d in DEFINITIONS.items() if d.is_linear)
            raise ValueError(
                f"{type(self).__name__} needs a definition whose rates are linear in "
                f"the predictions. Got {definition.name!r}. Take one of {linear}, or "
                "FairNetClassifier."
            )
        return LagrangianLoss, {
            "definition": definition,
            "tolerance": self.tolerance,
            "step_size": self.step_size,
            "damping": self.damping,
        }

    def _module(self):
        if self.module is not None:
            return super()._module()
        return MultilayerPerceptron, {
            "module__layer_sizes": [self.n_features_in_, *_HIDDEN, self._n_outputs],
            "module__activation": "relu",
            "criterion__criterion": self.criterion,
            **self._extra_params(),
        }

    def _train_net(self, dataset, seed, epochs):
        super()._train_net(dataset, seed, epochs)
        if self._readings["violation"] > 0:
            warnings.warn(
                f"{type(self).__name__} needs a tolerance that can be reached. Got "
                f"{self.tolerance}; the smallest disparity of "
                f"{get_definition(self.fairness).name!r} that it reached is "
                f"{self.disparity_:.4g}, by the model that it keeps. Raise tolerance, "
                "step_size or max_iter.",
                UserWarning,
                stacklevel=5,
            )
