"""Fine-tuning of a language model with everything that makes it fair."""

import os
import warnings
from collections import ChainMap
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
)
from skorch.callbacks import GradientNormClipping

from fairsk.base import GroupAwareMixin
from fairsk.definitions import (
    DEFINITIONS,
    DISPARITIES,
    Disparity,
    FairnessDefinition,
    get_definition,
)
from fairsk.inprocessing._base import seeded
from fairsk.inprocessing._batches import GroupedDataset
from fairsk.inprocessing._losses import class_probabilities
from fairsk.penalties import PENALTIES, Penalty, get_penalty
from fairsk.text._embedding import POOLINGS
from fairsk.text._lora import add_lora
from fairsk.text._models import load_model, model_fingerprint, resolve_device
from fairsk.text._split import cut_model
from fairsk.text._swapped import swap_texts
from fairsk.text._tags import TextInputMixin
from fairsk.text._text_encoder import TextEncoder
from fairsk.text._text_net import Adversary, Schedule, TextModule, TextNet
from fairsk.text._tokens import LengthBatches, TokenStore, VectorStore
from fairsk.text._validation import read_texts
from fairsk.utils._sklearn import (
    HasMethods,
    Interval,
    StrOptions,
    _check_sample_weight,
    _fit_context,
)


class FairTransformerClassifier(
    TextInputMixin, GroupAwareMixin, ClassifierMixin, BaseEstimator
):
    r"""Classifier of texts: a language model, fine-tuned to be accurate and fair.

    A linear head on the pooled hidden states of a transformer is trained along with
    none, some or all of its layers. The loss of a batch is

    .. math:: \sum_c q_c L_c + \lambda\, \mathrm{penalty} + \mu\, \frac{1}{K}
        \mathrm{E} \lVert z(x) - z(x') \rVert^2 + \mathrm{adversary},

    the cross entropy of the cells c of group and class (weighted by their size, or by
    distributionally robust optimisation), the disparity between the groups of any
    definition or other penalty of :mod:`fairsk.penalties`, counterfactual logit pairing
    with texts :math:`x'` whose group terms are swapped, and an adversary that reads the
    group from the embedding. Each part has its weight, and those at 0 cost nothing.

    Parameters
    ----------
    model : str, path or callable
        The pretrained model: a local directory, or a name on the hub. Its weights are
        loaded when they are needed and are no part of the unfitted estimator. With
        ``train="head"`` also a function of a list of str that returns embeddings of
        shape (n_texts, n_dimensions), such as any other library or service.
    train : {"head", "last_k", "lora", "full"}, default="last_k"
        What is trained besides the head: nothing, the last `n_layers` layers, updates
        of rank `lora_rank` of the projections to queries and values in these layers, or
        the whole model. What comes before the trained layers is computed once for each
        distinct text, unless `cache_prefix` is off.
    n_layers : int, default=None
        Number of last layers that "last_k" trains and "lora" updates. None stands for 2
        and for all.
    lora_rank : int, default=8
        Rank of the updates.
    lora_alpha : float, default=16.0
        Scale of the updates, which are multiplied by ``lora_alpha / lora_rank``.
    pooling : {"mean", "cls", "max", "last"}, default="mean"
        How the tokens of a text become one vector: their mean or maximum, the first
        one, or the last one, which suits decoders.
    fairness : str, FairnessDefinition, Penalty or list, default="demographic_parity"
        What must agree between groups: a key of
        :data:`fairsk.definitions.DEFINITIONS`, of :data:`fairsk.penalties.PENALTIES`,
        an instance of either, or a list of these, each alone or in a tuple with its
        weight: ``["equalized_odds", ("hsic", 10.0)]``.
    disparity : str or Disparity, default="difference"
        How the rates of the groups become one number, where `fairness` is a definition.
    fairness_weight : float, default=1.0
        Weight :math:`\lambda` of the penalty.
    counterfactual : transformer or callable, default=None
        Maps texts to the same texts with their group terms swapped, such as
        :class:`CounterfactualSwap`; a callable takes and returns a list of str. None
        trains without pairing.
    pairing_weight : float, default=1.0
        Weight :math:`\mu` of counterfactual logit pairing.
    adversary_weight : float, default=0.0
        Scale of the gradient by which the embedding is to mislead the adversary. It is
        told the label where `fairness` is a definition that conditions on it.
    dro_step_size : float, default=0.0
        Step size by which group distributionally robust optimisation raises the weight
        :math:`q_c` of group and class with the largest losses, such as 0.01; 0 trains
        on the mean loss.
    fairness_warmup : float, default=0.0
        Share of the training over which the weights of penalty, pairing and adversary
        rise from 0.
    class_weight : {"balanced"} or None, default=None
        "balanced" weighs classes by their inverse frequency in the loss.
    group_by : callable, default=None
        Function of X that returns the sensitive features, where `sensitive_features`
        is not passed.
    batch_size : int, default=32
        Texts of a batch. Batches hold texts of about equal length, and a share of every
        group and class. The counts of a definition are averaged over the last batches.
    learning_rate_init : float, default=1e-4
        Largest learning rate of the layers. It rises over the first tenth of the steps,
        and falls to 0 along a line.
    head_learning_rate_init : float, default=1e-3
        The same for the head.
    weight_decay : float, default=0.01
        Weight decay of AdamW.
    dropout : float, default=0.1
        Share of the embedding that the head loses in training.
    max_iter : int, default=3
        Number of epochs.
    max_length : int, default=128
        Number of tokens after which a text is cut off.
    cache_prefix : bool, default=True
        Whether to keep what the untrained layers make of the texts: 4 bytes (2 with
        bfloat16) for each token and hidden unit.
    random_state : int, RandomState instance or None, default=None
        Seed of the head, the batches and dropout. torch's global generators are neither
        read nor changed.
    callbacks : list, default=None
        skorch callbacks, or pairs of name and callback.
    verbose : bool or int, default=False
        Whether to print the loss and the penalty of every epoch.
    device : str or torch.device, default="auto"
        Where to train; "auto" is CUDA where there is one, otherwise the CPU.
    dtype : {"float32", "bfloat16"}, default="float32"
        Type in which matrices are multiplied. The weights stay in float32.

    Attributes
    ----------
    module_ : torch.nn.Module
        The trained layers and the head.
    trained_state_ : dict of {str: tensor}
        The trained weights, which are all that a pickle holds; what was not trained is
        loaded from `model` again.
    history_ : list of dict
        `train_loss`, `penalty` and `dur` of every epoch.
    loss_curve_ : list of length `n_iter_`
        Mean loss of each epoch.
    n_iter_ : int
        Number of epochs.
    pair_coverage_ : float
        Share of the texts that their counterfactual differs from; without
        `counterfactual` 0.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    group_labels_ : list of length n_groups
        Labels of the groups.
    group_names_in_ : list
        Names of the sensitive features.

    See Also
    --------
    fairsk.inprocessing.FairNetClassifier : Any torch module on features.
    fairsk.penalties.DefinitionPenalty : The penalty.
    fairsk.reductions.DeepFeatureReweightingClassifier : Refits the head on balanced
        groups.

    Notes
    -----
    Fine-tuning by itself may make a model lean on group terms more than its embeddings
    did: audit flips of the counterfactuals, not only the gap. Pairing needs no groups;
    the penalty, the adversary and robust optimisation do, in `fit` alone.

    References
    ----------
    Garg et al. (2019). Counterfactual fairness in text classification through
    robustness. AIES.

    Sagawa et al. (2020). Distributionally robust neural networks for group shifts.
    ICLR.

    Hu et al. (2022). LoRA: low-rank adaptation of large language models. ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.text import FairTransformerClassifier
    >>> texts = ["he is a nurse", "she is a nurse", "he heals", "she heals"] * 10
    >>> def embed(texts):  # in earnest: the directory or name of a language model
    ...     return np.array([[t.count("nurse"), t.count("she")] for t in texts])
    >>> def swap(texts):
    ...     return ["he" + t[3:] if t[0] == "s" else "she" + t[2:] for t in texts]
    >>> clf = FairTransformerClassifier(
    ...     embed,
    ...     train="head",
    ...     fairness_weight=0,
    ...     counterfactual=swap,
    ...     head_learning_rate_init=0.1,
    ...     max_iter=20,
    ...     random_state=0,
    ... )
    >>> clf.fit(texts, [1, 1, 0, 0] * 10).predict(texts[:4])
    array([1, 1, 0, 0])
    >>> clf.pair_coverage_
    1.0
    """

    _parameter_constraints: dict = {
        "model": [str, os.PathLike, callable],
        "train": [StrOptions({"head", "last_k", "lora", "full"})],
        "n_layers": [Interval(Integral, 1, None, closed="left"), None],
        "lora_rank": [Interval(Integral, 1, None, closed="left")],
        "lora_alpha": [Interval(Real, 0, None, closed="neither")],
        "pooling": [StrOptions(set(POOLINGS))],
        # Views, not sets: what a user registers later is an option too.
        "fairness": [
            StrOptions(ChainMap(DEFINITIONS, PENALTIES).keys()),
            FairnessDefinition,
            torch.nn.Module,
            list,
        ],
        "disparity": [StrOptions(DISPARITIES.keys()), Disparity],
        "fairness_weight": [Interval(Real, 0, None, closed="left")],
        "counterfactual": [callable, HasMethods(["fit", "transform"]), None],
        "pairing_weight": [Interval(Real, 0, None, closed="left")],
        "adversary_weight": [Interval(Real, 0, None, closed="left")],
        "dro_step_size": [Interval(Real, 0, None, closed="left")],
        "fairness_warmup": [Interval(Real, 0, 1, closed="both")],
        "class_weight": [StrOptions({"balanced"}), None],
        "group_by": [callable, None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "head_learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "max_length": [Interval(Integral, 2, None, closed="left")],
        "cache_prefix": ["boolean"],
        "random_state": ["random_state"],
        "callbacks": [list, None],
        "verbose": ["verbose"],
        "device": [str, torch.device],
        "dtype": [StrOptions({"float32", "bfloat16"})],
    }

    def __init__(
        self,
        model,
        *,
        train="last_k",
        n_layers=None,
        lora_rank=8,
        lora_alpha=16.0,
        pooling="mean",
        fairness="demographic_parity",
        disparity="difference",
        fairness_weight=1.0,
        counterfactual=None,
        pairing_weight=1.0,
        adversary_weight=0.0,
        dro_step_size=0.0,
        fairness_warmup=0.0,
        class_weight=None,
        group_by=None,
        batch_size=32,
        learning_rate_init=1e-4,
        head_learning_rate_init=1e-3,
        weight_decay=0.01,
        dropout=0.1,
        max_iter=3,
        max_length=128,
        cache_prefix=True,
        random_state=None,
        callbacks=None,
        verbose=False,
        device="auto",
        dtype="float32",
    ):
        self.model = model
        self.train = train
        self.n_layers = n_layers
        self.lora_rank = lora_rank
        self.lora_alpha = lora_alpha
        self.pooling = pooling
        self.fairness = fairness
        self.disparity = disparity
        self.fairness_weight = fairness_weight
        self.counterfactual = counterfactual
        self.pairing_weight = pairing_weight
        self.adversary_weight = adversary_weight
        self.dro_step_size = dro_step_size
        self.fairness_warmup = fairness_warmup
        self.class_weight = class_weight
        self.group_by = group_by
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.head_learning_rate_init = head_learning_rate_init
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.max_iter = max_iter
        self.max_length = max_length
        self.cache_prefix = cache_prefix
        self.random_state = random_state
        self.callbacks = callbacks
        self.verbose = verbose
        self.device = device
        self.dtype = dtype

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, *, sensitive_features=None, sample_weight=None):
        """Fine-tune the model.

        Parameters
        ----------
        X : list, Series, ndarray or DataFrame of shape (n_samples,) or (n_samples, 1)
            Texts.
        y : array-like of shape (n_samples,)
            Class labels.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            Sensitive feature(s) of the samples. None reads them by `group_by`. Not
            needed where no part of the loss compares groups.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, for the loss and for the rates of the groups.

        Returns
        -------
        self : object
            Fitted estimator.
        """
        texts = read_texts(X, owner=type(self).__name__)
        y_codes, weight = self._check_targets(texts, y, sample_weight)
        codes = self._check_text_groups(X, sensitive_features, len(texts))
        if weight is not None:
            # A sample of weight 0 is no sample, in the loss as in the batches.
            kept = np.flatnonzero(weight)
            texts = [texts[i] for i in kept]
            y_codes, codes, weight = y_codes[kept], codes[kept], weight[kept]
            weight = torch.as_tensor(weight / weight.mean()).float()
        self._is_compressed = False
        twins = self._swap(texts)
        device = resolve_device(self.device, owner=type(self).__name__)
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        dataset = GroupedDataset(
            torch.arange(len(texts), device=device),
            torch.as_tensor(y_codes, device=device),
            torch.as_tensor(codes, device=device),
            weight if weight is None else weight.to(device),
        )
        # Before the seed is set: to load a model may draw random numbers.
        store = self._make_store(texts if twins is None else [*texts, *twins], device)
        with seeded(int(seed), device):
            self._train(store, dataset, device, int(seed))
        return self

    def predict(self, X):
        """Most probable class of texts.

        Parameters
        ----------
        X : list, Series, ndarray or DataFrame of shape (n_samples,) or (n_samples, 1)
            Texts.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            Class labels.
        """
        most_probable = self.predict_proba(X).argmax(axis=1)
        return self.classes_[most_probable]

    def predict_proba(self, X):
        """Probability of each class.

        Parameters
        ----------
        X : list, Series, ndarray or DataFrame of shape (n_samples,) or (n_samples, 1)
            Texts.

        Returns
        -------
        y_score : ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`.
        """
        logits, _ = self._forward(X)
        return class_probabilities(logits).numpy()

    def transform(self, X):
        """Embeddings of texts, as the head sees them.

        Parameters
        ----------
        X : list, Series, ndarray or DataFrame of shape (n_samples,) or (n_samples, 1)
            Texts.

        Returns
        -------
        embedding : ndarray of shape (n_samples, n_hidden)
            Pooled hidden states of the fine-tuned model.
        """
        return self._forward(X)[1].numpy()

    @property
    def n_iter_(self):
        """Number of epochs."""
        return len(self.loss_curve_)

    @property
    def loss_curve_(self):
        """Mean loss of each epoch."""
        check_is_fitted(self, "history_")
        return [float(row["train_loss"]) for row in self.history_]

    @property
    def module_(self):
        """The trained layers and the head."""
        check_is_fitted(self, "trained_state_")
        return self._put_together()[0]

    def _put_together(self):
        """Module and frozen part, made again where a pickle was loaded."""
        if self._parts is None:
            device = resolve_device(self.device, owner=type(self).__name__)
            if self._fingerprint != self._read_fingerprint():
                raise ValueError(
                    f"{type(self).__name__} needs the model that it was fitted on: a "
                    "pickle holds the trained weights alone. The files of "
                    f"{str(self.model)!r} have changed. Restore them, or fit again."
                )
            self._load(device)
            with seeded(0, device):  # what is drawn is overwritten
                module, frozen = self._make_module(device)
            module.load_state_dict(self.trained_state_, strict=False)
            self._parts = module.to(device).eval(), frozen
            self._keep_trained()
        return self._parts

    def _read_fingerprint(self):
        """What tells the model from others, None for a function."""
        if callable(self.model):
            return None
        return model_fingerprint(self.model, owner=type(self).__name__)

    def _keep_trained(self):
        self.trained_state_ = {
            name: value.detach()
            for name, value in self._parts[0].named_parameters()
            if value.requires_grad
        }

    def __getstate__(self):
        """State without the weights that were not trained."""
        state = dict(super().__getstate__())
        if "_parts" in state:
            # What was compressed cannot be made again of the trained weights.
            if not getattr(self, "_is_compressed", False):
                state["_parts"] = None
            state["trained_state_"] = {
                name: value.cpu() for name, value in state["trained_state_"].items()
            }
        return state

    def _check_targets(self, texts, y, sample_weight):
        """Codes of the labels, and weights."""
        check_consistent_length(texts, y)
        check_classification_targets(y)
        self.classes_, y_codes = np.unique(column_or_1d(y), return_inverse=True)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(
                sample_weight, y_codes, ensure_non_negative=True
            )
        mass = np.bincount(y_codes, sample_weight)
        if (mass > 0).sum() < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of at least 2 classes, with "
                f"positive weight. Got {(mass > 0).sum()} class(es) of "
                f"{list(self.classes_)}."
            )
        return y_codes.astype(np.int64), sample_weight

    def _check_text_groups(self, X, sensitive_features, n_samples):
        """Codes of the groups; one group where nothing compares them."""
        compares = self.fairness_weight or self.adversary_weight or self.dro_step_size
        if sensitive_features is None and self.group_by is None and not compares:
            self.group_labels_, self.group_names_in_ = ["all"], ["group"]
            return np.zeros(n_samples, dtype=np.int64)
        groups = self._check_groups(X, sensitive_features)
        return groups.codes.astype(np.int64)

    def _swap(self, texts):
        """Counterfactual texts, or None where pairing is off."""
        self.pair_coverage_ = 0.0
        if self.counterfactual is None or not self.pairing_weight:
            return None
        swapped = swap_texts(self.counterfactual, texts, type(self).__name__)
        changed = sum(a != b for a, b in zip(texts, swapped))
        self.pair_coverage_ = changed / len(texts)
        if not changed:
            warnings.warn(
                f"{type(self).__name__}: `counterfactual` changes none of "
                f"{len(texts)} texts, so that pairing does nothing. Check its terms.",
                UserWarning,
                stacklevel=4,
            )
        return swapped

    def _train(self, store, dataset, device, seed):
        module, frozen = self._make_module(device, store)
        if self.adversary_weight:
            module.adversary = self._make_adversary(module)
        module.to(device)
        if frozen is not None and self.cache_prefix:
            store.keep_hidden(frozen, device)
        net = self._make_net(module, frozen, store, dataset, device, seed)
        net.partial_fit((dataset, None))
        self.history_ = [
            {name: value for name, value in row.items() if name != "batches"}
            for row in net.history
        ]
        if not np.isfinite(self.history_[-1]["train_loss"]):
            raise ValueError(
                f"{type(self).__name__} needs a finite loss. It was not finite in the "
                "last epoch. Lower learning_rate_init or fairness_weight."
            )
        module.adversary = None
        self._fingerprint = self._read_fingerprint()
        self._parts = module.eval(), frozen
        self._keep_trained()

    def _load(self, device):
        if self.train == "head":
            return None  # the encoder loads it where it lacks embeddings
        if callable(self.model):
            raise ValueError(
                f"{type(self).__name__} needs the layers of a model for "
                f"train={self.train!r}. Got a callable. Set train='head', or pass a "
                "directory or a name on the hub."
            )
        return load_model(
            self.model, device=device, dtype="float32", owner=type(self).__name__
        )

    def _make_store(self, texts, device):
        owner = type(self).__name__
        if self.train != "head":
            return TokenStore(texts, self._load(device), self.max_length, owner)
        encoder = TextEncoder(
            self.model,
            pooling=self.pooling,
            batch_size=self.batch_size,
            max_length=self.max_length,
            normalize=False,
            device=device,
            dtype=self.dtype,
        )
        return VectorStore(texts, encoder)

    def _make_module(self, device, store=None):
        """The module that is trained, and what comes before it."""
        body = frozen = None
        if self.train == "head":
            vectors = store.vectors if store else self.trained_state_["head.weight"]
            n_hidden = vectors.shape[1]
        else:
            body, frozen = self._cut(device)
            n_hidden = body.config.hidden_size
        n_classes = len(self.classes_)
        return TextModule(body, n_hidden, n_classes, self.pooling, self.dropout), frozen

    def _cut(self, device):
        """The layers that are trained, and the part before them."""
        owner, backbone = type(self).__name__, self._load(device).model
        body, frozen = cut_model(
            backbone, self.train, self.n_layers, dtype=self._torch_dtype, owner=owner
        )
        if self.train == "lora" and not add_lora(body, self.lora_rank, self.lora_alpha):
            raise ValueError(
                f"{owner} needs projections to queries and values for its updates. A "
                f"{type(backbone).__name__} has none by a known name. Set "
                "train='last_k' or train='full'."
            )
        return body, frozen

    @property
    def _torch_dtype(self):
        return getattr(torch, self.dtype)

    def _make_adversary(self, module):
        fairness = self.fairness
        is_definition = isinstance(fairness, (str, FairnessDefinition)) and (
            not isinstance(fairness, str) or fairness in DEFINITIONS
        )
        told = is_definition and get_definition(fairness).conditions_on_label
        n_classes = len(self.classes_) if told else 0
        n_groups = len(self.group_labels_)
        return Adversary(module.head.in_features, n_groups, n_classes)

    def _make_net(self, module, frozen, store, dataset, device, seed):
        penalty = get_penalty(self.fairness, self.disparity)
        if isinstance(penalty, Penalty):  # a plain module cannot tell
            penalty.bind(self.group_labels_)
            if self.fairness_weight and len(self.group_labels_) > 1:
                penalty.warn_undefined(self._strata(dataset), self.group_labels_)
        n_samples = len(dataset)
        rows, twins = store.index[:n_samples], store.index[n_samples:]
        n_steps = -(-n_samples // self.batch_size) * self.max_iter
        params = {}
        if self.class_weight == "balanced":
            n_classes = len(self.classes_)
            counts = torch.bincount(dataset.y, dataset.sample_weight, n_classes)
            present = counts > 0  # a class may have no weight at all
            weight = counts.sum() / (present.sum() * counts.where(present, 1))
            params["criterion__weight"] = (weight * present).float()
        net = TextNet(
            lambda: module,
            store=store,
            rows=rows,
            twins=twins if len(twins) else None,
            frozen=frozen,
            dtype=self._torch_dtype,
            optimizer=torch.optim.AdamW,
            optimizer__param_groups=[("body.*", {"lr": self.learning_rate_init})],
            optimizer__weight_decay=self.weight_decay,
            lr=self.head_learning_rate_init,
            max_epochs=self.max_iter,
            batch_size=min(self.batch_size, n_samples),
            iterator_train=LengthBatches,
            iterator_train__lengths=None
            if self.train == "head"
            else store.lengths[rows],
            iterator_train__seed=seed,
            criterion__penalty=penalty,
            criterion__n_classes=len(self.classes_),
            criterion__n_groups=len(self.group_labels_),
            criterion__fairness_weight=float(self.fairness_weight),
            criterion__pairing_weight=float(self.pairing_weight),
            criterion__adversary_weight=float(self.adversary_weight),
            criterion__dro_step_size=float(self.dro_step_size),
            callbacks=[
                ("schedule", Schedule(n_steps, self.fairness_warmup)),
                ("clipping", GradientNormClipping(1.0)),
                *(self.callbacks or []),
            ],
            verbose=int(self.verbose),
            device=str(device),
            **params,
        )
        return net.initialize()

    def _strata(self, dataset):
        """Number of samples of each group and class."""
        shape = len(self.group_labels_), len(self.classes_)
        cells = (dataset.groups * shape[1] + dataset.y).cpu().numpy()
        return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)

    def _forward(self, X):
        """Logits and embeddings of texts."""
        check_is_fitted(self, "trained_state_")
        texts = read_texts(X, owner=type(self).__name__)
        module, frozen = self._put_together()
        device = module.head.weight.device
        store = self._make_store(texts, device)
        outputs = [None] * len(store)
        low = self.dtype == "bfloat16"
        for rows in store.blocks():
            inputs = store.collate(rows, device)
            inputs = inputs if frozen is None else frozen(inputs)
            with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, low):
                logits, embedding = module(inputs)
            results = zip(logits.float().cpu(), embedding.float().cpu())
            for row, result in zip(rows, results):
                outputs[row] = result
        logits, embeddings = (torch.stack(parts) for parts in zip(*outputs))
        return logits[store.index], embeddings[store.index]
