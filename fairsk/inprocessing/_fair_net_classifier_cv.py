"""Any torch module along a path of fairness weights."""

import torch

from fairsk.inprocessing._fair_net_classifier import FairNetClassifier
from fairsk.inprocessing._path import _NOT_IN_A_PATH, FairPathCV
from fairsk.inprocessing._prefixed_params import PrefixedParamsMixin
from fairsk.inprocessing._stacked import StackedModule


class FairNetClassifierCV(PrefixedParamsMixin, FairPathCV):
    r"""Any torch module whose fairness weight is chosen by cross-validation.

    All weights, on all folds, are trained together: `torch.func` stacks the parameters
    of the networks along a leading axis and calls the module once for all of them. It
    does for any module what :class:`~fairsk.inprocessing.FairMLPClassifierCV` does,
    somewhat faster, for perceptrons.

    Parameters
    ----------
    module : class, function or instance of torch.nn.Module
        The network, as :class:`~fairsk.inprocessing.FairNetClassifier` takes it. Its
        layers must not depend on other samples of the batch through a running state, as
        batch normalisation does, nor branch on values.
    fairness_weights : int or array-like of shape (n_weights,), default=16
        The weights :math:`\lambda`, or how many: then 0 and a geometric sequence that
        ends at the `largest_weight` of the penalty, 3 for rates, and begins at a
        hundredth of it.
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
    criterion : class, default=torch.nn.CrossEntropyLoss
        Loss of logits and classes that takes ``reduction="none"``.
    optimizer : {"adam", "adamw", "sgd"}, default="adam"
        Optimizer.
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
    **kwargs : dict
        Parameters with a prefix, such as ``module__hidden=64``, as
        :class:`~fairsk.inprocessing.FairNetClassifier` takes them.

    Attributes
    ----------
    fairness_weight_ : float
        The chosen weight.
    fairness_weights_ : ndarray of shape (n_weights,)
        All weights.
    path_results_ : dict of str to ndarray or list
        Table with a row for each weight, like `cv_results_` of a search.
    frontier_ : dict of str to ndarray
        The rows that no other row beats in one mean score without losing in another, by
        increasing weight.
    best_index_ : int
        Row of the chosen weight.
    estimators_ : list of FairNetClassifier
        The network of each weight, trained on all samples; only if `refit_path`.
    best_estimator_ : FairNetClassifier
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
    FairNetClassifier : One weight.
    FairMLPClassifierCV : The same for multilayer perceptrons.

    Notes
    -----
    The networks are those that :class:`~fairsk.inprocessing.FairNetClassifier` would
    train one by one from the same `random_state`, up to rounding, as long as the module
    draws no random numbers; dropout draws others. Attacks, mixup and individual
    fairness are computed network by network, and take the time that they would take
    alone.

    Examples
    --------
    >>> import torch
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.inprocessing import FairNetClassifierCV
    >>> class Net(torch.nn.Sequential):
    ...     def __init__(self, n_features, hidden=8):
    ...         super().__init__(
    ...             torch.nn.Linear(n_features, hidden),
    ...             torch.nn.LayerNorm(hidden),
    ...             torch.nn.ReLU(),
    ...             torch.nn.Linear(hidden, 1),
    ...         )
    >>> X, y, groups = make_biased_classification(random_state=0)
    >>> clf = FairNetClassifierCV(Net, [0, 1], module__hidden=16, max_iter=5)
    >>> clf.fit(X, y, sensitive_features=groups).predict_path(X).shape
    (2, 1000)
    """

    _parameter_constraints: dict = {
        **FairNetClassifier._parameter_constraints,
        **FairPathCV._parameter_constraints,
    }
    for _name in _NOT_IN_A_PATH:
        _parameter_constraints.pop(_name)

    _member_class = FairNetClassifier
    _stack_class = StackedModule

    def __init__(
        self,
        module,
        fairness_weights=16,
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
        criterion=torch.nn.CrossEntropyLoss,
        optimizer="adam",
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
        **kwargs,
    ):
        self.module = module
        self.fairness_weights = fairness_weights
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
        self.criterion = criterion
        self.optimizer = optimizer
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
        vars(self).update(kwargs)
