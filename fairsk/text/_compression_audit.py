"""What a smaller version of a model does to each group."""

from dataclasses import dataclass, field

import numpy as np

from fairsk.groups import Groups
from fairsk.metrics import GroupMetrics, group_metrics
from fairsk.utils._sklearn import validate_params


@dataclass(frozen=True)
class CompressionResult:
    """What one version decides, beside the original.

    Parameters
    ----------
    name : str
        The version.
    metrics : GroupMetrics
        The metrics of every group.
    changed : float
        Share of the decisions that differ from those of the original.
    changed_by_group : dict of {label: float}
        The same share in each group.
    """

    name: str
    metrics: GroupMetrics = field(repr=False)
    changed: float
    changed_by_group: dict


class CompressionAudit:
    """Compare versions of a model group by group.

    Compression is judged by accuracy, which can stay while the decisions about a small
    group change. The audit measures every group's metrics for each version, and the
    share of its decisions that are no longer those of the original.

    Parameters
    ----------
    versions : dict of {str: fitted classifier or callable}
        The versions by name, the original first: classifiers with `predict`, such as
        those of :func:`compress`, pipelines whose encoder has another `dtype` or whose
        embeddings go through a PCA; or functions that return decisions.
    metrics : str, callable, list or dict, \
            default=("selection_rate", "true_positive_rate", "accuracy")
        The metrics, as :func:`~fairsk.metrics.group_metrics` takes them.

    See Also
    --------
    compress : Makes versions of a fine-tuned classifier.

    References
    ----------
    Hooker, Moorosi, Clark, Bengio & Denton (2020). Characterising bias in compressed
    models.

    Examples
    --------
    >>> from fairsk.text import CompressionAudit
    >>> audit = CompressionAudit(
    ...     {
    ...         "original": lambda X: [1, 1, 0, 1],
    ...         "small": lambda X: [1, 1, 0, 0],
    ...     },
    ...     metrics="selection_rate",
    ... )
    >>> results = audit.run(list("abcd"), [1, 1, 0, 1], sensitive_features=list("ffmm"))
    >>> results["small"].changed, results["small"].changed_by_group
    (0.25, {'f': 0.0, 'm': 0.5})
    """

    @validate_params(
        {"versions": [dict], "metrics": [str, callable, list, tuple, dict]},
        prefer_skip_nested_validation=True,
    )
    def __init__(
        self, versions, *, metrics=("selection_rate", "true_positive_rate", "accuracy")
    ):
        self.versions = versions
        self.metrics = metrics

    def run(self, X, y_true, *, sensitive_features):
        """Let every version decide, and compare.

        Parameters
        ----------
        X : array-like, DataFrame or texts of shape (n_samples,)
            The samples.
        y_true : array-like of shape (n_samples,)
            The labels.
        sensitive_features : array-like, Series, DataFrame or dict
            The groups.

        Returns
        -------
        results : dict of {str: CompressionResult}
            By version, in order.
        """
        owner = type(self).__name__
        if not self.versions:
            raise ValueError(f"{owner} needs at least one version. Got none.")
        groups = Groups.from_columns(sensitive_features, owner=owner)
        metrics = (
            list(self.metrics) if isinstance(self.metrics, tuple) else self.metrics
        )
        original, results = None, {}
        for name, version in self.versions.items():
            y_pred = np.asarray(getattr(version, "predict", version)(X))
            if y_pred.shape != (len(groups),):
                raise ValueError(
                    f"{owner} needs one decision for each sample. {name!r} returned "
                    f"shape {y_pred.shape} for {len(groups)} samples."
                )
            original = y_pred if original is None else original
            results[name] = self._compare(
                name, metrics, y_true, y_pred, y_pred != original, groups
            )
        return results

    def _compare(self, name, metrics, y_true, y_pred, changed, groups):
        shares = {
            label: float(changed[groups.codes == code].mean())
            for code, label in enumerate(groups.labels)
        }
        found = group_metrics(metrics, y_true, y_pred, sensitive_features=groups)
        return CompressionResult(name, found, float(changed.mean()), shares)
