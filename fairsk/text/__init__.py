"""Language models: encode, swap, audit and mend them, inside scikit-learn."""

__all__ = []
