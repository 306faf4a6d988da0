"""How likely a language model finds a text: masked, unmasked and from left to right."""

from difflib import SequenceMatcher

import numpy as np
import torch

from fairsk.text._embedding import pad

# Rows of one forward pass.
_ROWS = 64


def pseudo_log_likelihood(loaded, texts, scored=None):
    """Sum of the log-probabilities of tokens, each masked in turn.

    Parameters
    ----------
    loaded : LoadedModel
        A masked language model.
    texts : list of list of int
        Tokens of each text, special ones included.
    scored : list of list of int, default=None
        Positions of the tokens that count in each text; None takes all but the special
        ones.

    Returns
    -------
    scores : ndarray of shape (n_texts,)
        Log-likelihoods.
    """
    mask_token = loaded.tokenizer.mask_token_id
    scored = scored or [_plain_positions(loaded, ids) for ids in texts]
    rows = [(i, p) for i, positions in enumerate(scored) for p in positions]
    scores = np.zeros(len(texts))
    for block in _blocks(rows, [len(texts[i]) for i, _ in rows]):
        masked = [_with(texts[i], p, mask_token) for i, p in block]
        wanted = [([p], [texts[i][p]]) for i, p in block]
        found = _log_probabilities(loaded, masked, wanted)
        np.add.at(scores, [i for i, _ in block], [values.sum() for values in found])
    return scores


def unmasked_likelihood(loaded, texts):
    """Mean log-probability of the tokens of a text that the model sees whole (AUL).

    Parameters
    ----------
    loaded : LoadedModel
        A masked language model.
    texts : list of list of int
        Tokens of each text, special ones included.

    Returns
    -------
    scores : ndarray of shape (n_texts,)
        Means over all but the special tokens.
    """
    scores = np.zeros(len(texts))
    for block in _blocks(range(len(texts)), [len(ids) for ids in texts]):
        whole = [texts[i] for i in block]
        plain = [_plain_positions(loaded, ids) for ids in whole]
        wanted = [(at, [ids[p] for p in at]) for ids, at in zip(whole, plain)]
        found = _log_probabilities(loaded, whole, wanted)
        scores[block] = [values.mean() for values in found]
    return scores


def causal_log_likelihood(loaded, texts, n_given=None):
    """Sum of the log-probabilities of tokens, each given those before it.

    Parameters
    ----------
    loaded : LoadedModel
        A causal language model.
    texts : list of list of int
        Tokens of each text.
    n_given : list of int, default=None
        Number of first tokens of each text that are given, at least 1; None gives the
        first one alone, which nothing stands before.

    Returns
    -------
    scores : ndarray of shape (n_texts,)
        Log-likelihoods of the tokens that are not given.
    """
    scores = np.zeros(len(texts))
    for block in _blocks(range(len(texts)), [len(ids) for ids in texts]):
        whole = [texts[i] for i in block]
        starts = [1 if n_given is None else n_given[i] for i in block]
        wanted = [
            (range(start - 1, len(ids) - 1), ids[start:])
            for ids, start in zip(whole, starts)
        ]
        found = _log_probabilities(loaded, whole, wanted)
        scores[block] = [values.sum() for values in found]
    return scores


def shared_positions(first, second):
    """Positions of the tokens that two texts have in common.

    Parameters
    ----------
    first, second : list of int
        Tokens of both texts.

    Returns
    -------
    in_first, in_second : list of int
        As many positions in each.
    """
    matcher = SequenceMatcher(None, first, second, autojunk=False)
    in_first, in_second = [], []
    for block in matcher.get_matching_blocks():
        in_first += range(block.a, block.a + block.size)
        in_second += range(block.b, block.b + block.size)
    return in_first, in_second


def _plain_positions(loaded, ids):
    special = set(loaded.tokenizer.all_special_ids) - {loaded.tokenizer.unk_token_id}
    return [p for p, token in enumerate(ids) if token not in special]


def _with(ids, position, token):
    return [*ids[:position], token, *ids[position + 1 :]]


def _blocks(rows, lengths):
    """Rows in blocks of like length."""
    rows = list(rows)
    order = np.argsort([-length for length in lengths], kind="stable")
    for start in range(0, len(order), _ROWS):
        yield [rows[k] for k in order[start : start + _ROWS]]


def _log_probabilities(loaded, ids, wanted):
    """Of each row of tokens, the log-probabilities of some tokens at some positions.

    They are picked where the model is: a vocabulary for each position is much to copy.
    """
    rows = [row for row, (at, _) in enumerate(wanted) for _ in at]
    positions = [p for at, _ in wanted for p in at]
    tokens = [token for _, of_row in wanted for token in of_row]
    with torch.inference_mode():
        logits = loaded.model(**pad(ids, loaded)).logits[rows, positions].float()
        picked = logits.log_softmax(dim=-1)[range(len(tokens)), tokens]
    ends = np.cumsum([len(at) for at, _ in wanted])[:-1]
    return np.split(picked.cpu().numpy(), ends)
