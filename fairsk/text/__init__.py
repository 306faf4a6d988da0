"""Language models: encode, swap, audit and mend them, inside scikit-learn."""

from fairsk.text._association_test import AssociationTest, AssociationTestResult
from fairsk.text._back_translation_augmenter import BackTranslationAugmenter
from fairsk.text._benchmark_scores import (
    BBQScores,
    StereoSetScores,
    bbq_scores,
    stereoset_scores,
)
from fairsk.text._compression import compress
from fairsk.text._compression_audit import CompressionAudit, CompressionResult
from fairsk.text._counterfactual_eraser import CounterfactualEraser
from fairsk.text._counterfactual_generation_audit import (
    CounterfactualGenerationAudit,
    CounterfactualGenerationResult,
)
from fairsk.text._counterfactual_swap import CounterfactualSwap
from fairsk.text._counterfactual_text_augmenter import CounterfactualTextAugmenter
from fairsk.text._fair_transformer_classifier import FairTransformerClassifier
from fairsk.text._group_term_attribution import (
    GroupTermAttribution,
    GroupTermResult,
    TermAttribution,
)
from fairsk.text._hard_debias import HardDebias
from fairsk.text._identity_term_scrubber import IdentityTermScrubber
from fairsk.text._layerwise_probe import LayerwiseProbe
from fairsk.text._paired_likelihood_bias import (
    PairedLikelihoodBias,
    PairedLikelihoodResult,
    PreferenceShare,
)
from fairsk.text._perturbation_augmenter import PerturbationAugmenter
from fairsk.text._text_encoder import TextEncoder
from fairsk.text._zero_shot_classifier import ZeroShotClassifier

__all__ = [
    "AssociationTest",
    "AssociationTestResult",
    "BBQScores",
    "BackTranslationAugmenter",
    "CompressionAudit",
    "CompressionResult",
    "CounterfactualEraser",
    "CounterfactualGenerationAudit",
    "CounterfactualGenerationResult",
    "CounterfactualSwap",
    "CounterfactualTextAugmenter",
    "FairTransformerClassifier",
    "GroupTermAttribution",
    "GroupTermResult",
    "HardDebias",
    "IdentityTermScrubber",
    "LayerwiseProbe",
    "PairedLikelihoodBias",
    "PairedLikelihoodResult",
    "PerturbationAugmenter",
    "PreferenceShare",
    "StereoSetScores",
    "TermAttribution",
    "TextEncoder",
    "ZeroShotClassifier",
    "bbq_scores",
    "compress",
    "stereoset_scores",
]
