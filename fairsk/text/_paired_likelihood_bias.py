"""Which of two texts, that differ in a group alone, a language model prefers."""

import os
from dataclasses import dataclass, field
from numbers import Real

import numpy as np
import torch

from fairsk.metrics._intervals import wilson
from fairsk.text._embedding import tokenize
from fairsk.text._likelihood import (
    causal_log_likelihood,
    pseudo_log_likelihood,
    shared_positions,
    unmasked_likelihood,
)
from fairsk.text._models import load_model, load_tokenizer
from fairsk.text._validation import read_texts
from fairsk.utils._sklearn import Interval, StrOptions, validate_params


@dataclass(frozen=True)
class PreferenceShare:
    """How often the stereotypical text of a pair is preferred.

    Parameters
    ----------
    score : float
        Share of the pairs; 0.5 is no preference. A tie counts one half.
    interval : tuple of float
        Wilson's confidence interval of the share.
    n_pairs : int
        Number of pairs.
    """

    score: float
    interval: tuple
    n_pairs: int


@dataclass(frozen=True)
class PairedLikelihoodResult:
    """Outcome of an audit of pairs.

    Parameters
    ----------
    overall : PreferenceShare
        Over all pairs.
    by_category : dict of {label: PreferenceShare}
        Over the pairs of each category.
    stereotypical, anti_stereotypical : ndarray of shape (n_pairs,)
        Log-likelihood of both texts of each pair.
    n_truncated : int
        Number of texts that were cut.
    """

    overall: PreferenceShare
    by_category: dict
    stereotypical: np.ndarray = field(repr=False)
    anti_stereotypical: np.ndarray = field(repr=False)
    n_truncated: int = 0


