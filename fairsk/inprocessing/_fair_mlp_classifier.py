"""Multilayer perceptron with a fairness penalty."""

from fairsk.inprocessing._base import BaseFairNetClassifier, PartialFitMixin
from fairsk.inprocessing._options import LossOptionsMixin
from fairsk.inprocessing._perceptron import PerceptronMixin


class FairMLPClassifier(
    PartialFitMixin, PerceptronMixin, LossOptionsMixin, BaseFairNetClassifier
):
    r"""Multilayer perceptron trained on its loss plus a fairness penalty.

    The network minimises, over batches,

    .. math:: \frac{1}{n}\sum_i w_i \,\ell(y_i, f(x_i)) + \lambda\,
        \mathrm{disparity}(f) + \frac{\alpha}{2}\lVert\theta\rVert^2,

    the cross entropy plus `fairness_weight` times the disparity between groups of any
    registered definition, on the predicted probabilities
    (:class:`~fairsk.penalties.DefinitionPenalty`). With ``fairness_weight=0`` it is a
    plain perceptron. skorch trains it; groups and weights travel inside the data set,
    so that every batch has those of its own samples.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(64, 32)
        Width of each hidden layer.
    activation : {"identity", "logistic", "tanh", "relu"}, default="relu"
        Activation of the hidden layers.
    fairness : str, FairnessDefinition, Penalty or list, default="demographic_parity"
        What must agree between groups: a key of
        :data:`fairsk.definitions.DEFINITIONS`, of :data:`fairsk.penalties.PENALTIES`,
        an instance of either, or a list of these, each alone or in a tuple with its
        weight: ``["equalized_odds", ("hsic", 10.0)]``.
    disparity : str or Disparity, default="difference"
        How the rates of the groups become one number, where `fairness` is a definition:
        a key of :data:`fairsk.definitions.DISPARITIES` or an instance.
    fairness_weight : float, default=1.0
        Weight :math:`\lambda` of the penalty. 0 trains without.
    fairness_warmup : int, default=0
        Epochs in which the weight of the penalty grows from 0 to `fairness_weight`, so
        that the network learns something before it is asked to be fair.
    class_weight : dict, "balanced" or None, default=None
        Factor of the loss of each class, by its label; "balanced" weighs all classes
        alike. The penalty does not change with it.
    robustness_epsilon : float, default=0.0
        Half of the loss is that of samples that an attack has moved by up to this much
        in every feature, within the range of the feature. 0 attacks nothing.
    robustness_steps : int, default=1
        Gradient steps of the attack: 1 is FGSM, more are projected gradients.
    mixup_alpha : float, default=0.0
        Adds `fairness_weight` times the mean slope of the score along straight paths
        between samples of two groups (of one class, where the penalty compares within
        classes), at places from Beta(alpha, alpha): fair mixup. 0 adds nothing.
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
        Unlike in scikit-learn it is not divided by the size of the batch.
    batch_size : int, default="auto"
        Samples of a batch. "auto" takes a twentieth of the samples, but at least 128
        and at most 512. Larger batches estimate the rates of small groups better.
    learning_rate : {"cosine", "constant"}, default="cosine"
        Course of the learning rate over `max_iter` epochs: down to 0 along half a
        cosine, or constant. `partial_fit` knows no end, and keeps it constant.
    learning_rate_init : float, default=0.003
        Initial learning rate.
    max_iter : int, default=30
        Largest number of epochs.
    shuffle : bool, default=True
        Whether to draw new batches in every epoch. A single batch is never shuffled.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial parameters, the batches, the validation split and dropout.
        torch's global generators are neither read nor changed.
    tol : float, default=1e-4
        Least decrease of the loss that counts as improvement.
    verbose : bool or int, default=False
        Whether to print the loss and the penalty of every epoch.
    warm_start : bool, default=False
        Whether `fit` goes on where the previous call ended.
    early_stopping : bool, default=False
        Whether to set samples aside, stratified by group and class, and to end with the
        state that has the smallest loss (penalty included) on them.
    validation_fraction : float, default=0.1
        Share of samples that early stopping sets aside.
    n_iter_no_change : int or float, default=10
        Epochs without improvement of the loss, on the training samples or on those set
        aside, after which training stops.
    callbacks : list, default=None
        skorch callbacks, or pairs of name and callback.
    device : str or torch.device, default="auto"
        Where to train; "auto" is CUDA where there is one, otherwise the CPU.
    dtype : {"float32", "float64"}, default="float32"
        Floating dtype of the network and of the features.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The trained net. ``net_.module_`` is the network, ``net_.history`` has
        `train_loss`, `valid_loss`, `penalty` and `dur` of every epoch.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    group_labels_ : list of length n_groups
        Labels of the groups.
    group_names_in_ : list
        Names of the sensitive features.
    loss_curve_ : list of length `n_iter_`
        Mean objective, penalty included, of each epoch.
    n_iter_ : int
        Number of epochs that were trained.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where all of them are strings.

    See Also
    --------
    FairNetClassifier : The same for any torch module.
    fairsk.penalties.DefinitionPenalty : The penalty.

    Notes
    -----
    Batches are stratified: each has its proportional share of every group and class.
    The counts of a definition are averaged over the last ten batches or so, since the
    disparity of a single batch is biased upwards by its noise. A group (or one of its
    classes) so rare that a batch has no sample of it keeps the rates that it had;
    ``net_.history[:, "undefined_batches"]`` counts such batches, and a warning asks for
    a larger `batch_size` where they are many.

    The penalty compares expected rates under the predicted probabilities. The
    disparity of the predicted classes follows, but is not the same number: choose
    `fairness_weight` by the metric, on data that were not trained on.

    A single sensitive feature of floats that are not all whole is continuous. It needs
    a penalty that takes one, such as "covariance", "hsic" or "distance_correlation";
    cut it into intervals for the others.

    With ``batch_size=n_samples`` and ``dtype="float64"`` a sample of weight 2 counts
    exactly as the sample twice; smaller batches are drawn differently for the two.

    If the loss becomes infinite or NaN, training stops with a warning, and the best
    state before is kept. Ctrl-C ends training and keeps the current state.

    Examples
    --------
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.inprocessing import FairMLPClassifier
    >>> X, y, groups = make_biased_classification(random_state=0)
    >>> clf = FairMLPClassifier(fairness="demographic_parity", random_state=0)
    >>> clf.fit(X, y, sensitive_features=groups).predict_proba(X).shape
    (1000, 2)
    """

    _parameter_constraints: dict = {
        **BaseFairNetClassifier._parameter_constraints,
        **LossOptionsMixin._parameter_constraints,
        **PerceptronMixin._parameter_constraints,
    }

    def __init__(
        self,
        hidden_layer_sizes=(64, 32),
        activation="relu",
        *,
        fairness="demographic_parity",
        disparity="difference",
        fairness_weight=1.0,
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
        max_iter=30,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        callbacks=None,
        device="auto",
        dtype="float32",
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.fairness = fairness
        self.disparity = disparity
        self.fairness_weight = fairness_weight
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
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.callbacks = callbacks
        self.device = device
        self.dtype = dtype
