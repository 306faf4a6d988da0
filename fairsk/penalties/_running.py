"""Penalties of sums over samples, averaged over the last batches."""

import torch

from fairsk.penalties._base import Penalty

# Batches that sums reach back: fewer leave noise, more lag behind the network.
DEFAULT_WINDOW = 10


class RunningMean(torch.nn.Module):
    r"""Mean of a statistic over the last batches, in exponential weights.

    It has the gradient of the last batch, :math:`d\bar c = dc`, as if all of the window
    had moved with it.

    Parameters
    ----------
    reach : int, default=1
        Number of batches w; the last one has the weight 1 / w. 1 takes it alone.
    """

    def __init__(self, reach=1):
        super().__init__()
        self.reach = reach
        self._n_seen = 0
        self.register_buffer("mean", None, persistent=False)

    def forward(self, batch):
        """The mean with a batch in it; another shape starts anew."""
        if self.reach == 1:
            return batch
        value = batch.detach()
        if self.mean is None or self.mean.shape != value.shape:
            self.mean, self._n_seen = value.clone(), 0
        self._n_seen += 1
        # The first batches weigh equally: a mean needs no start value.
        weight = max(1 / self._n_seen, 1 / self.reach)
        self.mean.lerp_(value, weight)
        if not batch.requires_grad:
            return self.mean.clone()
        return self.mean + (batch - value)


class WindowedPenalty(Penalty):
    """Base class of penalties that depend on a batch by sums over its samples.

    The sums of several batches add up, so while training they are averaged over a
    window of batches. A subclass writes `_sums` and `_of_sums`.

    Parameters
    ----------
    given : {"y_true"}, int or None, default=None
        What to condition on.
    window : int, default=None
        Number of batches that the sums reach back while training. None leaves it to
        :meth:`plan`: 10, or the number of batches of an epoch if that is smaller;
        without a plan, 1.
    """

    def __init__(self, given=None, window=None):
        super().__init__(given)
        if window is not None and not window >= 1:
            raise ValueError(
                f"{type(self).__name__} needs window >= 1, or None. Got {window!r}."
            )
        self.window = window
        self._running = RunningMean(window or 1)

    def plan(self, n_batches):
        """Say how many batches an epoch has; see :meth:`Penalty.plan`."""
        self._running.reach = self.window or min(DEFAULT_WINDOW, n_batches)
        return self

    def _averaged(self, sums):
        return self._running(sums) if self.training else sums

    def _values(self, y_score, y_true, attribute, weights):
        sums = [self._sums(y_score, y_true, attribute, weight) for weight in weights]
        return [self._of_sums(s) for s in self._averaged(torch.stack(sums)).unbind(0)]

    def _sums(self, y_score, y_true, attribute, sample_weight):
        """Sums over the samples, one tensor."""
        raise NotImplementedError

    def _of_sums(self, sums):
        """Penalty of shape (...) by the sums."""
        raise NotImplementedError


def group_means(sums):
    """Means by the sums of values and of mass, and which groups have mass.

    Parameters
    ----------
    sums : float tensor of shape (..., n_terms + 1, n_groups)
        Sums of each term in each group; the mass comes last.

    Returns
    -------
    means : float tensor of shape (..., n_terms, n_groups)
        0 where a group has no mass.
    defined : bool tensor of shape (..., n_groups)
        Whether it has.
    """
    mass = sums[..., -1, :]
    defined = mass > 0
    means = sums[..., :-1, :] / torch.where(defined, mass, 1.0)[..., None, :]
    return torch.where(defined[..., None, :], means, 0.0), defined
