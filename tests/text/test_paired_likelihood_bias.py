import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from fairsk.text import PairedLikelihoodBias
from fairsk.text._likelihood import shared_positions
from fairsk.text._models import load_model

MORE = ["he is a doctor", "she is a nurse and kind", "the man worked"]
LESS = ["she is a doctor", "he is a nurse and kind", "the woman worked"]


def log_probabilities(model, ids):
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1).numpy()


def masked_one_by_one(loaded, ids, positions):
    total = 0.0
    for p in positions:
        masked = list(ids)
        masked[p] = loaded.tokenizer.mask_token_id
        total += log_probabilities(loaded.model, masked)[p, ids[p]]
    return total


def test_pseudo_likelihood_masks_the_shared_tokens_one_by_one(tiny_bert):
    loaded = load_model(tiny_bert, head="masked_lm")
    result = PairedLikelihoodBias(tiny_bert, device="cpu").run(MORE, LESS)
    for i, (more, less) in enumerate(zip(MORE, LESS)):
        first, second = (loaded.tokenizer(t)["input_ids"] for t in (more, less))
        # The pairs differ in one word, which is one token.
        shared = [p for p in range(1, len(first) - 1) if first[p] == second[p]]
        assert len(shared) == len(first) - 3
        expected = masked_one_by_one(loaded, first, shared)
        assert result.stereotypical[i] == pytest.approx(expected, abs=1e-4)
        expected = masked_one_by_one(loaded, second, shared)
        assert result.anti_stereotypical[i] == pytest.approx(expected, abs=1e-4)


def test_unmasked_likelihood_is_the_mean_over_plain_tokens(tiny_bert):
    loaded = load_model(tiny_bert, head="masked_lm")
    audit = PairedLikelihoodBias(tiny_bert, method="unmasked", device="cpu")
    result = audit.run(MORE, LESS)
    for text, score in zip(MORE, result.stereotypical):
        ids = loaded.tokenizer(text)["input_ids"]
        rows = log_probabilities(loaded.model, ids)
        expected = np.mean([rows[p, ids[p]] for p in range(1, len(ids) - 1)])
        assert score == pytest.approx(expected, abs=1e-4)


def test_causal_likelihood_is_the_loss_of_the_model(tiny_gpt):
    loaded = load_model(tiny_gpt, head="causal_lm")
    audit = PairedLikelihoodBias(tiny_gpt, method="causal", device="cpu")
    result = audit.run(MORE, LESS)
    for text, score in zip(LESS, result.anti_stereotypical):
        ids = torch.tensor([[2, *loaded.tokenizer(text)["input_ids"]]])
        with torch.no_grad():
            loss = loaded.model(input_ids=ids, labels=ids).loss
        assert score == pytest.approx(-loss.item() * (ids.shape[1] - 1), abs=1e-3)


def test_shares_and_intervals_by_category():
    scores = {"a": 2.0, "b": 1.0, "c": 1.0}
    audit = PairedLikelihoodBias(lambda texts: [scores[t] for t in texts])
    result = audit.run(["a", "b", "b", "a"], ["b", "a", "c", "c"], list("xxyy"))
    assert result.overall.score == pytest.approx((1 + 0 + 0.5 + 1) / 4)
    assert result.by_category["x"].score == 0.5
    assert result.by_category["y"].score == 0.75
    assert result.by_category["y"].n_pairs == 2
    expected = binomtest(1, 2).proportion_ci(method="wilson")
    assert result.by_category["x"].interval == pytest.approx(tuple(expected))


def test_shared_positions_are_those_of_equal_tokens():
    first, second = [1, 5, 6, 7, 2], [1, 6, 9, 9, 7, 2]
    one, other = shared_positions(first, second)
    assert [first[p] for p in one] == [second[p] for p in other] == [1, 6, 7, 2]


def test_bad_input_raises(tiny_gpt):
    audit = PairedLikelihoodBias(len)
    with pytest.raises(ValueError, match="Got 2 and 1 texts"):
        audit.run(["a", "b"], ["c"])
    with pytest.raises(ValueError, match=r"mask token.*method='causal'"):
        PairedLikelihoodBias(tiny_gpt, device="cpu").run(MORE, LESS)


@pytest.mark.parametrize("scores", [[1.0, 2.0], [1.0, 2.0, 3.0, np.nan]])
def test_function_that_lacks_scores_raises(scores):
    with pytest.raises(ValueError, match="a number for each text"):
        PairedLikelihoodBias(lambda texts: scores).run(["a", "b"], ["c", "d"])
