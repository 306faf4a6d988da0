"""A code that keeps the label and from which an adversary cannot tell the group."""

import math
import warnings
from itertools import chain
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from torch.nn import functional

from fairsk.base import GroupAwareMixin
from fairsk.definitions import DEFINITIONS, FairnessDefinition, get_definition
from fairsk.inprocessing._adversary import (
    blind_perceptron,
    each_stratum,
    known_of_groups,
    label_strata,
    stratum_shares,
)
from fairsk.inprocessing._base import _OPTIMIZERS
from fairsk.inprocessing._batches import GroupedDataset, StratifiedBatches
from fairsk.inprocessing._device import (
    can_fuse,
    choose_batch_size,
    map_chunks,
    resolve_device,
    seeded,
)
from fairsk.inprocessing._net import _copy_state, _is_finite
from fairsk.inprocessing._perceptron import _ACTIVATIONS, MultilayerPerceptron
from fairsk.utils._factorize import factorize
from fairsk.utils._sklearn import (
    Interval,
    StrOptions,
    _check_sample_weight,
    _fit_context,
)


class AdversarialRepresentation(
    ClassNamePrefixFeaturesOutMixin, GroupAwareMixin, TransformerMixin, BaseEstimator
):
    r"""Represent each sample by a code from which no adversary tells the group (LAFTR).

    An encoder f, a decoder k, a classifier g and an adversary h play

    .. math:: \min_{f, g, k} \max_h\;
       A_x \operatorname{mean}_n \|x_n - k(f(x_n), a_n)\|^2
       + A_y \operatorname{mean}_n \bigl(-\log g(f(x_n))_{y_n}\bigr)
       + A_z \sum_s L_s,

    where the adversary is scored by what it knows of the groups a in the stratum s,

    .. math:: L_s = 1 - \frac{1}{c_s} \sum_a
       \operatorname{mean}_{n \in D_{as}} \ell\bigl(h(f(x_n), s)_a\bigr).

    The samples :math:`D_{as}` of each of the :math:`G_s` groups count the same,
    however few. The loss :math:`\ell(p)` is :math:`-\log p` with
    :math:`c_s = G_s \log G_s`, or the paper's :math:`|1 - p|` with
    :math:`c_s = G_s - 1`. So :math:`L_s` is 0 where the adversary knows nothing and 1
    where it tells all groups without error. Steps of f, g and k alternate with steps of
    h.

    Parameters
    ----------
    n_components : int, default=8
        Number of features of the code.
    hidden_layer_sizes : int or array-like of int, default=32
        Width of the hidden layers of each of the four networks.
    activation : {"identity", "logistic", "tanh", "relu"}, default="relu"
        Activation of the hidden layers.
    fairness : str or FairnessDefinition, default="demographic_parity"
        A key of :data:`fairsk.definitions.DEFINITIONS`, or a definition, that compares
        predictions among all samples or among those of a label. Its rates say which
        samples are the strata s.
    reconstruction_weight : float, default=0.01
        :math:`A_x`. With 0 there is no decoder.
    label_weight : float, default=1.0
        :math:`A_y`. Without y in `fit`, or with 0, there is no classifier.
    fairness_weight : float, default=1.0
        :math:`A_z`. With 0 there is no adversary.
    adversary_loss : {"log_loss", "absolute_error"}, default="log_loss"
        The loss of the adversary. "absolute_error" is that of the paper.
    adversary_steps : int, default=3
        Steps of the adversary on each batch. With few of them it lags behind the
        encoder, and the group may stay.
    group_by : str, int, list or callable, default=None
        Column(s) of X, or a function of X, that give the groups where
        `sensitive_features` is not passed. Such columns stay among the features.
    optimizer : {"adam", "adamw", "sgd"} or class, default="adam"
        Optimizer of either side, or a class of :mod:`torch.optim`.
    batch_size : int, default="auto"
        Samples of a batch. "auto" takes a twentieth of the samples, but at least 128
        and at most 512.
    learning_rate_init : float, default=0.003
        Learning rate, which stays constant.
    max_iter : int, default=50
        Number of epochs.
    shuffle : bool, default=True
        Whether to draw new batches in every epoch. A single batch is never shuffled.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial parameters and of the batches. torch's global generators are
        neither read nor changed.
    device : str or torch.device, default="auto"
        Where to train; "auto" is CUDA where there is one, otherwise the CPU.
    dtype : {"float32", "float64"}, default="float32"
        Floating dtype of the networks and of the code.

    Attributes
    ----------
    networks_ : torch.nn.ModuleDict
        The networks "encoder" and, where they were trained, "decoder" (of code and
        group), "classifier" and "adversary" (of code and stratum), on the CPU.
    history_ : list of dict of {str: float}
        The mean "loss" of the encoder's side in each epoch, and its terms before they
        are weighted: "reconstruction", "label" and "adversary".
    loss_ : float
        The loss of the last epoch.
    n_iter_ : int
        Number of epochs.
    classes_ : ndarray of shape (n_classes,)
        The labels, where y was given.
    group_labels_ : list of length n_groups
        The groups.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    fairsk.preprocessing.FairRepresentation : Prototypes instead of a network's code.
    fairsk.preprocessing.ConceptProbe : Measures what the code still says of the group.
    fairsk.preprocessing.ConceptEraser : Keeps all that is not the group, in closed
        form.

    Notes
    -----
    What the adversary of the training reaches is no evidence that the group is gone:
    it may only be slow, or fooled for the moment. Fit a fresh
    :class:`~fairsk.preprocessing.ConceptProbe` to the code of samples that were not
    trained on, and compare several `random_state`.

    The absolute error is linear in the probability, so its adversary becomes certain,
    also where it is wrong, and then hardly learns: its term is 0 although a fresh probe
    reads the group. The logarithm has no such end, hence the default. With the absolute
    error, probe all the more.

    The groups are not needed at `transform`. Standardise the features first. A code
    that is independent of the group, within the strata, makes every prediction from
    it fair; where base rates differ this costs accuracy under demographic parity.
    Definitions that condition on the prediction, or that compare errors among all
    samples, do not follow from such a code, and raise.

    The last layer of the adversary starts at zero, so that it first knows nothing and
    the names of the groups do not matter. With ``batch_size=n_samples`` and
    ``dtype="float64"`` a sample of weight 2 counts exactly as the sample twice; smaller
    batches are drawn differently for the two. The groups of a batch are weighted by
    their size in all data, so a batch may lack one.

    X is dense. Training runs for `max_iter` epochs: there is no early stopping, since
    the losses of a game do not fall together and none of them says when to stop. Try
    several `max_iter`, and keep the code that a probe and a model do best on.

    If a loss becomes infinite or NaN, training stops with a warning, and the state
    of the epoch before is kept.

    References
    ----------
    Madras, Creager, Pitassi & Zemel (2018). Learning adversarially fair and
    transferable representations. ICML.

    Examples
    --------
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.inprocessing import AdversarialRepresentation
    >>> X, y, group = make_biased_classification(random_state=0)
    >>> learner = AdversarialRepresentation(4, max_iter=5, random_state=0)
    >>> learner.fit(X, y, sensitive_features=group).transform(X).shape
    (1000, 4)
    >>> list(learner.networks_)
    ['encoder', 'decoder', 'classifier', 'adversary']
    """

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
        "activation": [StrOptions(set(_ACTIVATIONS))],
        # A view, not a set: what a user registers later is an option too.
        "fairness": [StrOptions(DEFINITIONS.keys()), FairnessDefinition],
        "reconstruction_weight": [Interval(Real, 0, None, closed="left")],
        "label_weight": [Interval(Real, 0, None, closed="left")],
        "fairness_weight": [Interval(Real, 0, None, closed="left")],
        "adversary_loss": [StrOptions({"log_loss", "absolute_error"})],
        "adversary_steps": [Interval(Integral, 1, None, closed="left")],
        "group_by": [str, Integral, list, tuple, callable, None],
        "optimizer": [StrOptions(set(_OPTIMIZERS)), callable],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "device": [str, torch.device],
        "dtype": [StrOptions({"float32", "float64"})],
    }

    def __init__(
        self,
        n_components=8,
        *,
        hidden_layer_sizes=32,
        activation="relu",
        fairness="demographic_parity",
        reconstruction_weight=0.01,
        label_weight=1.0,
        fairness_weight=1.0,
        adversary_loss="log_loss",
        adversary_steps=3,
        group_by=None,
        optimizer="adam",
        batch_size="auto",
        learning_rate_init=0.003,
        max_iter=50,
        shuffle=True,
        random_state=None,
        device="auto",
        dtype="float32",
    ):
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.fairness = fairness
        self.reconstruction_weight = reconstruction_weight
        self.label_weight = label_weight
        self.fairness_weight = fairness_weight
        self.adversary_loss = adversary_loss
        self.adversary_steps = adversary_steps
        self.group_by = group_by
        self.optimizer = optimizer
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.device = device
        self.dtype = dtype

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, sensitive_features=None, sample_weight=None):
        """Train the encoder.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The samples.
        y : array-like of shape (n_samples,), default=None
            The labels.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The groups.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights.

        Returns
        -------
        self : object
            The fitted transformer.
        """
        features, y_codes = self._check_fit_data(X, y)
        weight = self._check_weight(sample_weight, features)
        groups = self._check_groups(X, sensitive_features)
        codes = groups.codes.astype(np.int64)
        kept = np.flatnonzero(weight)  # a sample of weight 0 is no sample
        arrays = [array[kept] for array in (features, y_codes, codes, weight)]
        arrays[3] /= arrays[3].mean()
        shares = self._cell_shares(*arrays[1:], has_y=y is not None)
        device = resolve_device(self.device, type(self).__name__)
        dataset = GroupedDataset(*(torch.tensor(a, device=device) for a in arrays))
        rng = check_random_state(self.random_state)
        seed = int(rng.randint(np.iinfo(np.int32).max))
        with seeded(seed, device):
            networks = self._make_networks(y is not None, shares.shape[2])
        game = _Game(
            networks.to(device),
            torch.tensor(shares, dtype=self._torch_dtype, device=device),
            self.adversary_loss,
            (self.reconstruction_weight, self.label_weight, self.fairness_weight),
        )
        self._train(
            game,
            StratifiedBatches(
                dataset,
                choose_batch_size(self.batch_size, len(dataset)),
                shuffle=self.shuffle,
                seed=seed,
            ),
        )
        self.networks_ = networks.cpu()
        self._n_features_out = self.n_components
        return self

    def transform(self, X):
        """Code of each sample.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The samples. Their groups are not needed.

        Returns
        -------
        code : ndarray of shape (n_samples, n_components)
            The output of the encoder.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.dtype(self.dtype))
        encoder = self.networks_["encoder"]
        with torch.inference_mode():
            return map_chunks(encoder, torch.tensor(X)).numpy()

    @property
    def loss_(self):
        """The loss of the last epoch."""
        check_is_fitted(self, "history_")
        return self.history_[-1]["loss"]

    @property
    def n_iter_(self):
        """Number of epochs."""
        check_is_fitted(self, "history_")
        return len(self.history_)

    @property
    def _torch_dtype(self):
        return getattr(torch, self.dtype)

    def _check_fit_data(self, X, y):
        """Features, and codes of the labels."""
        dtype = np.dtype(self.dtype)
        if y is None:
            features = validate_data(self, X, dtype=dtype)
            self.__dict__.pop("classes_", None)
            y_codes = np.zeros(len(features), dtype=np.int64)
        else:
            features, y = validate_data(self, X, y, dtype=dtype)
            check_classification_targets(y)
            self.classes_, y_codes = factorize(y)
        if not self.reconstruction_weight and (y is None or not self.label_weight):
            raise ValueError(
                f"{type(self).__name__} needs something that the code is to keep. Got "
                "reconstruction_weight=0, and no y or label_weight=0. Pass y with a "
                "positive label_weight, or raise reconstruction_weight."
            )
        return features, y_codes.astype(np.int64)

    def _check_weight(self, sample_weight, features):
        weight = _check_sample_weight(
            sample_weight, features, dtype=features.dtype, ensure_non_negative=True
        )
        if not weight.any():
            raise ValueError(
                f"{type(self).__name__} needs a sample of positive weight. All sample "
                "weights are zero."
            )
        return weight

    def _cell_shares(self, y, codes, weight, *, has_y):
        """Factor of the adversary's loss of a sample by group, class and stratum.

        The term of the adversary is the number of strata less the weighted mean of its
        losses, over the samples of the data, times these factors.
        """
        definition = get_definition(self.fairness)
        if definition.conditions_on_label and not has_y:
            raise ValueError(
                f"{type(self).__name__} needs y to compare samples of one label. Got "
                f"fairness={definition.name!r} without y. Pass y, or choose another "
                "definition."
            )
        n_groups = len(self.group_labels_)
        n_classes = len(self.classes_) if has_y else 1
        cells = np.bincount(
            codes * n_classes + y, weight.astype(float), minlength=n_groups * n_classes
        ).reshape(n_groups, n_classes)
        strata = label_strata(definition, n_classes, owner=type(self).__name__)
        if has_y and self.fairness_weight and n_groups > 1:
            counts = np.repeat(cells[:, :, None], n_classes, axis=2)
            definition.warn_undefined(counts, self.group_labels_)
        return stratum_shares(cells, strata, self.adversary_loss)

    def _make_networks(self, has_y, n_strata):
        """The networks that have a part in the loss, drawn from torch's generator."""
        hidden = self.hidden_layer_sizes
        hidden = [hidden] if isinstance(hidden, Integral) else list(hidden)
        if not all(isinstance(size, Integral) and size > 0 for size in hidden):
            raise ValueError(
                f"{type(self).__name__} needs positive integers as hidden_layer_sizes. "
                f"Got {self.hidden_layer_sizes!r}."
            )
        n_groups, n_code = len(self.group_labels_), self.n_components
        ends = {"encoder": (self.n_features_in_, n_code)}
        if self.reconstruction_weight:
            ends["decoder"] = (n_code + n_groups, self.n_features_in_)
        if has_y and self.label_weight:
            ends["classifier"] = (n_code, len(self.classes_))
        if self.fairness_weight and n_strata:
            ends["adversary"] = (n_code + n_strata, n_groups)
        networks = torch.nn.ModuleDict()
        for name, (n_in, n_out) in ends.items():
            order = hidden[::-1] if name == "decoder" else hidden
            sizes = [n_in, *order, n_out]
            make = blind_perceptron if name == "adversary" else MultilayerPerceptron
            networks[name] = make(sizes, self.activation)
        if "decoder" in networks:
            with torch.no_grad():  # nothing may depend on which group comes first
                networks["decoder"][0].weight[:, n_code:] = 0
        return networks.to(self._torch_dtype)

    def _train(self, game, batches):
        networks = game.networks
        seconds = [net for name, net in networks.items() if name == "adversary"]
        firsts = [net for name, net in networks.items() if name != "adversary"]
        optimizers = [self._make_optimizer(nets) for nets in (firsts, seconds) if nets]
        self.history_ = []
        for epoch in range(1, self.max_iter + 1):
            before = _copy_state(networks)
            row = game.play_epoch(batches, *optimizers, n_steps=self.adversary_steps)
            if not (all(map(math.isfinite, row.values())) and _is_finite(networks)):
                networks.load_state_dict(before)
                self._report_divergence(epoch)
                return
            self.history_.append(row)

    def _make_optimizer(self, nets):
        optimizer = _OPTIMIZERS.get(self.optimizer, self.optimizer)
        parameters = list(chain.from_iterable(net.parameters() for net in nets))
        fused = {"fused": True} if can_fuse(optimizer, parameters[0].device) else {}
        return optimizer(parameters, lr=self.learning_rate_init, **fused)

    def _report_divergence(self, epoch):
        advice = (
            "Lower learning_rate_init, scale the features, or lower fairness_weight."
        )
        if epoch == 1:
            raise ValueError(
                f"{type(self).__name__} needs a finite loss. It was not finite in the "
                f"first epoch. {advice}"
            )
        warnings.warn(
            f"The loss of {type(self).__name__} was not finite in epoch {epoch}. "
            f"Training stopped with the state of the epoch before. {advice}",
            UserWarning,
            stacklevel=5,
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = [self.dtype]
        return tags


class _Game:
    """The losses of a batch, and the steps of the two sides."""

    def __init__(self, networks, shares, adversary_loss, factors):
        self.networks = networks
        self.shares = shares  # of shape (n_groups, n_classes, n_strata)
        self.adversary_loss = adversary_loss
        self.factors = dict(zip(("reconstruction", "label", "adversary"), factors))

    def play_epoch(self, batches, optimizer, opponent=None, *, n_steps=1):
        """One pass over the batches. Returns the mean loss and the mean terms."""
        rows, sizes = [], []
        for samples, y in batches:
            terms = self.terms(self.networks["encoder"](samples["X"]), samples, y)
            loss = sum(self.factors[name] * term for name, term in terms.items())
            _descend(optimizer, loss)
            if opponent is not None:
                with torch.no_grad():
                    code = self.networks["encoder"](samples["X"])
                for _ in range(n_steps):
                    _descend(opponent, -self.adversary_term(code, samples, y))
            rows.append(torch.stack([loss, *terms.values()]).detach())
            sizes.append(len(y))
        # Read once an epoch, so that a GPU never waits.
        size = torch.tensor(sizes, dtype=rows[0].dtype, device=rows[0].device)
        means = size @ torch.stack(rows) / size.sum()
        return dict(zip(("loss", *terms), means.tolist()))

    def terms(self, code, samples, y):
        """What the encoder's side minimises, before it is weighted."""
        networks, weight, terms = self.networks, samples["sample_weight"], {}
        if "decoder" in networks:
            groups = functional.one_hot(samples["groups"], len(self.shares))
            decoded = networks["decoder"](torch.cat([code, groups.to(code)], dim=1))
            miss = (decoded - samples["X"]).square().sum(dim=1)
            terms["reconstruction"] = (weight * miss).mean()
        if "classifier" in networks:
            losses = functional.cross_entropy(
                networks["classifier"](code), y, reduction="none"
            )
            terms["label"] = (weight * losses).mean()
        if "adversary" in networks:
            terms["adversary"] = self.adversary_term(code, samples, y)
        return terms

    def adversary_term(self, code, samples, y):
        """What the adversary knows: 0 nothing, 1 all, summed over the strata."""
        seen = each_stratum(code, self.shares.shape[2])
        told = self.networks["adversary"](seen)
        return known_of_groups(
            told,
            samples["groups"],
            y,
            samples["sample_weight"],
            self.shares,
            self.adversary_loss,
        )


def _descend(optimizer, loss):
    optimizer.zero_grad(set_to_none=True)
    gradients = [p for group in optimizer.param_groups for p in group["params"]]
    loss.backward(inputs=gradients)  # the other side stays as it is
    optimizer.step()
