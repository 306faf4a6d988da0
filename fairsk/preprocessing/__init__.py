"""Transformers that take group information out of the features."""

from fairsk.preprocessing._concept_eraser import ConceptEraser, MeanProjection
from fairsk.preprocessing._concept_probe import ConceptProbe
from fairsk.preprocessing._correlation_remover import CorrelationRemover
from fairsk.preprocessing._disparate_impact_remover import DisparateImpactRemover
from fairsk.preprocessing._fair_representation import FairRepresentation
from fairsk.preprocessing._nullspace_projector import NullspaceProjector
from fairsk.preprocessing._optimized_preprocessor import OptimizedPreprocessor
from fairsk.preprocessing._proxy_detector import ProxyDetector

__all__ = [
    "ConceptEraser",
    "ConceptProbe",
    "CorrelationRemover",
    "DisparateImpactRemover",
    "FairRepresentation",
    "MeanProjection",
    "NullspaceProjector",
    "OptimizedPreprocessor",
    "ProxyDetector",
]
