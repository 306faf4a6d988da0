"""Tokenised texts, their frozen hidden states, and batches of like length."""

import numpy as np
import torch

from fairsk.inprocessing._batches import StratifiedBatches
from fairsk.text._embedding import tokenize, warn_truncated

# Texts of one forward pass without gradients.
_BLOCK_TEXTS = 64


class TokenStore:
    """Tokens of distinct texts, and what a frozen model makes of them.

    Parameters
    ----------
    texts : list of str
        The texts; equal ones are stored once.
    loaded : LoadedModel
        The model, with its tokenizer.
    max_length : int
        Number of tokens after which a text is cut, if the model takes as many.
    owner : str, default="fairsk"
        Who asks, for the warning of texts that are cut.

    Attributes
    ----------
    index : int ndarray of shape (n_texts,)
        Number of the distinct text of each text.
    lengths : int ndarray of shape (n_distinct,)
        Number of tokens of each distinct text.
    """

    def __init__(self, texts, loaded, max_length, owner="fairsk"):
        position = {}
        self.index = np.array([position.setdefault(t, len(position)) for t in texts])
        tokenized = tokenize(loaded, list(position), max_length)
        warn_truncated(owner, tokenized, stacklevel=5)
        self.tokens = [torch.tensor(ids or [0]) for ids in tokenized.ids]
        self.lengths = np.array([len(ids) for ids in self.tokens])
        self.pad_token = loaded.tokenizer.pad_token_id or 0
        self._hidden = None

    def __len__(self):
        return len(self.tokens)

    def keep_hidden(self, frozen, device):
        """Compute once what the frozen part of the model makes of every text.

        Parameters
        ----------
        frozen : Frozen
            The part.
        device : torch.device
            Where to compute.
        """
        kept = [None] * len(self)
        for rows in self.blocks():
            values = frozen(self.pad(rows, device))["inputs_embeds"].cpu()
            for row, value in zip(rows, values):
                # A copy, since a slice would keep the whole block alive.
                kept[row] = value[: self.lengths[row]].clone()
        self._hidden = kept

    def blocks(self):
        """Numbers of the distinct texts, in blocks of like length."""
        return _blocks(np.argsort(-self.lengths, kind="stable"))

    def pad(self, rows, device):
        """Tokens of some texts as one tensor.

        Parameters
        ----------
        rows : int array of shape (n_rows,)
            Numbers of distinct texts.
        device : torch.device
            Where the tensors go.

        Returns
        -------
        inputs : dict of {str: tensor}
            `input_ids` and `attention_mask` of shape (n_rows, n_tokens).
        """
        parts = [self.tokens[row] for row in rows]
        ids = _pad(parts, self.pad_token)
        return {
            "input_ids": ids.to(device),
            "attention_mask": self._mask(rows, ids.shape[1]).to(device),
        }

    def collate(self, rows, device):
        """What the trained part of the model takes for some texts.

        Parameters
        ----------
        rows : int array of shape (n_rows,)
            Numbers of distinct texts.
        device : torch.device
            Where the tensors go.

        Returns
        -------
        inputs : dict of {str: tensor}
            `inputs_embeds` or `input_ids`, and the `attention_mask`.
        """
        if self._hidden is None:
            return self.pad(rows, device)
        hidden = _pad([self._hidden[row] for row in rows], 0.0)
        return {
            "inputs_embeds": hidden.to(device),
            "attention_mask": self._mask(rows, hidden.shape[1]).to(device),
        }

    def _mask(self, rows, n_tokens):
        lengths = torch.from_numpy(self.lengths[rows])
        return (torch.arange(n_tokens) < lengths[:, None]).long()


class VectorStore:
    """Embeddings of distinct texts, where no layer of the model is trained.

    Parameters
    ----------
    texts : list of str
        The texts; equal ones are stored once.
    encoder : TextEncoder
        Makes the embeddings.

    Attributes
    ----------
    index : int ndarray of shape (n_texts,)
        Number of the distinct text of each text.
    """

    def __init__(self, texts, encoder):
        position = {}
        self.index = np.array([position.setdefault(t, len(position)) for t in texts])
        self.vectors = torch.from_numpy(encoder.transform(list(position)))
        self.lengths = np.ones(len(self.vectors))  # none is ever padded

    def __len__(self):
        return len(self.vectors)

    def blocks(self):
        """Numbers of the distinct texts, in blocks."""
        return _blocks(np.arange(len(self)))

    def collate(self, rows, device):
        """Embeddings of some texts, as `pooled`."""
        return {"pooled": self.vectors[rows].to(device)}


def _blocks(order):
    return np.array_split(order, -(-len(order) // _BLOCK_TEXTS))


def _pad(parts, value):
    return torch.nn.utils.rnn.pad_sequence(parts, batch_first=True, padding_value=value)


class LengthBatches(StratifiedBatches):
    """Stratified batches of texts of about equal length, in random order.

    Within each stratum (group and class) the texts are sorted by length, up to noise
    that differs between epochs; the strata are then spread evenly as ever. So a batch
    has its share of every stratum and little padding.

    Parameters
    ----------
    dataset : GroupedDataset
        The samples.
    batch_size : int
        Number of samples of a batch; the last batch may be smaller.
    lengths : int ndarray of shape (n_samples,), default=None
        Number of tokens of each sample; None draws batches of any length.
    noise : float, default=0.2
        Largest relative error of the lengths by which an epoch sorts.
    shuffle, stratify : bool, default=True
        As in StratifiedBatches.
    seed : int, default=0
        Seed of the order of the samples.
    """

    def __init__(
        self,
        dataset,
        batch_size,
        *,
        lengths=None,
        noise=0.2,
        shuffle=True,
        stratify=True,
        seed=0,
    ):
        super().__init__(
            dataset, batch_size, shuffle=shuffle, stratify=stratify, seed=seed
        )
        self.noise = noise
        self.lengths = None if lengths is None else torch.as_tensor(lengths).float()

    def draw_order(self):
        """Rows of the data set in the order of the next epoch."""
        if self.lengths is None:
            return super().draw_order()
        generator = self._generator
        drawn = torch.rand(len(self.lengths), generator=generator)
        keys = self.lengths[self._rows] * (1 + self.noise * (2 * drawn - 1))
        permuted = torch.cat(
            [
                keys[start : start + size].argsort() + start
                for start, size in zip(self._sizes.cumsum() - self._sizes, self._sizes)
            ]
        )
        batches = self._rows[permuted[self._pattern]].split(self.batch_size)
        # The short last batch stays last: elsewhere it would shift the others.
        full = [batch for batch in batches if len(batch) == self.batch_size]
        order = torch.randperm(len(full), generator=generator).tolist()
        return torch.cat([full[i] for i in order] + list(batches[len(full) :]))
