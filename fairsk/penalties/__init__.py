"""Loss terms for torch that grow with the unfairness of the predictions."""

from fairsk.penalties._definition import DefinitionPenalty

__all__ = ["DefinitionPenalty"]
