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
        log_probabilities = _log_probabilities(loaded, masked)
        for row, (i, p) in enumerate(block):
            scores[i] += log_probabilities[row, p, texts[i][p]].item()
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
        log_probabilities = _log_probabilities(loaded, [texts[i] for i in block])
        for row, i in enumerate(block):
            positions = _plain_positions(loaded, texts[i])
            tokens = [texts[i][p] for p in positions]
            scores[i] = log_probabilities[row, positions, tokens].mean().item()
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
        log_probabilities = _log_probabilities(loaded, [texts[i] for i in block])
        for row, i in enumerate(block):
            start = 1 if n_given is None else n_given[i]
            positions = list(range(start - 1, len(texts[i]) - 1))
            tokens = texts[i][start:]
            scores[i] = log_probabilities[row, positions, tokens].sum().item()
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


def _log_probabilities(loaded, ids):
    with torch.inference_mode():
        logits = loaded.model(**pad(ids, loaded)).logits
        return logits.float().log_softmax(dim=-1).cpu()
