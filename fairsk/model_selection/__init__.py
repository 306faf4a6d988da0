"""Choose between models: splits that keep small groups, refits within a limit."""

from fairsk.model_selection._best_within import best_within
from fairsk.model_selection._fair_stratified_k_fold import FairStratifiedKFold

__all__ = ["FairStratifiedKFold", "best_within"]
