"""Language models: encode, swap, audit and mend them, inside scikit-learn."""

from fairsk.text._back_translation_augmenter import BackTranslationAugmenter
from fairsk.text._counterfactual_swap import CounterfactualSwap
from fairsk.text._counterfactual_text_augmenter import CounterfactualTextAugmenter
from fairsk.text._fair_transformer_classifier import FairTransformerClassifier
from fairsk.text._identity_term_scrubber import IdentityTermScrubber
from fairsk.text._perturbation_augmenter import PerturbationAugmenter
from fairsk.text._text_encoder import TextEncoder

__all__ = [
    "BackTranslationAugmenter",
    "CounterfactualSwap",
    "CounterfactualTextAugmenter",
    "FairTransformerClassifier",
    "IdentityTermScrubber",
    "PerturbationAugmenter",
    "TextEncoder",
]
