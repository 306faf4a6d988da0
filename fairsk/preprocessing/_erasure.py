"""Affine maps after which no linear model finds the concept."""

from dataclasses import dataclass

import numpy as np

# Below this share of the largest, a standard deviation is rounding residue.
_DEAD = 1e-6
# Below this share of the largest, a variance in some direction is rounding residue.
_FLAT = 1e-10
# A smaller covariance with the concept, in standard deviations, is rounding residue.
_TOLD = 1e-9
# A smaller share of the label's variance is noise, whose direction says nothing.
_HARDLY_TOLD = 0.01
_CHUNK = 4096


@dataclass(frozen=True)
class Eraser:
    r"""The map :math:`x \mapsto x - B^T A^T (x - \mu)`, and columns it leaves constant.

    Parameters
    ----------
    mean : ndarray of shape (n_features,)
        The mean, which stays.
    left : ndarray of shape (n_features, rank)
        A: what is read.
    right : ndarray of shape (rank, n_features)
        B: what is taken away for it.
    constant : bool ndarray of shape (n_features,)
        Columns of which nothing but rounding residue is left. They become exactly their
        mean, since a scaler would blow the residue up until it tells the group again.
    """

    mean: np.ndarray
    left: np.ndarray
    right: np.ndarray
    constant: np.ndarray

    def __call__(self, X):
        """Apply the map in two thin products.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        erased : ndarray of shape (n_samples, n_features)
            Of the dtype of X; computed in float64.
        """
        erased = np.empty_like(X, order="C")
        offset = self.mean @ self.left
        for start in range(0, len(X), _CHUNK):
            rows = slice(start, start + _CHUNK)
            chunk = X[rows].astype(np.float64, copy=False)
            erased[rows] = chunk - (chunk @ self.left - offset) @ self.right
        erased[:, self.constant] = self.mean[self.constant]
        return erased

    @property
    def rank(self):
        """Number of directions that are erased."""
        return self.left.shape[1]


def live_columns(covariance, mean, dtype):
    """Columns that vary by more than rounding residue.

    Parameters
    ----------
    covariance : ndarray of shape (n_features, n_features)
        Covariance of the features.
    mean : ndarray of shape (n_features,)
        Their means.
    dtype : dtype
        Of the features as they came.

    Returns
    -------
    live : bool ndarray of shape (n_features,)
        The others are dead.
    """
    std = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    residue = 10 * np.finfo(dtype).eps * np.abs(mean)
    return std > np.maximum(_DEAD * std.max(initial=0.0), residue)


def erase(covariance, cross, mean, *, whiten=True, keep=None, dtype=np.float64):
    r"""The eraser of a cross-covariance.

    With an invertible W and an orthonormal basis U of the columns of
    :math:`W \Sigma_{XZ}`, the map :math:`x - W^{-1} U U^T W (x - \mu)` has no
    covariance with Z left. Of all of them, :math:`W = \Sigma_{XX}^{-1/2}` moves the
    samples least.

    Parameters
    ----------
    covariance : ndarray of shape (n_features, n_features)
        Covariance of the features.
    cross : ndarray of shape (n_features, n_concepts)
        Covariance of features and concept.
    mean : ndarray of shape (n_features,)
        Means of the features.
    whiten : bool, default=True
        Whether to take that W, or the identity.
    keep : ndarray of shape (n_features, n_kept), default=None
        Covariance of the features with what is to be preserved.
    dtype : dtype, default=float64
        Of the features as they came.

    Returns
    -------
    eraser : Eraser
        The map.
    """
    live = live_columns(covariance, mean, dtype)
    space = _whitened(
        covariance, live, [cross] if keep is None else [cross, keep], whiten
    )
    basis = _basis(space.whiten(cross))
    readers = basis
    if keep is not None:
        readers = _oblique(basis, _basis(space.whiten(keep)))
    left = np.zeros((len(mean), basis.shape[1]))
    right = np.zeros((basis.shape[1], len(mean)))
    left[live] = space.inverse_root @ readers
    right[:, live] = (space.root @ basis).T
    remaining = covariance - (covariance @ left) @ right
    remaining -= right.T @ (left.T @ remaining)
    left_std = np.sqrt(np.maximum(np.diag(remaining), 0.0))
    std = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    # Removing all of a column leaves the residue of a difference of equal numbers.
    constant = ~live | (left_std <= max(_DEAD, 100 * np.finfo(dtype).eps) * std)
    return Eraser(mean.copy(), left, right, constant)


