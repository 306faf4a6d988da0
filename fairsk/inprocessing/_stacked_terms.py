"""Loss terms of stacked networks: those of each member, as it would have them alone."""

import copy
from dataclasses import dataclass

import torch
from torch.func import functional_call


@dataclass
class MemberTerms:
    """What a member adds to its loss.

    Parameters
    ----------
    terms : list of LossTerm
        The terms, prepared for its data.
    criterion : PenalizedLoss
        Its objective, for the meaning of outputs.
    generator_state : tensor
        State of torch's generator, which goes on from batch to batch.
    """

    terms: list
    criterion: object
    generator_state: torch.Tensor

    def __call__(self, respond, samples, y_true, y_pred):
        """Sum of the terms on a batch."""
        torch.set_rng_state(self.generator_state)
        added = y_pred.new_zeros(())
        for term in self.terms:
            added = added + term(respond, self.criterion, samples, y_true, y_pred)
        self.generator_state = torch.get_rng_state()
        return added


class StackedTerms:
    """Loss terms of all members, one member after the other.

    An attack moves each member's samples elsewhere, so that members share no input that
    could be read once. Each draws what it would draw alone.

    Parameters
    ----------
    module : torch.nn.Module
        The network that all members are copies of.
    members : list of MemberTerms
        In the order of the members.
    """

    def __init__(self, module, members):
        self.module = module
        self.members = members

    def __call__(self, stack, logits, batches, ramp):
        """What each member adds to its loss of a batch.

        Parameters
        ----------
        stack : StackedPerceptron or StackedModule
            The members.
        logits : float tensor of shape (F, L, B, C)
            What they return for the batches.
        batches : list of length F
            A batch of each fold.
        ramp : float
            Share of the weights that a warm-up has reached.

        Returns
        -------
        added : float tensor of shape (F, L)
            Sums of the terms.
        """
        n_weights, added = logits.shape[1], []
        rows = zip(self.members, stack.unstacked(), logits.flatten(0, 1).unbind())
        with torch.random.fork_rng([]):
            for k, (member, parameters, outputs) in enumerate(rows):
                samples, y_true = batches[k // n_weights]
                member.criterion.ramp = ramp

                def respond(X, parameters=parameters):
                    buffers = dict(self.module.named_buffers())
                    kept = {name: b.clone() for name, b in buffers.items()}
                    return functional_call(self.module, parameters | kept, (X,))

                y_pred = outputs[: len(y_true)]
                added.append(member(respond, samples, y_true, y_pred))
        return torch.stack(added).view(logits.shape[:2])


def member_terms(member, fold, criterion, generator_state):
    """The terms of a member.

    Parameters
    ----------
    member : FairMLPClassifier or FairNetClassifier
        The estimator that would train it alone.
    fold : Fold
        Its data.
    criterion : PenalizedLoss
        The objective of a net of this kind.
    generator_state : tensor
        State of torch's generator before training.

    Returns
    -------
    terms : MemberTerms
        The terms, with an objective of their own.
    """
    criterion = copy.copy(criterion)
    criterion.fairness_weight = float(member.fairness_weight)
    criterion.class_weight = fold.class_weight
    terms = member._loss_terms(fold.batches.dataset)
    return MemberTerms(terms, criterion, generator_state)
