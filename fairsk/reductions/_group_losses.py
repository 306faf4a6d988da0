"""Losses of regressors by group, and the constraints on them."""

from dataclasses import dataclass

import numpy as np

from fairsk.definitions import group_losses
from fairsk.reductions._saddle_point import Constraints


@dataclass(frozen=True)
class RegressionGame:
    """Mean loss of regressors, over all samples and in each group.

    Parameters
    ----------
    loss : str
        Name of the loss.
    group_codes : int ndarray of shape (n_samples,)
        Group of each sample.
    y : ndarray of shape (n_samples,)
        The targets.
    sample_weight : ndarray of shape (n_samples,)
        Weights.
    n_groups : int
        Number of groups.
    """

    loss: str
    group_codes: np.ndarray
    y: np.ndarray
    sample_weight: np.ndarray
    n_groups: int

    @property
    def shares(self):
        """Share of each group in the total weight, shape (n_groups,)."""
        mass = np.bincount(
            self.group_codes, self.sample_weight, minlength=self.n_groups
        )
        return mass / mass.sum()

    def evaluate(self, y_pred):
        """Mean loss of each group.

        Parameters
        ----------
        y_pred : float or ndarray of shape (n_samples,)
            Predictions.

        Returns
        -------
        losses : ndarray of shape (n_groups,)
            The losses, 0 for a group without weight.
        """
        losses = group_losses(
            self.loss,
            self.group_codes,
            self.y,
            y_pred,
            self.n_groups,
            self.sample_weight,
        )
        return np.nan_to_num(losses)

    def weigh(self, importance):
        """Weights of the samples when the groups have these shares.

        Parameters
        ----------
        importance : ndarray of shape (n_groups,)
            Share of each group in the total weight.

        Returns
        -------
        sample_weight : ndarray of shape (n_samples,)
            Weights, of the total that `sample_weight` has.
        """
        shares = self.shares
        factor = np.divide(
            importance / importance.sum(),
            shares,
            out=np.zeros(self.n_groups),
            where=shares > 0,
        )
        return factor[self.group_codes] * self.sample_weight


def bounded_loss_constraints(n_groups, upper_bound):
    """No group has a larger loss than the bound.

    Parameters
    ----------
    n_groups : int
        Number of groups.
    upper_bound : float
        The bound.

    Returns
    -------
    constraints : Constraints
        One a group.
    """
    return Constraints(
        on_values=np.eye(n_groups),
        on_free=np.zeros((n_groups, 0)),
        bounds=np.full(n_groups, float(upper_bound)),
        free_cost=np.zeros(0),
        start=np.zeros(n_groups),
    )


def minimax_constraints(shares):
    """The largest loss of a group is what the free variable pays.

    Parameters
    ----------
    shares : ndarray of shape (n_groups,)
        Shares of the groups: the multipliers of the plain fit.

    Returns
    -------
    constraints : Constraints
        One a group.
    """
    return Constraints(
        on_values=np.eye(len(shares)),
        on_free=-np.ones((len(shares), 1)),
        bounds=np.zeros(len(shares)),
        free_cost=np.ones(1),
        start=shares,
    )
