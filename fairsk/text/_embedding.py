"""From texts to one vector each, by a loaded model."""

import warnings
from dataclasses import dataclass

import numpy as np
import torch

POOLINGS = ("mean", "cls", "max", "last")


@dataclass(frozen=True, eq=False)
class TokenizedTexts:
    """Tokens of texts, cut to what the model takes.

    Parameters
    ----------
    ids : list of list of int
        Tokens of each text, special ones included.
    n_truncated : int
        How many texts were longer.
    max_length : int
        Where they were cut.
    """

    ids: list
    n_truncated: int
    max_length: int

    def __len__(self):
        """Number of texts."""
        return len(self.ids)


def longest_input(loaded, max_length=None):
    """Tokens that a model can take.

    Parameters
    ----------
    loaded : LoadedModel
        The model.
    max_length : int, default=None
        What the user wants at most.

    Returns
    -------
    n_tokens : int or None
        None if neither the user nor the model has a limit.
    """
    positions = getattr(loaded.model.config, "max_position_embeddings", None)
    limits = [max_length, positions, loaded.tokenizer.model_max_length]
    # Tokenizers that were told of no limit have one of 1e30.
    limits = [limit for limit in limits if limit is not None and 0 < limit < 1e9]
    return min(limits, default=None)


def tokenize(loaded, texts, max_length=None):
    """Tokens of texts.

    Parameters
    ----------
    loaded : LoadedModel
        The model with its tokenizer.
    texts : list of str
        The texts.
    max_length : int, default=None
        Where to cut, if the model takes as much.

    Returns
    -------
    tokens : TokenizedTexts
        In the order of the texts.
    """
    limit = longest_input(loaded, max_length)
    options = {} if limit is None else {"truncation": True, "max_length": limit}
    encoded = loaded.tokenizer(
        texts,
        return_attention_mask=False,
        return_token_type_ids=False,
        **options,
    )
    ids = encoded["input_ids"]
    return TokenizedTexts(ids, _count_truncated(loaded, texts, encoded, limit), limit)


def warn_truncated(owner, tokens, *, stacklevel=2):
    """Warn of texts that were cut.

    Parameters
    ----------
    owner : str
        Who cuts them.
    tokens : TokenizedTexts
        The tokens of distinct texts.
    stacklevel : int, default=2
        As that of :func:`warnings.warn`, for the caller.
    """
    if tokens.n_truncated:
        warnings.warn(
            f"{owner} cuts texts after {tokens.max_length} tokens. "
            f"{tokens.n_truncated} of {len(tokens)} distinct texts are longer. What "
            "stands behind is not read: raise `max_length`, or split the texts.",
            UserWarning,
            stacklevel=stacklevel + 1,
        )


def _count_truncated(loaded, texts, encoded, limit):
    suspects = [i for i, ids in enumerate(encoded["input_ids"]) if len(ids) == limit]
    if encoded.encodings:
        return sum(bool(encoded.encodings[i].overflowing) for i in suspects)
    whole = [loaded.tokenizer(texts[i], verbose=False)["input_ids"] for i in suspects]
    return sum(len(ids) > limit for ids in whole)


def embed_batches(loaded, tokens, *, pooling="mean", layers=(-1,), batch_size=32):
    """Vectors of texts, a batch of texts of about one length at a time.

    Parameters
    ----------
    loaded : LoadedModel
        The model.
    tokens : TokenizedTexts
        The texts.
    pooling : {"mean", "cls", "max", "last"}, default="mean"
        How the vectors of the tokens become one.
    layers : sequence of int, default=(-1,)
        Positions in the model's hidden states: 0 is the embedding of the tokens, -1
        the last layer.
    batch_size : int, default=32
        Texts of a batch.

    Yields
    ------
    positions : int ndarray of shape (n_batch,)
        Which texts.
    vectors : float32 ndarray of shape (n_layers, n_batch, n_hidden)
        Their vectors.
    """
    lengths = np.array([len(ids) for ids in tokens.ids])
    # The longest first: what does not fit into memory fails at once.
    order = np.argsort(-lengths, kind="stable")
    model = loaded.model
    if getattr(model.config, "is_encoder_decoder", False):
        model = model.get_encoder()
    only_last = all(layer == -1 for layer in layers)
    for start in range(0, len(order), batch_size):
        positions = order[start : start + batch_size]
        inputs = pad([tokens.ids[i] for i in positions], loaded)
        with torch.inference_mode():
            output = model(**inputs, output_hidden_states=not only_last)
            states = [output.last_hidden_state] if only_last else output.hidden_states
            mask = inputs["attention_mask"]
            vectors = torch.stack([POOL[pooling](states[k], mask) for k in layers])
        yield positions, vectors.float().cpu().numpy()


def pad(ids, loaded):
    """Tokens of several texts as the inputs of a model, padded on the right.

    Parameters
    ----------
    ids : list of list of int
        The tokens.
    loaded : LoadedModel
        The model.

    Returns
    -------
    inputs : dict of tensor of shape (n_texts, n_longest)
        `input_ids` and `attention_mask`, on the device of the model.
    """
    # What stands in the padding does not matter, but that it is a token.
    filler = loaded.tokenizer.pad_token_id or 0
    longest = max(map(len, ids))
    padded = np.full((len(ids), longest), filler, dtype=np.int64)
    mask = np.zeros((len(ids), longest), dtype=np.int64)
    for row, tokens in enumerate(ids):
        padded[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return {
        "input_ids": torch.from_numpy(padded).to(loaded.device),
        "attention_mask": torch.from_numpy(mask).to(loaded.device),
    }


def _mean(states, mask):
    weights = mask[:, :, None].to(states.dtype)
    return (states * weights).sum(1).float() / mask.sum(1, keepdim=True).clamp(min=1)


def _max(states, mask):
    return states.masked_fill(mask[:, :, None] == 0, -torch.inf).amax(1)


def _first(states, mask):
    return states[:, 0]


def _last(states, mask):
    return states[torch.arange(len(states)), mask.sum(1) - 1]


POOL = {"mean": _mean, "cls": _first, "max": _max, "last": _last}