def projection(directions, mean, centred, sample_weight):
    """The eraser of given directions.

    Parameters
    ----------
    directions : ndarray of shape (rank, n_features)
        Orthonormal rows.
    mean : ndarray of shape (n_features,)
        Means of the features.
    centred : ndarray of shape (n_samples, n_features)
        The samples about their means.
    sample_weight : ndarray of shape (n_samples,)
        Weights.

    Returns
    -------
    eraser : Eraser
        The map.
    """
    left = centred - (centred @ directions.T) @ directions
    std = np.sqrt(np.average(centred**2, axis=0, weights=sample_weight))
    left_std = np.sqrt(np.average(left**2, axis=0, weights=sample_weight))
    dead = std <= _DEAD * std.max(initial=0.0)
    constant = dead | (left_std <= _DEAD * std)
    return Eraser(mean, directions.T, directions, constant)


def entanglement(covariance, cross, keep, mean, dtype=np.float64):
    """Largest canonical correlation between what is erased and what is kept.

    Parameters
    ----------
    covariance : ndarray of shape (n_features, n_features)
        Covariance of the features.
    cross : ndarray of shape (n_features, n_concepts)
        Covariance of the features with the concept.
    keep : ndarray of shape (n_features, n_columns)
        Covariance of the features with the label, whose columns have variance 1.
    mean : ndarray of shape (n_features,)
        Means of the features.
    dtype : dtype, default=float64
        Of the features as they came.

    Returns
    -------
    cosine : float
        1 where some direction that predicts the label is one that predicts the concept,
        0 where the features hardly predict the label.
    """
    live = live_columns(covariance, mean, dtype)
    space = _whitened(covariance, live, [cross, keep], True)
    of_label = space.whiten(keep)
    told = (of_label**2).sum(axis=0).max(initial=0.0)
    erased, kept = _basis(space.whiten(cross)), _basis(of_label)
    if told < _HARDLY_TOLD or not (erased.size and kept.size):
        return 0.0
    return float(np.linalg.norm(erased.T @ kept, 2))


@dataclass(frozen=True)
class _Space:
    """Coordinates in which the live columns are uncorrelated and of variance 1.

    Parameters
    ----------
    live : bool ndarray of shape (n_features,)
        The columns.
    root, inverse_root : ndarray of shape (n_live, n_coordinates)
        Maps from and, transposed, to the coordinates.
    """

    live: np.ndarray
    root: np.ndarray
    inverse_root: np.ndarray

    def whiten(self, cross):
        return self.inverse_root.T @ cross[self.live]


def _whitened(covariance, live, crosses, whiten):
    if not whiten or not live.any():
        eye = np.eye(int(live.sum()))
        return _Space(live, eye, eye)
    # Units first: standardised columns have the same optimum and a better condition.
    unit = np.sqrt(np.diag(covariance)[live])
    values, vectors = np.linalg.eigh(
        covariance[np.ix_(live, live)] / np.outer(unit, unit)
    )
    # Flat directions get a floor, not a zero: the guarantee holds for any invertible
    # W, and a pseudo-inverse would leave unerased what they tell. Where they tell
    # nothing they are left alone, since the floor would magnify rounding.
    floor = _FLAT * values[-1]
    targets = np.hstack([cross[live] / unit[:, None] for cross in crosses])
    told = np.abs(vectors.T @ targets).max(axis=1, initial=0.0)
    used = (values > floor) | (told > _TOLD)
    values, vectors = np.sqrt(np.maximum(values, floor))[used], vectors[:, used]
    return _Space(
        live, vectors * values * unit[:, None], vectors / values / unit[:, None]
    )


def _basis(matrix):
    """Orthonormal basis of the columns."""
    if not matrix.size:
        return np.zeros((matrix.shape[0], 0))
    left, singular, _ = np.linalg.svd(matrix, full_matrices=False)
    # A concept that is independent in theory still has a covariance of rounding size.
    significant = singular > max(1e-8 * singular[0], 1e-12)
    return left[:, significant]


def _oblique(basis, kept):
    """What reads the coordinates along `basis` and is blind to `kept`."""
    blind = basis - kept @ (kept.T @ basis)
    gram = blind.T @ basis
    return blind @ np.linalg.pinv(gram, rcond=1e-8).T
