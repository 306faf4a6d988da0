"""Add texts in other words, by translating them there and back."""

from fairsk.text._sampler import TextSampler


class BackTranslationAugmenter(TextSampler):
    """Add each text as it reads after a translation there and back.

    Parameters
    ----------
    translate : callable
        Function of a list of str that returns as many: the texts in the language they
        were in, after another one. Any paraphraser will do.

    Attributes
    ----------
    sample_indices_ : ndarray of shape (n_resampled,)
        Position in the input of the text that each row is or was made from.

    See Also
    --------
    PerturbationAugmenter : Changes words, without any model.

    Notes
    -----
    Texts that come back as they went are not added. A translator may change the gender
    of people on the way, as some languages make it say one: look at what comes back.

    References
    ----------
    Sennrich, Haddow & Birch (2016). Improving neural machine translation models with
    monolingual data. ACL.

    Examples
    --------
    >>> from fairsk.text import BackTranslationAugmenter
    >>> def translate(texts):
    ...     return [text.replace("start", "begin") for text in texts]
    >>> BackTranslationAugmenter(translate).fit_resample(["to start", "to end"], [0, 1])
    (['to start', 'to end', 'to begin'], [0, 1, 0])
    """

    _parameter_constraints: dict = {"translate": [callable]}

    def __init__(self, translate):
        self.translate = translate

    def _fit_resample(self, texts, random_state):
        made = list(self.translate(list(texts)))
        if len(made) != len(texts) or not all(isinstance(text, str) for text in made):
            raise ValueError(
                f"{type(self).__name__} needs `translate` to return a text for each "
                f"text. Got {len(made)} for {len(texts)}, of the types "
                f"{sorted({type(text).__name__ for text in made})}."
            )
        source = [i for i, text in enumerate(made) if text.strip() and text != texts[i]]
        return [made[i] for i in source], source
