"""What fine-tuning adds to the net of `inprocessing`: texts, pairs, an adversary."""

import math

import numpy as np
import torch
from skorch.callbacks import Callback
from torch.nn import functional

from fairsk.inprocessing._adversary import blind_perceptron, reverse_gradient
from fairsk.inprocessing._losses import PenalizedLoss
from fairsk.inprocessing._net import FairNet
from fairsk.inprocessing._objectives import exponentiated_step_
from fairsk.text._embedding import POOL


class TextModule(torch.nn.Module):
    """Trained layers, pooling, and a linear head.

    Parameters
    ----------
    body : transformers.PreTrainedModel or None
        The trained layers; None where embeddings come in.
    n_hidden, n_classes : int
        Width of the embeddings, and number of logits.
    pooling : {"mean", "cls", "max", "last"}
        How the tokens of a text become one vector.
    dropout : float
        Share of the embedding that the head loses in training.
    """

    def __init__(self, body, n_hidden, n_classes, pooling, dropout):
        super().__init__()
        self.body = body
        self.pooling = pooling
        self.dropout = torch.nn.Dropout(dropout)
        self.head = torch.nn.Linear(n_hidden, n_classes)
        self.adversary = None

    def forward(self, inputs):
        """Logits and embeddings of the texts of `TokenStore.collate`."""
        embedding = self.embed(inputs)
        return self.head(self.dropout(embedding)), embedding

    def embed(self, inputs):
        """Embeddings, of shape (n_texts, n_hidden)."""
        if self.body is None:
            return inputs["pooled"].float()
        hidden = self.body(**inputs).last_hidden_state
        return POOL[self.pooling](hidden, inputs["attention_mask"]).float()


class Adversary(torch.nn.Module):
    """Guesses the group from the embedding, whose gradient it turns round.

    Parameters
    ----------
    n_hidden, n_groups : int
        Width of the embeddings, and number of groups.
    n_classes : int
        Number of classes that it is told, 0 for none.

    References
    ----------
    Ganin et al. (2016). Domain-adversarial training of neural networks. JMLR 17.
    """

    def __init__(self, n_hidden, n_groups, n_classes):
        super().__init__()
        self.n_classes = n_classes
        self.layers = blind_perceptron([n_hidden + n_classes, 64, n_groups], "relu")

    def forward(self, embedding, y_true, weight):
        """Logits of the groups; `weight` scales the gradient that is turned round."""
        seen = reverse_gradient(embedding, weight)
        if self.n_classes:
            told = functional.one_hot(y_true, self.n_classes).to(seen.dtype)
            seen = torch.cat([seen, told], dim=1)
        return self.layers(seen)


class TextLoss(PenalizedLoss):
    r"""Loss of a batch of texts, with all that makes it fair.

    .. math:: \sum_c q_c L_c + \tau \bigl(\lambda\, \mathrm{penalty}
        + \mu\, \mathrm{E} \lVert z(x) - z(x') \rVert^2 / K
        + \mathrm{loss\ of\ the\ adversary}\bigr)

    Parameters
    ----------
    penalty, n_classes, n_groups, fairness_weight, criterion : object
        As in :class:`~fairsk.inprocessing._losses.PenalizedLoss`.
    pairing_weight : float, default=0.0
        The weight :math:`\mu` of counterfactual logit pairing.
    adversary_weight : float, default=0.0
        Scale of the gradient that the adversary turns round.
    dro_step_size : float, default=0.0
        Step size of the weights :math:`q_c` of group and class; with 0 all samples
        count the same.
    **kwargs : dict
        Further arguments of `criterion`.
    """

    def __init__(
        self,
        penalty,
        n_classes,
        n_groups,
        fairness_weight=1.0,
        criterion=torch.nn.CrossEntropyLoss,
        *,
        pairing_weight=0.0,
        adversary_weight=0.0,
        dro_step_size=0.0,
        **kwargs,
    ):
        super().__init__(
            penalty, n_classes, n_groups, fairness_weight, criterion, **kwargs
        )
        self.pairing_weight = pairing_weight
        self.adversary_weight = adversary_weight
        self.dro_step_size = dro_step_size
        self.warmth = 1.0  # goes from 0 to 1 while fairness warms up
        equal = torch.zeros(n_groups * n_classes).log_softmax(dim=0)
        self.register_buffer("log_weights", equal)

    @property
    def cell_weight(self):
        """Weight of each group and class."""
        return self.log_weights.exp()

    def forward(self, y_pred, y_true, groups, sample_weight=None):
        """Loss of a batch; the penalty alone stays in `last_penalty`."""
        logits, pairs, adversary_logits = y_pred
        losses = self.per_sample(logits, y_true)
        if self.dro_step_size:
            loss = self._robust_loss(losses, y_true, groups, sample_weight)
        else:
            loss = (losses if sample_weight is None else losses * sample_weight).mean()
        self.last_penalty = None
        if self.fairness_weight and self.n_groups > 1:
            penalty = self.penalty(
                logits.softmax(dim=1),
                y_true,
                groups,
                sample_weight,
                n_groups=self.n_groups,
            )
            self.last_penalty = penalty.detach()
            loss = loss + self.warmth * self.fairness_weight * penalty
        if pairs is not None:
            loss = loss + self.warmth * self.pairing_weight * logit_distance(*pairs)
        if adversary_logits is not None:
            told = functional.cross_entropy(adversary_logits, groups, reduction="none")
            told = told if sample_weight is None else told * sample_weight
            loss = loss + told.mean()
        return loss

    def _robust_loss(self, losses, y_true, groups, sample_weight):
        """Mean losses of group and class, weighted towards the largest."""
        weight = torch.ones_like(losses) if sample_weight is None else sample_weight
        cells = groups * self.n_classes + y_true
        n_cells = len(self.log_weights)
        total = losses.new_zeros(n_cells).index_add(0, cells, losses * weight)
        mass = losses.new_zeros(n_cells).index_add(0, cells, weight)
        means = total / mass.clamp(min=1e-12)
        if self.training:
            # A cell without a sample in this batch gains nothing.
            exponentiated_step_(self.log_weights, means.detach(), self.dro_step_size)
        weights = self.cell_weight * (mass > 0)
        return (weights * means).sum() / weights.sum()


