"""Embeddings by text, in memory and in a directory that processes share."""

import contextlib
import hashlib
import os
import threading
import uuid
from collections import OrderedDict
from pathlib import Path

import numpy as np
from filelock import FileLock

# Of all caches of the process together; of what is used least, most is forgotten.
MAX_BYTES = 2 * 1024**3

_CACHES = OrderedDict()
_LOCK = threading.RLock()


def get_cache(key, directory=None):
    """The cache of the process for one kind of embedding.

    Parameters
    ----------
    key : tuple
        All that the embedding of a text depends on, besides the text.
    directory : str, path or None, default=None
        Where to keep the embeddings, too.

    Returns
    -------
    cache : EmbeddingCache
        The same object whenever the same is asked for.
    """
    if directory is not None:
        name = hashlib.blake2b(repr(key).encode(), digest_size=16).hexdigest()
        directory = Path(directory).expanduser().resolve() / name
    with _LOCK:
        cache = _CACHES.setdefault((key, directory), EmbeddingCache(directory))
        _CACHES.move_to_end((key, directory))
        # Who holds one that is let go reads on; the next to ask gets an empty one.
        while len(_CACHES) > 1 and sum(c.n_bytes for c in _CACHES.values()) > MAX_BYTES:
            _CACHES.popitem(last=False)
        return cache


def forget_embeddings():
    """Forget all embeddings that are kept in memory."""
    with _LOCK:
        _CACHES.clear()


class EmbeddingCache:
    """Embeddings of texts, all made in one way.

    In a directory they lie in files that are written once and never changed: whoever
    reads sees whole files only.

    Parameters
    ----------
    directory : Path, default=None
        Where to keep them; None for memory only.
    """

    def __init__(self, directory=None):
        self.directory = directory
        self._guard = threading.RLock()  # held while texts are embedded
        self._state = threading.RLock()  # held while what is below is read or changed
        self._position = {}
        self._rows = None
        self._read = set()

    @property
    def n_bytes(self):
        """Memory of the embeddings."""
        return 0 if self._rows is None else self._rows.nbytes

    @contextlib.contextmanager
    def exclusive(self):
        """Keep other threads, and processes with the same directory, out."""
        with self._guard:
            if self.directory is None:
                yield
                return
            self.directory.mkdir(parents=True, exist_ok=True)
            with FileLock(self.directory / "lock"):
                yield

    def missing(self, texts):
        """Distinct texts that have no embedding yet, in their order.

        Parameters
        ----------
        texts : list of str
            The texts.

        Returns
        -------
        missing : list of str
            Those to embed.
        """
        with self._state:
            absent = self._absent(texts)
            if absent and self.directory is not None:
                self._read_new_files()
                absent = self._absent(texts)
            return absent

    def add(self, texts, rows):
        """Keep embeddings.

        Parameters
        ----------
        texts : list of str
            Distinct texts.
        rows : float32 ndarray of shape (n_texts, n_dimensions)
            Their embeddings.
        """
        keys = [_key(text) for text in texts]
        with self._state:
            self._remember(keys, rows)
        if self.directory is None or not keys:
            return
        name = f"{uuid.uuid4().hex}.npz"
        unfinished = self.directory / f"{name}.part"
        with open(unfinished, "wb") as file:
            np.savez(file, keys=np.frombuffer(b"".join(keys), np.uint8), rows=rows)
        os.replace(unfinished, self.directory / name)
        self._read.add(name)

    def get(self, texts):
        """Embeddings of texts that are known.

        Parameters
        ----------
        texts : list of str
            The texts.

        Returns
        -------
        rows : float32 ndarray of shape (n_texts, n_dimensions)
            A copy.
        """
        keys = [_key(text) for text in texts]
        with self._state:
            return self._rows[[self._position[key] for key in keys]]

    def _absent(self, texts):
        return [t for t in dict.fromkeys(texts) if _key(t) not in self._position]

    def _remember(self, keys, rows):
        n_known = len(self._position)
        n_needed = n_known + len(keys)
        if self._rows is None or n_needed > len(self._rows):
            # Room for twice as many, so that rows are not copied with every batch.
            grown = np.empty((max(n_needed, 2 * n_known), rows.shape[1]), np.float32)
            if n_known:
                grown[:n_known] = self._rows[:n_known]
            self._rows = grown
        for key, row in zip(keys, rows):
            position = self._position.setdefault(key, len(self._position))
            self._rows[position] = row

    def _read_new_files(self):
        if not self.directory.is_dir():
            return
        for path in sorted(self.directory.glob("*.npz")):
            if path.name not in self._read:
                with np.load(path) as stored:
                    raw, rows = stored["keys"].tobytes(), stored["rows"]
                size = len(raw) // len(rows)
                keys = [raw[i : i + size] for i in range(0, len(raw), size)]
                self._remember(keys, rows)
                self._read.add(path.name)


def _key(text):
    return hashlib.blake2b(
        text.encode("utf-8", "surrogatepass"), digest_size=16
    ).digest()
