"""Language models: encode, swap, audit and mend them, inside scikit-learn."""

from fairsk.text._counterfactual_swap import CounterfactualSwap
from fairsk.text._fair_transformer_classifier import FairTransformerClassifier
from fairsk.text._text_encoder import TextEncoder

__all__ = ["CounterfactualSwap", "FairTransformerClassifier", "TextEncoder"]