def logit_distance(logits, counterfactual):
    r"""Mean squared distance of the logits of texts and their counterfactuals.

    Logits are centred first: only their differences say anything.

    Parameters
    ----------
    logits, counterfactual : float tensor of shape (n_pairs, n_classes)
        Logits of both texts of each pair.

    Returns
    -------
    distance : float tensor of shape ()
        :math:`\mathrm{E} \lVert z - z' \rVert^2 / K`; 0 without pairs.

    References
    ----------
    Garg et al. (2019). Counterfactual fairness in text classification through
    robustness. AIES.
    """
    difference = logits - counterfactual
    difference = difference - difference.mean(dim=1, keepdim=True)
    return difference.square().sum() / max(difference.numel(), 1)


class TextNet(FairNet):
    """Net on row numbers, whose tokens and hidden states a store holds.

    Parameters
    ----------
    module, criterion : class or callable
        As in :class:`~fairsk.inprocessing._net.FairNet`.
    store : TokenStore
        Texts of the rows.
    rows : int ndarray of shape (n_samples,)
        Number of the distinct text of each sample.
    twins : int ndarray of shape (n_samples,) or None
        Number of the text of its counterfactual; its own number where there is none.
    frozen : Frozen or None
        What makes inputs of the module of tokens; None where they are such already.
    dtype : torch.dtype
        Type in which matrices are multiplied.
    **kwargs : dict
        Parameters of :class:`~fairsk.inprocessing._net.FairNet`.
    """

    def __init__(
        self, module, criterion=TextLoss, *, store, rows, twins, frozen, dtype, **kwargs
    ):
        self.store = store
        self.rows = rows
        self.twins = twins
        self.frozen = frozen
        self.dtype = dtype
        super().__init__(module, criterion, **kwargs)

    def infer(self, x, **fit_params):
        """Logits, those of pairs, and what the adversary says."""
        rows = x["X"].cpu().numpy()
        texts, n_rows = self.rows[rows], len(rows)
        paired = None
        if self.twins is not None:
            paired = self.twins[rows] != texts
            texts = np.concatenate([texts, self.twins[rows][paired]])
        device = torch.device(self.device)
        inputs = self.store.collate(texts, device)
        if self.frozen is not None:
            inputs = self.frozen(inputs)
        low = self.dtype == torch.bfloat16
        with torch.autocast(device.type, torch.bfloat16, low):
            logits, embedding = self.module_(inputs, **fit_params)
        logits, embedding = logits.float(), embedding.float()
        pairs = None
        if paired is not None:
            own = torch.from_numpy(paired).to(device)
            pairs = (logits[:n_rows][own], logits[n_rows:])
        return logits[:n_rows], pairs, embedding[:n_rows]

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Loss of a batch, with all that makes it fair."""
        logits, pairs, embedding = y_pred
        adversary, loss = self.module_.adversary, self.criterion_
        told = None
        if adversary is not None:
            weight = loss.warmth * loss.adversary_weight
            told = adversary(embedding, y_true, weight)
        return loss((logits, pairs, told), y_true, X["groups"], X["sample_weight"])


class Schedule(Callback):
    """Learning rate and fairness, batch by batch.

    The learning rate rises over the first tenth of the steps and falls to 0 along a
    line; the weight of all that makes the loss fair rises over the first `warmup`.

    Parameters
    ----------
    n_steps : int
        Number of batches of the whole fit.
    warmup : float, default=0.0
        Share of the steps after which fairness has its full weight.
    """

    def __init__(self, n_steps, warmup=0.0):
        self.n_steps = n_steps
        self.warmup = warmup

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        """Remember where to start."""
        self._step = 0
        self._initial = [group["lr"] for group in net.optimizer_.param_groups]

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        """Set the learning rate and the weight of fairness for this batch."""
        if not training:
            return
        share = self._step / self.n_steps
        rising = (self._step + 1) / max(math.ceil(0.1 * self.n_steps), 1)
        factor = min(rising, (1 - share) / 0.9, 1.0)
        for group, initial in zip(net.optimizer_.param_groups, self._initial):
            group["lr"] = initial * factor
        net.criterion_.warmth = min(share / self.warmup, 1.0) if self.warmup else 1.0
        self._step += 1