class PairedLikelihoodBias:
    r"""Share of pairs in which a language model prefers the stereotypical text.

    The texts of a pair differ in the group that they speak of. Their log-likelihoods
    are compared, by one of

    - "pseudo" (CrowS-Pairs): :math:`\sum_{t \in U} \log p(t \mid \text{text} \setminus
      t)` over the tokens U that both texts share, each masked in turn;
    - "unmasked" (AUL): the mean of :math:`\log p(t \mid \text{text})` over all tokens
      of a text that the model sees whole;
    - "causal": :math:`\sum_i \log p(t_i \mid t_1 \ldots t_{i-1})`, for decoders.

    Parameters
    ----------
    model : str, path or callable
        A local directory or a name on the hub: a masked language model, or a causal one
        for ``method="causal"``. A function of a list of str that returns a
        log-likelihood of each text is taken as it is, whatever the method.
    method : {"pseudo", "unmasked", "causal"}, default="pseudo"
        How texts are scored.
    confidence_level : float, default=0.95
        Level of the intervals.
    device : str or torch.device, default="auto"
        Where to run.
    dtype : str or torch.dtype, default="auto"
        Numbers that the model computes in.

    See Also
    --------
    stereoset_scores : Three texts for each context, one of them meaningless.
    AssociationTest : The same question to embeddings.

    Notes
    -----
    A share near one half is no proof of fairness: many pairs of the published sets are
    flawed (Blodgett et al. 2021), preferences can cancel, and what a model prefers says
    little of what it does in a task.

    References
    ----------
    Nangia, Vania, Bhalerao & Bowman (2020). CrowS-Pairs: a challenge dataset for
    measuring social biases in masked language models. EMNLP.

    Kaneko & Bollegala (2022). Unmasking the mask: evaluating social biases in masked
    language models. AAAI.

    Blodgett, Lopez, Olteanu, Sim & Wallach (2021). Stereotyping Norwegian salmon. ACL.

    Examples
    --------
    >>> from fairsk.text import PairedLikelihoodBias
    >>> def score(texts):  # in earnest: the directory or name of a language model
    ...     return [-len(text) for text in texts]
    >>> audit = PairedLikelihoodBias(score)
    >>> result = audit.run(
    ...     ["He is a doctor.", "She is kind."], ["She is a doctor.", "He is kind."]
    ... )
    >>> result.overall.score
    0.5
    """

    @validate_params(
        {
            "model": [str, os.PathLike, callable],
            "method": [StrOptions({"pseudo", "unmasked", "causal"})],
            "confidence_level": [Interval(Real, 0, 1, closed="neither")],
            "device": [str, torch.device],
            "dtype": [str, torch.dtype],
        },
        prefer_skip_nested_validation=True,
    )
    def __init__(
        self,
        model,
        *,
        method="pseudo",
        confidence_level=0.95,
        device="auto",
        dtype="auto",
    ):
        self.model = model
        self.method = method
        self.confidence_level = confidence_level
        self.device = device
        self.dtype = dtype

    def run(self, stereotypical, anti_stereotypical, categories=None):
        """Audit pairs of texts.

        Parameters
        ----------
        stereotypical, anti_stereotypical : list of str of length n_pairs
            Both texts of each pair.
        categories : array-like of shape (n_pairs,), default=None
            What each pair is about.

        Returns
        -------
        result : PairedLikelihoodResult
            The shares, with intervals.
        """
        owner = type(self).__name__
        more = read_texts(stereotypical, owner=owner)
        less = read_texts(anti_stereotypical, owner=owner)
        labels = np.zeros(len(more)) if categories is None else np.asarray(categories)
        if not len(more) == len(less) == len(labels):
            raise ValueError(
                f"{owner} needs two texts, and one category, for each pair. Got "
                f"{len(more)} and {len(less)} texts and {len(labels)} categories."
            )
        scores, n_truncated = self._score(more, less)
        preferred = (1 + np.sign(scores[0] - scores[1])) / 2
        by_category = {}
        if categories is not None:
            by_category = {
                label: self._share(preferred[labels == label])
                for label in dict.fromkeys(labels.tolist())
            }
        return PairedLikelihoodResult(
            self._share(preferred), by_category, *scores, n_truncated
        )

    def _share(self, preferred):
        n_pairs = len(preferred)
        ends = wilson(preferred.sum(), n_pairs, n_pairs, self.confidence_level)
        return PreferenceShare(
            float(preferred.mean()), tuple(map(float, ends)), n_pairs
        )

    def _score(self, more, less):
        """Log-likelihoods of both texts of each pair, and how many were cut."""
        owner = type(self).__name__
        if callable(self.model):
            scores = np.asarray(self.model([*more, *less]), dtype=np.float64)
            if scores.shape != (2 * len(more),) or np.isnan(scores).any():
                raise ValueError(
                    f"{owner} needs `model` to return a number for each text. Got "
                    f"shape {scores.shape} with {np.isnan(scores).sum()} NaN for "
                    f"{2 * len(more)} texts."
                )
            return np.split(scores, 2), 0
        head = "causal_lm" if self.method == "causal" else "masked_lm"
        tokenizer = load_tokenizer(self.model, owner=owner)
        if head == "masked_lm" and tokenizer.mask_token_id is None:
            raise ValueError(
                f"{owner} needs a model with a mask token for method="
                f"{self.method!r}. Got {str(self.model)!r}, which has none. Set "
                "method='causal'."
            )
        loaded = load_model(
            self.model, head=head, device=self.device, dtype=self.dtype, owner=owner
        )
        tokens = tokenize(loaded, [*more, *less])
        first, second = tokens.ids[: len(more)], tokens.ids[len(more) :]
        scores = _METHODS[self.method](loaded, first, second)
        return scores, tokens.n_truncated


def _pseudo(loaded, first, second):
    special = set(loaded.tokenizer.all_special_ids) - {loaded.tokenizer.unk_token_id}
    shared = []
    for one, other in zip(first, second):
        pairs = zip(*shared_positions(one, other))
        shared.append([(a, b) for a, b in pairs if one[a] not in special])
    return [
        pseudo_log_likelihood(loaded, ids, [[p[side] for p in row] for row in shared])
        for side, ids in enumerate((first, second))
    ]


def _unmasked(loaded, first, second):
    return np.split(unmasked_likelihood(loaded, first + second), 2)


def _causal(loaded, first, second):
    texts = [with_start(loaded, ids) for ids in first + second]
    return np.split(causal_log_likelihood(loaded, texts), 2)


def with_start(loaded, ids):
    """Tokens behind the one that begins a text, where the model has one."""
    start = loaded.tokenizer.bos_token_id
    return ids if start is None or ids[:1] == [start] else [start, *ids]


_METHODS = {"pseudo": _pseudo, "unmasked": _unmasked, "causal": _causal}
