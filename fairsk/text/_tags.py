"""What scikit-learn is told of estimators that take texts."""


class TextInputMixin:
    """Estimators whose X is one column of texts, as a list, array or Series."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        tags.no_validation = True
        return tags
