"""Features and sensitive columns of X, told apart."""

import narwhals.stable.v1 as nw
import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from fairsk.utils._sklearn import _check_feature_names_in, _num_samples

FLOATS = (np.float64, np.float32)


class FeatureSplitMixin:
    """Transformers of numbers that may read their groups from columns of X.

    The columns that `group_by` names are no features: they are left out of the output,
    or pass unchanged where `keep_sensitive` is set.
    """

    _sets_named_columns_apart = True

    def _check_features(self, X, *, reset, **check_params):
        """Numeric features of X, without those that `group_by` names."""
        check_params = {"dtype": FLOATS, **check_params}
        frame = nw.from_native(X, eager_only=True, pass_through=True)
        if not isinstance(frame, nw.DataFrame) or not self._named_columns():
            X = validate_data(self, X, reset=reset, **check_params)
            if reset:
                self._find_positions([str(j) for j in range(X.shape[1])])
            return X if self._all_are_features() else X[:, self._feature_positions]
        validate_data(self, X, reset=reset, skip_check_array=True)
        if reset:
            self._find_positions(frame.columns)
        rest = frame[:, self._feature_positions.tolist()].to_native()
        return check_array(rest, estimator=self, input_name="X", **check_params)

    def _named_columns(self):
        if self.group_by is None or callable(self.group_by):
            return []
        keys = self.group_by
        return list(keys) if isinstance(keys, (list, tuple)) else [keys]

    def _find_positions(self, columns):
        position = {name: j for j, name in enumerate(columns)}
        sensitive = {
            position[key] if key in position else int(key) % len(columns)
            for key in self._named_columns()
            if key in position or isinstance(key, (int, np.integer))
        }
        features = [j for j in range(len(columns)) if j not in sensitive]
        self._feature_positions = np.array(features, dtype=int)
        if not features:
            raise ValueError(
                f"{type(self).__name__} needs a feature besides the sensitive ones. "
                f"Got {len(columns)} feature(s), all named by "
                f"`group_by`={self.group_by!r}."
            )

    def _all_are_features(self):
        return len(self._feature_positions) == self.n_features_in_

    def _give_back(self, X, transformed):
        """The output: the transformed features, and what passes unchanged."""
        if self._all_are_features() or not self.keep_sensitive:
            return transformed
        frame = nw.from_native(X, eager_only=True, pass_through=True)
        output = np.empty((_num_samples(X), self.n_features_in_), transformed.dtype)
        sensitive = np.setdiff1d(
            np.arange(self.n_features_in_), self._feature_positions
        )
        if isinstance(frame, nw.DataFrame):
            X = frame[:, sensitive.tolist()].to_numpy()
            output[:, sensitive] = X
        else:
            output[:, sensitive] = np.asarray(X)[:, sensitive]
        output[:, self._feature_positions] = transformed
        return output

    def get_feature_names_out(self, input_features=None):
        """Names of the output's columns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the input's columns where `fit` saw none.

        Returns
        -------
        feature_names_out : ndarray of str
            Those of the input, without the sensitive columns unless they are kept.
        """
        check_is_fitted(self, "n_features_in_")
        names = _check_feature_names_in(self, input_features)
        return names if self.keep_sensitive else names[self._feature_positions]
