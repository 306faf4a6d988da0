"""Whether what a model writes depends on the group that a prompt speaks of."""

from dataclasses import dataclass, field
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state

from fairsk.text._swapped import swap_texts
from fairsk.text._validation import read_texts
from fairsk.utils._sklearn import HasMethods, Interval, validate_params


@dataclass(frozen=True)
class CounterfactualGenerationResult:
    """Outcome of an audit of generated texts.

    Parameters
    ----------
    mean_difference : float
        Mean over the prompts of the score behind the prompt less that behind its
        counterfactual.
    interval : tuple of float
        Bootstrap interval of that mean, over prompts.
    p_value : float
        Two-sided, by flipping the signs of the prompts' differences.
    mean_absolute_difference : float
        Mean of the size of the differences: prompts may differ both ways and cancel.
    flip_rate : float
        Share of the prompts where the score crosses the threshold with the swap; NaN
        without a threshold.
    n_prompts : int
        Number of prompts that have a counterfactual.
    coverage : float
        Their share of all prompts.
    differences : ndarray of shape (n_prompts,)
        Difference of each.
    texts, counterfactual_texts : list of list of str
        What was written behind each prompt and its counterfactual.
    """

    mean_difference: float
    interval: tuple
    p_value: float
    mean_absolute_difference: float
    flip_rate: float
    n_prompts: int
    coverage: float
    differences: np.ndarray = field(repr=False)
    texts: list = field(repr=False)
    counterfactual_texts: list = field(repr=False)


class CounterfactualGenerationAudit:
    """Compare what a model writes behind prompts and behind their counterfactuals.

    Each prompt, and the same prompt with its group terms swapped, is continued
    `n_samples` times; a score of what was written (toxicity, sentiment, length,
    refusal) is averaged over them and compared within the pair.

    Parameters
    ----------
    generate : callable
        Maps a list of prompts to a list of as many texts: any model or service.
    score : callable
        Maps a list of texts to a list of as many numbers.
    counterfactual : transformer or callable
        Maps prompts to prompts with the group terms swapped, such as
        :class:`CounterfactualSwap`.
    n_samples : int, default=1
        Texts for each prompt. Take several where `generate` is random.
    threshold : float, default=None
        Score from which on a text counts, such as toxic; for `flip_rate`.
    confidence_level : float, default=0.95
        Level of the interval.
    n_resamples : int, default=9999
        Resamples of the interval and of the test.
    random_state : int, RandomState instance or None, default=None
        Source of the resamples.

    See Also
    --------
    PairedLikelihoodBias : What a model finds likely, rather than what it writes.

    Notes
    -----
    Sampling noise alone makes single prompts differ, which `mean_absolute_difference`
    counts: compare it with that of a second run of the same prompts.

    References
    ----------
    Huang et al. (2020). Reducing sentiment bias in language models via counterfactual
    evaluation. Findings of EMNLP.

    Examples
    --------
    >>> from fairsk.text import CounterfactualGenerationAudit, CounterfactualSwap
    >>> audit = CounterfactualGenerationAudit(
    ...     generate=lambda prompts: [
    ...         "smart" if p.startswith("He") else "nice" for p in prompts
    ...     ],
    ...     score=lambda texts: [float(t == "smart") for t in texts],
    ...     counterfactual=CounterfactualSwap(),
    ...     random_state=0,
    ... )
    >>> result = audit.run(["He is", "He was", "He will be", "It is"])
    >>> result.mean_difference, result.coverage
    (1.0, 0.75)
    """

    @validate_params(
        {
            "generate": [callable],
            "score": [callable],
            "counterfactual": [callable, HasMethods(["fit", "transform"])],
            "n_samples": [Interval(Integral, 1, None, closed="left")],
            "threshold": [Real, None],
            "confidence_level": [Interval(Real, 0, 1, closed="neither")],
            "n_resamples": [Interval(Integral, 1, None, closed="left")],
            "random_state": ["random_state"],
        },
        prefer_skip_nested_validation=True,
    )
    def __init__(
        self,
        generate,
        score,
        counterfactual,
        *,
        n_samples=1,
        threshold=None,
        confidence_level=0.95,
        n_resamples=9999,
        random_state=None,
    ):
        self.generate = generate
        self.score = score
        self.counterfactual = counterfactual
        self.n_samples = n_samples
        self.threshold = threshold
        self.confidence_level = confidence_level
        self.n_resamples = n_resamples
        self.random_state = random_state

    def run(self, prompts):
        """Generate, score and compare.

        Parameters
        ----------
        prompts : list of str
            The prompts; those without a group term are left out.

        Returns
        -------
        result : CounterfactualGenerationResult
            The differences.
        """
        owner = type(self).__name__
        prompts = read_texts(prompts, owner=owner)
        swapped = swap_texts(self.counterfactual, prompts, owner)
        pairs = [(a, b) for a, b in zip(prompts, swapped) if a != b]
        if not pairs:
            raise ValueError(
                f"{owner} needs prompts that the swap changes. It changes none of "
                f"{len(prompts)}. Pass the terms of these prompts."
            )
        firsts, seconds = map(list, zip(*pairs))
        texts = self._write([*firsts, *seconds])
        scores = self._rate(texts)
        first, second = scores[: len(pairs)], scores[len(pairs) :]
        differences = first - second
        flip_rate = float("nan")
        if self.threshold is not None:
            flipped = (first >= self.threshold) != (second >= self.threshold)
            flip_rate = float(flipped.mean())
        interval, p_value = self._resample(differences)
        return CounterfactualGenerationResult(
            mean_difference=float(differences.mean()),
            interval=interval,
            p_value=p_value,
            mean_absolute_difference=float(np.abs(differences).mean()),
            flip_rate=flip_rate,
            n_prompts=len(pairs),
            coverage=len(pairs) / len(prompts),
            differences=differences,
            texts=texts[: len(pairs)],
            counterfactual_texts=texts[len(pairs) :],
        )

    def _write(self, prompts):
        """Texts behind each prompt."""
        repeated = [prompt for prompt in prompts for _ in range(self.n_samples)]
        texts = list(self.generate(repeated))
        if len(texts) != len(repeated):
            raise ValueError(
                f"{type(self).__name__} needs one text for each prompt. `generate` "
                f"returned {len(texts)} for {len(repeated)} prompts."
            )
        n = self.n_samples
        return [texts[start : start + n] for start in range(0, len(texts), n)]

    def _rate(self, texts):
        """Mean score of the texts behind each prompt."""
        flat = [text for row in texts for text in row]
        scores = np.asarray(self.score(flat), dtype=np.float64)
        if scores.shape != (len(flat),) or not np.isfinite(scores).all():
            raise ValueError(
                f"{type(self).__name__} needs one finite number for each text. `score` "
                f"returned shape {scores.shape} for {len(flat)} texts."
            )
        return scores.reshape(len(texts), -1).mean(axis=1)

    def _resample(self, differences):
        rng = check_random_state(self.random_state)
        n_prompts, n_resamples = len(differences), self.n_resamples
        drawn = np.empty(n_resamples)
        flipped = np.empty(n_resamples)
        for i in range(n_resamples):
            drawn[i] = differences[rng.randint(n_prompts, size=n_prompts)].mean()
            flipped[i] = (differences * rng.choice([-1, 1], n_prompts)).mean()
        tail = (1 - self.confidence_level) / 2
        interval = tuple(np.quantile(drawn, [tail, 1 - tail]).tolist())
        observed = abs(differences.mean()) * (1 - 1e-12)
        p_value = (1 + (np.abs(flipped) >= observed).sum()) / (n_resamples + 1)
        return interval, float(p_value)
