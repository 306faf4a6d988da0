"""How groups reach an estimator: as metadata, or read from X."""

import warnings

from sklearn.utils.validation import check_is_fitted

from fairsk.groups import Groups, SingleGroupWarning, read_columns
from fairsk.utils._sklearn import _num_samples


def read_groups(X, sensitive_features, group_by, *, missing="error", owner):
    """Groups of the samples of X, from metadata or else from X itself.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features)
        The raw data.
    sensitive_features : array-like, Series, DataFrame, dict or None
        The metadata, which wins over `group_by`.
    group_by : str, int, list of str or int, callable or None
        Column name(s) or position(s), or a function of X.
    missing : {"error", "code"}, default="error"
        What to do with samples that miss a value: raise, or give them the code -1.
    owner : str
        Who asks, for the error messages.

    Returns
    -------
    groups : Groups
        Groups of length n_samples.
    """
    if sensitive_features is None:
        if group_by is None:
            raise ValueError(
                f"{owner} needs the group of each sample. Got neither metadata nor "
                "`group_by`. Pass `sensitive_features`, or set `group_by` to read "
                "it from X."
            )
        sensitive_features = read_columns(X, group_by, owner=owner)
    groups = Groups.from_columns(sensitive_features, missing=missing, owner=owner)
    n_samples = _num_samples(X)
    if len(groups) != n_samples:
        raise ValueError(
            f"{owner} needs one group per sample. Got {len(groups)} groups for "
            f"{n_samples} samples. Pass `sensitive_features` of the rows of X."
        )
    return groups


class GroupAwareMixin:
    """Mixin for estimators that compare groups of samples.

    The groups come from the metadata `sensitive_features` of a method, or, where that
    is None, from the constructor parameter `group_by`, which names columns of X or is a
    function of X. Metadata wins where both are there.

    Subclasses have a parameter `group_by`, take `sensitive_features` in `fit` (and in
    every other method that needs groups, which then stands in a class attribute
    ``__metadata_request__<method> = {"sensitive_features": True}``), and call
    :meth:`_check_groups` on the raw X after `validate_data`.
    """

    __metadata_request__fit = {"sensitive_features": True}

    def _check_groups(
        self, X, sensitive_features=None, *, reset=True, unseen="error", extend=False
    ):
        """Groups of the samples of X.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The raw data.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The metadata.
        reset : bool, default=True
            Whether to learn the groups (`fit`: sets `group_labels_` and
            `group_names_in_`) or to code them as `fit` did.
        unseen : {"error", "code"}, default="error"
            With ``reset=False``, what to do with groups that `fit` did not see, and
            with missing ones.
        extend : bool, default=False
            With ``reset=False``, append unseen groups to `group_labels_`
            (`partial_fit`).

        Returns
        -------
        groups : Groups
            Groups of length n_samples.
        """
        missing = "error" if reset else unseen
        groups = self._read_groups(X, sensitive_features, missing)
        if reset:
            self.group_labels_ = list(groups.labels)
            self.group_names_in_ = list(groups.names)
            self._warn_single_group(groups)
            return groups
        check_is_fitted(self, "group_labels_")
        if len(groups.names) != len(self.group_names_in_):
            raise ValueError(
                f"{type(self).__name__} needs the {len(self.group_names_in_)} "
                f"sensitive feature(s) of fit: {self.group_names_in_}. Got "
                f"{len(groups.names)}: {groups.names}."
            )
        if extend:
            known = set(self.group_labels_)
            self.group_labels_ += [g for g in groups.labels if g not in known]
        return groups.recode(
            self.group_labels_, unseen=unseen, owner=type(self).__name__
        )

    def _read_groups(self, X, sensitive_features, missing="error"):
        return read_groups(
            X,
            sensitive_features,
            self.group_by,
            missing=missing,
            owner=type(self).__name__,
        )

    def _warn_single_group(self, groups):
        if groups.n_groups == 1:
            warnings.warn(
                f"{type(self).__name__} needs two groups to compare. All samples are "
                f"of the group {groups.labels[0]!r}: nothing is mitigated.",
                SingleGroupWarning,
                stacklevel=4,
            )
