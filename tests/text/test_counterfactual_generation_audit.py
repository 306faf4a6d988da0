from itertools import product

import numpy as np
import pytest

from fairsk.text import CounterfactualGenerationAudit, CounterfactualSwap

PROMPTS = ["He is", "She was", "The man is", "It is", "Her work is"]
SCORES = {
    "He is": 0.9, "She is": 0.2, "She was": 0.4, "He was": 0.3, "The man is": 0.5,
    "The woman is": 0.7, "Her work is": 0.1, "His work is": 0.8,
}  # fmt: skip


def make(**params):
    return CounterfactualGenerationAudit(
        **{
            "generate": list,
            "score": lambda texts: [SCORES[t] for t in texts],
            "counterfactual": CounterfactualSwap(),
            "random_state": 0,
            **params,
        }
    )


def test_differences_are_those_of_the_pairs():
    result = make(threshold=0.5).run(PROMPTS)
    expected = [0.7, 0.1, -0.2, -0.7]
    np.testing.assert_allclose(result.differences, expected)
    assert result.mean_difference == pytest.approx(np.mean(expected))
    assert result.mean_absolute_difference == pytest.approx(1.7 / 4)
    assert result.flip_rate == 0.5
    assert result.coverage == 0.8
    assert result.counterfactual_texts[0] == ["She is"]


def test_p_value_comes_near_that_of_all_signs():
    generated = {**SCORES, "She is": 0.0, "He was": 0.1}
    audit = make(score=lambda texts: [generated[t] for t in texts])
    prompts = ["He is", "She was", "The woman is"]
    result = audit.run(prompts)
    d = result.differences
    means = [np.dot(d, signs) / 3 for signs in product([-1, 1], repeat=3)]
    exact = np.mean(np.abs(means) >= abs(d.mean()) - 1e-12)
    assert result.p_value == pytest.approx(exact, abs=0.02)
    low, high = result.interval
    assert d.min() <= low <= d.mean() <= high <= d.max()


def test_several_samples_are_averaged(rng):
    draws = []

    def generate(prompts):
        draws.extend(prompts)
        return [str(rng.normal()) for _ in prompts]

    audit = make(generate=generate, score=lambda ts: [float(t) for t in ts])
    audit.n_samples = 5
    result = audit.run(PROMPTS)
    assert len(draws) == 2 * 4 * 5
    own = [np.mean([float(t) for t in row]) for row in result.texts]
    other = [np.mean([float(t) for t in row]) for row in result.counterfactual_texts]
    np.testing.assert_allclose(result.differences, np.subtract(own, other))


def test_bad_callables_raise():
    with pytest.raises(ValueError, match="changes none of 1"):
        make().run(["It is"])
    with pytest.raises(ValueError, match="returned 1 for 8 prompts"):
        make(generate=lambda prompts: prompts[:1]).run(PROMPTS)
    with pytest.raises(ValueError, match=r"shape \(1,\) for 8 texts"):
        make(score=lambda texts: [1.0]).run(PROMPTS)
    with pytest.raises(ValueError, match="Got 1 for 5 texts"):
        make(counterfactual=lambda texts: texts[:1]).run(PROMPTS)
