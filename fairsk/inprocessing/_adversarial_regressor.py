"""A regressor from whose predictions no adversary can tell the group."""

import numpy as np

from fairsk.inprocessing._adversarial_base import AdversarialMixin
from fairsk.inprocessing._base import BaseFairNetRegressor
from fairsk.inprocessing._fair_mlp_regressor import CRITERIA
from fairsk.utils._sklearn import StrOptions


class AdversarialRegressor(AdversarialMixin, BaseFairNetRegressor):
    r"""Multilayer perceptron from whose predictions an adversary cannot tell the group.

    The adversary reads the group from what it sees, and is scored by what it knows,

    .. math:: K = 1 - \frac{1}{G \log G} \sum_a \operatorname{mean}_{n: a_n = a}
        \bigl( -\log h(s_n)_a \bigr),

    0 where it knows nothing and 1 where it tells all groups without error; all groups
    count the same, however small. For a continuous attribute K is the share of
    its variance that the adversary explains. While the adversary ascends K, the network
    descends along

    .. math:: \nabla_\theta L - \mathrm{proj}_{\nabla_\theta K} \nabla_\theta L
        + \lambda \nabla_\theta K,

    whose second term keeps it from helping the adversary (equation 1 of Zhang et al.);
    without that term it is the reversed gradient of Ganin et al.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(64, 32)
        Width of each hidden layer.
    activation : {"identity", "logistic", "tanh", "relu"}, default="relu"
        Activation of the hidden layers.
    loss : {"squared_error", "absolute_error"}, default="squared_error"
        Loss of the standardised target.
    fairness_weight : float, default=1.0
        Weight :math:`\lambda` of the adversary. 0 trains without.
    method : {"projection", "reversal"}, default="projection"
        Whether the network's steps also avoid to help the adversary, or follow the
        reversed gradient alone.
    adversary_input : {"score", "representation"}, default="score"
        What the adversary reads: the prediction, or the last hidden layer, which is the
        stronger demand.
    adversary_hidden_layer_sizes : int or array-like of int, default=32
        Width of each hidden layer of the adversary, with tanh units; () for a linear
        one.
    adversary_learning_rate_init : float, default=0.03
        Learning rate of the adversary, which stays constant: it has to answer also the
        last moves of the network.
    schedule : {"ramp", "constant", "sqrt"}, default="ramp"
        Course of the weight after the pretraining: linear up to `fairness_weight` at
        half of the epochs that are left, constant, or growing with the square root of
        the epoch.
    pretrain : float, default=0.2
        Share of the epochs in which network and adversary learn, each by itself, before
        they play.
    robustness_epsilon : float, default=0.0
        Half of the loss is that of samples that an attack has moved by up to this much
        in every feature, within the range of the feature. 0 attacks nothing.
    robustness_steps : int, default=1
        Gradient steps of the attack: 1 is FGSM, more are projected gradients.
    mixup_alpha : float, default=0.0
        Adds the weight of the adversary times the mean slope of the score along
        straight paths between samples of two groups, at places from Beta(alpha, alpha):
        fair mixup. 0 adds nothing. A continuous attribute has no paths and raises.
    individual_fairness : LipschitzPairing, CounterfactualPairing or list, default=None
        Terms that ask for similar scores of similar samples, or of a sample and its
        counterfactual.
    group_by : str, int, list of str or int, or callable, default=None
        Column(s) of X that hold the sensitive features, or a function of X that returns
        them. Not used where `sensitive_features` is passed.
    optimizer : {"adam", "adamw", "sgd"} or class, default="adam"
        Optimizer, or a class of :mod:`torch.optim`.
    alpha : float, default=1e-4
        Strength of the L2 penalty of the parameters of the network (`weight_decay` of
        the optimizer).
    batch_size : int, default="auto"
        Samples of a batch. "auto" takes a twentieth of the samples, but at least 128
        and at most 512.
    learning_rate : {"cosine", "constant", "inverse"}, default="cosine"
        Course of the learning rate of the network: over `max_iter` epochs down to 0
        along half a cosine, constant, or divided by the number of the epoch after the
        pretraining.
    learning_rate_init : float, default=0.003
        Initial learning rate.
    max_iter : int, default=40
        Number of epochs.
    shuffle : bool, default=True
        Whether to draw new batches in every epoch. A single batch is never shuffled.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial parameters, the batches.
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
    leakage_ : float
        What a fresh linear probe reads of the group at the end of training, by
        training samples: 0 for chance, 1 for all. :meth:`probe` measures it for others.
    adversary_ : torch.nn.Module
        The adversary.
    history_ : list of dict
        Of each epoch `train_loss`, :math:`L + \lambda K`, and `penalty`, K.
    net_ : skorch.NeuralNet
        The trained net. ``net_.module_`` is the network.
    target_mean_, target_scale_ : float
        Mean and standard deviation of the target, by which it is standardised.
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
    AdversarialClassifier : The same for classes.
    FairMLPRegressor : A penalty in place of an adversary, which is more stable.

    Notes
    -----
    The accuracy of the adversary is no evidence that the group is gone: it may be slow,
    or fooled for the moment. :attr:`leakage_` and :meth:`probe` are from classifiers
    that were not part of the training. Where these know what the adversary did not, a
    warning says since which epoch, and what to do.

    Steps that always avoid the adversary's direction need not decrease any loss, so the
    game is trained for all epochs and the last state is kept. The paper stabilises
    it by a weight that grows with the square root of the step and a learning rate that
    falls with it: ``schedule="sqrt", learning_rate="inverse"``, here by epochs. By
    measurement three other things matter more: rectified units of an adversary die in
    the game (its units are tanh), an adversary that slows down with the network cannot
    answer its last moves (its learning rate is constant), and it needs to know
    something before the game begins (`pretrain`).

    If a loss becomes infinite or NaN, training stops with a warning, and the state of
    the epoch before is kept.

    References
    ----------
    Zhang, Lemoine & Mitchell (2018). Mitigating unwanted biases with adversarial
    learning. AIES.

    Ganin et al. (2016). Domain-adversarial training of neural networks. JMLR.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.inprocessing import AdversarialRegressor
    >>> rng = np.random.default_rng(0)
    >>> groups = rng.integers(2, size=500)
    >>> X = rng.normal(size=(500, 3)) + groups[:, None]
    >>> y = X.sum(axis=1) + rng.normal(size=500)
    >>> for fairness_weight in [0, 3]:
    ...     reg = AdversarialRegressor(fairness_weight=fairness_weight, random_state=0)
    ...     y_pred = reg.fit(X, y, sensitive_features=groups).predict(X)
    ...     gap = y_pred[groups == 1].mean() - y_pred[groups == 0].mean()
    ...     print(f"weight {fairness_weight}: gap below 1 is {gap < 1}")
    weight 0: gap below 1 is False
    weight 3: gap below 1 is True
    """

    _parameter_constraints: dict = {
        **AdversarialMixin._parameter_constraints,
        "loss": [StrOptions(set(CRITERIA))],
    }

    def __init__(
        self,
        hidden_layer_sizes=(64, 32),
        activation="relu",
        *,
        loss="squared_error",
        fairness_weight=1.0,
        method="projection",
        adversary_input="score",
        adversary_hidden_layer_sizes=32,
        adversary_learning_rate_init=0.03,
        schedule="ramp",
        pretrain=0.2,
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
        max_iter=40,
        shuffle=True,
        random_state=None,
        verbose=False,
        callbacks=None,
        device="auto",
        dtype="float32",
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.fairness_weight = fairness_weight
        self.method = method
        self.adversary_input = adversary_input
        self.adversary_hidden_layer_sizes = adversary_hidden_layer_sizes
        self.adversary_learning_rate_init = adversary_learning_rate_init
        self.schedule = schedule
        self.pretrain = pretrain
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

    _needs_target = False

    def _strata(self):
        return np.ones((1, 1), dtype=bool)

    def _warn_undefined(self, dataset):
        """Nothing: no rate of classes is compared."""

    def _module(self):
        module, params = super()._module()
        return module, {**params, "criterion__criterion": CRITERIA[self.loss]}
