"""Small changes of words."""

import re

_WORD = re.compile(r"\w+")
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
# The letters beside each one on a keyboard.
_NEIGHBOURS = {
    letter: row[max(i - 1, 0) : i] + row[i + 1 : i + 2]
    for row in _ROWS
    for i, letter in enumerate(row)
}


def perturb(text, kinds, rate, random_state, synonyms=None):
    """A text with some of its words changed.

    Parameters
    ----------
    text : str
        The text.
    kinds : sequence of str
        Keys of :data:`PERTURBATIONS`.
    rate : float
        Probability that a word is changed; one word is changed in any case.
    random_state : RandomState
        Source of randomness.
    synonyms : callable, default=None
        Function of a word that returns a list of words.

    Returns
    -------
    perturbed : str
        Never without any word, if the text had one.
    """
    words = list(_WORD.finditer(text))
    if not words:
        return text
    chosen = random_state.random_sample(len(words)) < rate
    if not chosen.any():
        chosen[random_state.randint(len(words))] = True
    parts, end, n_left = [], 0, len(words)
    for word, is_chosen in zip(words, chosen):
        parts.append(text[end : word.start()])
        end = word.end()
        new = word.group()
        if is_chosen:
            kind = kinds[random_state.randint(len(kinds))]
            new = PERTURBATIONS[kind](new, random_state, synonyms)
        if not new and n_left == 1:
            new = word.group()
        n_left -= not new
        parts.append(new)
    parts.append(text[end:])
    return "".join(parts)


def _typo(word, random_state, synonyms):
    if len(word) < 2:
        return word * 2
    i = random_state.randint(len(word) - 1)
    near = _NEIGHBOURS.get(word[i].lower(), "")
    ways = [
        word[:i] + word[i + 1] + word[i] + word[i + 2 :],
        word[:i] + word[i + 1 :],
        word[:i] + word[i] + word[i:],
        word[:i] + near[:1] + word[i + 1 :] if near else word[:i] + word[i:],
    ]
    # Two letters that are alike can change places and nothing is changed.
    ways = [way for way in ways if way != word]
    return ways[random_state.randint(len(ways))]


def _case(word, random_state, synonyms):
    ways = [word.upper(), word.lower(), word.capitalize()]
    changed = [way for way in ways if way != word]
    return changed[random_state.randint(len(changed))] if changed else word


def _delete(word, random_state, synonyms):
    return ""


def _synonym(word, random_state, synonyms):
    found = synonyms(word)
    return found[random_state.randint(len(found))] if found else word


PERTURBATIONS = {
    "typo": _typo,
    "case": _case,
    "delete": _delete,
    "synonym": _synonym,
}
