"""Measures of the confusion table that are no ratio of two sums of its cells."""

from collections.abc import Callable
from dataclasses import dataclass

from fairsk.definitions._rates import confusion_cells
from fairsk.utils._namespace import as_float, namespace


@dataclass(frozen=True)
class CountFunction:
    """A function of the four cells of the confusion table of a group.

    It has the interface of :class:`Rate`, so it is measured, resampled and displayed
    as one.

    Parameters
    ----------
    name : str
        Name, in the field's standard terms.
    function : callable
        Maps (true_negative, false_positive, false_negative, true_positive), arrays of
        one shape, to an array of that shape, NaN where undefined.
    formula : str, default=""
        The formula in LaTeX, for the documentation.
    per_class : bool, default=True
        Multiclass labels are taken one class against the rest.
    """

    name: str
    function: Callable
    formula: str = ""
    per_class: bool = True

    is_proportion = False

    def values(self, counts, pos_index=None):
        """Value of every group.

        Parameters
        ----------
        counts : array or tensor of shape (..., n_groups, n_classes, n_classes)
            Group counts.
        pos_index : int, default=None
            Class that counts as positive; None gives one value for each class.

        Returns
        -------
        values : array or tensor of shape (..., n_values, n_groups)
            NaN where undefined.
        """
        return self.function(*confusion_cells(as_float(counts), pos_index))

    def null_strata(self, n_classes):
        """One stratum, as of rates that condition on nothing."""
        return [[0] * n_classes] * n_classes


def _ratio(numerator, denominator):
    xp = namespace(denominator)
    nan = xp.full_like(denominator, float("nan"))
    return numerator / xp.where(denominator > 0, denominator, nan)


def _balanced_accuracy(tn, fp, fn, tp):
    return (_ratio(tp, tp + fn) + _ratio(tn, tn + fp)) / 2


def _matthews(tn, fp, fn, tp):
    squares = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return _ratio(tp * tn - fp * fn, squares**0.5)


def _kappa(tn, fp, fn, tp):
    chance = (tp + fp) * (fp + tn) + (tp + fn) * (fn + tn)
    return _ratio(2 * (tp * tn - fn * fp), chance)


def _positive_likelihood(tn, fp, fn, tp):
    return _ratio(_ratio(tp, tp + fn), _ratio(fp, fp + tn))


def _negative_likelihood(tn, fp, fn, tp):
    return _ratio(_ratio(fn, tp + fn), _ratio(tn, fp + tn))


def _benefit(tn, fp, fn, tp):
    """Shares of benefit 1 and 2 (of 0 follows), and the mean of the benefit."""
    total = tn + fp + fn + tp
    one, two = _ratio(tn + tp, total), _ratio(fp, total)
    return one, two, one + 2 * two


def _generalized_entropy(tn, fp, fn, tp):
    one, two, mean = _benefit(tn, fp, fn, tp)
    return (_ratio(one + 4 * two, mean**2) - 1) / 2


def _theil(tn, fp, fn, tp):
    one, two, mean = _benefit(tn, fp, fn, tp)
    # The sum of b/m log(b/m); a benefit of 0 adds nothing.
    positive = namespace(mean).where(mean > 0, mean, mean * float("nan"))
    log_mean = namespace(mean).log(positive)
    return (-one * log_mean + 2 * two * (0.6931471805599453 - log_mean)) / positive


_BENEFIT = r"b_i = 1 + \hat y_i - y_i"

COUNT_FUNCTIONS = {
    function.name: function
    for function in (
        CountFunction(
            "balanced_accuracy",
            _balanced_accuracy,
            r"\tfrac12(\mathrm{TPR}+\mathrm{TNR})",
        ),
        CountFunction(
            "matthews_correlation",
            _matthews,
            r"\frac{TP \cdot TN - FP \cdot FN}"
            r"{\sqrt{(TP+FP)(TP+FN)(TN+FP)(TN+FN)}}",
        ),
        CountFunction(
            "cohen_kappa",
            _kappa,
            r"\frac{2(TP \cdot TN - FN \cdot FP)}{(TP+FP)(FP+TN)+(TP+FN)(FN+TN)}",
        ),
        CountFunction(
            "positive_likelihood_ratio",
            _positive_likelihood,
            r"\mathrm{TPR} / \mathrm{FPR}",
        ),
        CountFunction(
            "negative_likelihood_ratio",
            _negative_likelihood,
            r"\mathrm{FNR} / \mathrm{TNR}",
        ),
        CountFunction(
            "generalized_entropy_index",
            _generalized_entropy,
            rf"\frac{{1}}{{2n}}\sum_i \left[(b_i/\bar b)^2 - 1\right],\; {_BENEFIT}",
        ),
        CountFunction(
            "theil_index",
            _theil,
            rf"\frac1n \sum_i \frac{{b_i}}{{\bar b}}\log\frac{{b_i}}{{\bar b}},"
            rf"\; {_BENEFIT}",
        ),
    )
}
