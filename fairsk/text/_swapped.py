"""Counterfactuals of texts, from whatever makes them."""

import warnings

from sklearn.base import clone


def swap_texts(swap, texts, owner):
    """Counterfactuals of texts.

    Parameters
    ----------
    swap : transformer or callable
        A transformer is cloned and fitted; a callable maps a list of str to another.
    texts : list of str
        The texts.
    owner : str
        Who asks, for the error message.

    Returns
    -------
    swapped : list of str
        One text for each.
    """
    if hasattr(swap, "transform"):
        with warnings.catch_warnings():
            # Whoever asks knows best what it means that nothing changes.
            warnings.filterwarnings("ignore", ".*changes nothing")
            swapped = clone(swap).fit(texts).transform(texts)
    else:
        swapped = swap(texts)
    swapped = [str(text) for text in swapped]
    if len(swapped) != len(texts):
        raise ValueError(
            f"{owner} needs one counterfactual for each text. Got {len(swapped)} for "
            f"{len(texts)} texts. Return an unchanged text where there is none."
        )
    return swapped
