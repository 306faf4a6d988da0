"""Multilayer perceptrons along a path of fairness weights."""

from fairsk.inprocessing._fair_mlp_classifier import FairMLPClassifier
from fairsk.inprocessing._path import _NOT_IN_A_PATH, FairPathCV
from fairsk.inprocessing._stacked import StackedPerceptron


class FairMLPClassifierCV(FairPathCV):
    r"""Multilayer perceptron whose fairness weight is chosen by cross-validation.

    All weights, on all folds, are trained together as one stacked network: the networks
    of a fold share each batch, so that a batch is read once, and each layer of all
    networks is one product. The networks are those that
    :class:`~fairsk.inprocessing.FairMLPClassifier` would train one by one from the same
    `random_state`, up to rounding, in a fraction of the time.

    Parameters
    ----------
    fairness_weights : int or array-like of shape (n_weights,), default=16
        The weights :math:`\lambda`, or how many: then 0 and a geometric sequence that
        ends at the `largest_weight` of the penalty, 3 for rates, and begins at a
        hundredth of it.
    hidden_layer_sizes : int or array-like of int, default=(64, 32)
        Width of each hidden layer.
    activation : {"identity", "logistic", "tanh", "relu"}, default="relu"
        Activation of the hidden layers.
    cv : int, cross-validation generator or iterable, default=None
        Folds; None takes 3. An integer stratifies on class and group, where all of
        their combinations have enough samples, and on the class otherwise.
    scoring : str, list, dict or callable, default=None
        Scores of each network on the test fold, as :func:`fairsk.metrics.get_scorer`
        takes them. None takes the accuracy and the disparity of `fairness`.
    refit : str or callable, default=None
        Which weight to choose: that with the best mean of a score, or by a rule that
        maps `path_results_` to its index, such as
        :func:`fairsk.model_selection.best_within`. None takes the first score.
    refit_path : bool, default=True
        Whether to train the networks of all weights on all samples, for `estimators_`
        and `predict_path`. False trains that of the chosen weight alone, which saves a
        third of the time with 3 folds.
    fairness : str, FairnessDefinition, Penalty or list, default="demographic_parity"
        What must agree between groups: a key of
        :data:`fairsk.definitions.DEFINITIONS`, of :data:`fairsk.penalties.PENALTIES`,
        an instance of either, or a list of these, each alone or in a tuple with its
        weight.
    disparity : str or Disparity, default="difference"
        How the rates of the groups become one number, where `fairness` is a definition:
        a key of :data:`fairsk.definitions.DISPARITIES` or an instance.
    fairness_warmup : int, default=0
        Epochs in which the weight of the penalty grows from 0 to its value, so
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
        Adds the fairness weight times the mean slope of the score along straight paths
        between samples of two groups (of one class, where the penalty compares within
        classes), at places from Beta(alpha, alpha): fair mixup. 0 adds nothing.
    individual_fairness : LipschitzPairing, CounterfactualPairing or list, default=None
        Terms that ask for similar scores of similar samples, or of a sample and its
        counterfactual.
    group_by : str, int, list of str or int, or callable, default=None
        Column(s) of X that hold the sensitive features, or a function of X that returns
        them. Not used where `sensitive_features` is passed.
    optimizer : {"adam", "adamw", "sgd"}, default="adam"
        Optimizer.
    alpha : float, default=1e-4
        Strength of the L2 penalty of the parameters.
    batch_size : int, default="auto"
        Samples of a batch; "auto" is 512.
    learning_rate : {"cosine", "constant"}, default="cosine"
        Course of the learning rate over `max_iter` epochs.
    learning_rate_init : float, default=0.003
        Learning rate at the start.
    max_iter : int, default=30
        Largest number of epochs.
    shuffle : bool, default=True
        Whether to draw new batches for every epoch.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial parameters, which all networks share, and of the batches.
    tol : float, default=1e-4
        Least improvement of the loss that counts.
    verbose : bool or int, default=False
        Whether to print a line for every epoch.
    early_stopping : bool, default=False
        Whether each network stops by, and keeps the state of, the best objective on a
        share of its training samples.
    validation_fraction : float, default=0.1
        That share.
    n_iter_no_change : int or float, default=10
        Epochs without improvement before a network stops.
    n_jobs : int, default=None
        Number of processes that train a part of the weights each, on a CPU; None is
        one, -1 takes all processors. The networks are the same.
    device : str or torch.device, default="auto"
        Where to train; "auto" takes CUDA where there is one.
    dtype : {"float32", "float64"}, default="float32"
        Precision of the networks.

    Attributes
    ----------
    fairness_weight_ : float
        The chosen weight.
    fairness_weights_ : ndarray of shape (n_weights,)
        All weights.
    path_results_ : dict of str to ndarray or list
        Table with a row for each weight, like `cv_results_` of a search:
        `fairness_weight`, `params`, and `mean_test_<score>`, `std_test_<score>` and
        `split<k>_test_<score>` of each score. ``pandas.DataFrame(path_results_)`` shows
        it.
    frontier_ : dict of str to ndarray
        The rows that no other row beats in one mean score without losing in another, by
        increasing weight.
    best_index_ : int
        Row of the chosen weight.
    estimators_ : list of FairMLPClassifier
        The network of each weight, trained on all samples; only if `refit_path`.
    best_estimator_ : FairMLPClassifier
        That of the chosen weight, which predicts.
    net_ : skorch.NeuralNet
        Its net.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    group_labels_ : list
        Labels of the groups.
    group_names_in_ : list
        Names of the sensitive features.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if all are strings.
    n_iter_ : int
        Number of epochs of the chosen network.
    loss_curve_ : list of float
        Mean objective of each of them.

    See Also
    --------
    FairMLPClassifier : One weight.
    FairNetClassifierCV : The same for any torch module.
    fairsk.model_selection.best_within : The best score within limits.

    Notes
    -----
    The penalty is convex in no way, and a path is no monotone curve: neighbouring
    weights may cross by what is left of sampling error in the folds. Judge a weight by
    its spread over folds too (`std_test_...`), or use the margin of `best_within`.

    The time grows less than in proportion to the number of weights, since small
    networks leave a processor idle; memory holds one copy of the data for each fold.
    Attacks, mixup and individual fairness are computed network by network, and take the
    time that they would take alone.

    Examples
    --------
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.inprocessing import FairMLPClassifierCV
    >>> from fairsk.model_selection import best_within
    >>> X, y, groups = make_biased_classification(2000, random_state=0)
    >>> clf = FairMLPClassifierCV(
    ...     fairness_weights=[0, 0.1, 1],
    ...     refit=best_within("accuracy", {"demographic_parity_difference": 0.1}),
    ...     max_iter=10,
    ...     random_state=0,
    ... )
    >>> clf.fit(X, y, sensitive_features=groups).fairness_weight_
    1.0
    >>> clf.predict_path(X).shape
    (3, 2000)
    """

    _parameter_constraints: dict = {
        **FairMLPClassifier._parameter_constraints,
        **FairPathCV._parameter_constraints,
    }
    for _name in _NOT_IN_A_PATH:
        _parameter_constraints.pop(_name)

    _member_class = FairMLPClassifier
    _stack_class = StackedPerceptron

    def __init__(
        self,
        fairness_weights=16,
        hidden_layer_sizes=(64, 32),
        activation="relu",
        *,
        cv=None,
        scoring=None,
        refit=None,
        refit_path=True,
        fairness="demographic_parity",
        disparity="difference",
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
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        n_jobs=None,
        device="auto",
        dtype="float32",
    ):
        self.fairness_weights = fairness_weights
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.cv = cv
        self.scoring = scoring
        self.refit = refit
        self.refit_path = refit_path
        self.fairness = fairness
        self.disparity = disparity
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
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.n_jobs = n_jobs
        self.device = device
        self.dtype = dtype
