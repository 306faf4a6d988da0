import os
import pickle
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fairsk.text import TextEncoder, _cache
from fairsk.text._models import load_model

TEXTS = [
    "He is a nurse.",
    "She said that the doctor was kind to the boy, and the boy was happy.",
    "women and men",
    "a",
    "The engineer met her mother.",
]


def one_by_one(directory, texts, pooling, layer, max_length=64):
    """Embeddings without batches, padding or masks."""
    loaded = load_model(directory)
    rows = []
    for text in texts:
        ids = loaded.tokenizer(text)["input_ids"][:max_length]
        with torch.no_grad():
            output = loaded.model(torch.tensor([ids]), output_hidden_states=True)
        states = output.hidden_states[layer][0].numpy()
        pooled = {
            "mean": states.mean(0),
            "max": states.max(0),
            "cls": states[0],
            "last": states[-1],
        }
        rows.append(pooled[pooling])
    return np.array(rows)


@pytest.mark.parametrize("pooling", ["mean", "max", "cls", "last"])
@pytest.mark.parametrize("layer", [-1, 0, 1, 2, -2])
@pytest.mark.parametrize("kind", ["tiny_bert", "tiny_gpt"])
def test_embedding_is_that_of_each_text_alone(kind, layer, pooling, request):
    directory = request.getfixturevalue(kind)
    encoder = TextEncoder(
        directory, pooling=pooling, layer=layer, batch_size=2, normalize=False
    )
    expected = one_by_one(directory, TEXTS, pooling, layer)
    np.testing.assert_allclose(
        encoder.fit_transform(TEXTS), expected, rtol=1e-4, atol=1e-5
    )


def test_normalized_embeddings_have_length_one(tiny_bert):
    plain = TextEncoder(tiny_bert, normalize=False).transform(TEXTS)
    scaled = TextEncoder(tiny_bert).transform(TEXTS)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(
        scaled, plain / np.linalg.norm(plain, axis=1, keepdims=True), rtol=1e-5
    )


def test_zero_embedding_stays_zero():
    encoder = TextEncoder(lambda texts: np.zeros((len(texts), 3)))
    np.testing.assert_array_equal(encoder.fit_transform(["a", "b"]), np.zeros((2, 3)))


def test_layers_from_either_end_share_the_cache(tiny_bert):
    first, second = TextEncoder(tiny_bert, layer=2), TextEncoder(tiny_bert, layer=-1)
    assert first._key() == second._key()
    assert first._key() != TextEncoder(tiny_bert, layer=1)._key()


def test_layer_that_is_not_there_raises(tiny_bert):
    for layer in (3, -4):
        with pytest.raises(ValueError, match=r"`layer` from -3 to 2.*Got"):
            TextEncoder(tiny_bert, layer=layer).fit(TEXTS)


def test_bfloat16_is_near_float32(tiny_bert):
    full = TextEncoder(tiny_bert).transform(TEXTS)
    half = TextEncoder(tiny_bert, dtype="bfloat16").transform(TEXTS)
    assert half.dtype == np.float32
    assert (full * half).sum(1).min() > 0.99
    assert not np.array_equal(full, half)


class Counter:
    """A model that counts the texts that it is asked for."""

    def __init__(self, fingerprint):
        self.fingerprint = fingerprint
        self.seen = []

    def __deepcopy__(self, memo):
        return self

    def __call__(self, texts):
        self.seen += texts
        return [[len(text), text.count("e")] for text in texts]


def test_each_distinct_text_is_embedded_once():
    model = Counter("once")
    encoder = TextEncoder(model, batch_size=2, normalize=False)
    X = encoder.fit_transform(TEXTS + TEXTS[::-1])
    assert sorted(model.seen) == sorted(TEXTS)
    np.testing.assert_array_equal(X, X[::-1])
    clone(encoder).set_params(normalize=True).fit_transform(TEXTS)
    encoder.transform([*TEXTS, "new"])
    assert sorted(model.seen) == sorted([*TEXTS, "new"])


def test_without_cache_each_call_embeds_again():
    model = Counter("again")
    encoder = TextEncoder(model, cache=False)
    encoder.transform(TEXTS)
    encoder.transform(TEXTS)
    assert len(model.seen) == 2 * len(TEXTS)


def test_models_do_not_share_embeddings():
    one = TextEncoder(lambda texts: [[1.0]] * len(texts), normalize=False)
    two = TextEncoder(lambda texts: [[2.0]] * len(texts), normalize=False)
    assert one.transform(["a"]) != two.transform(["a"])


def test_closures_do_not_share_embeddings():
    def make(value):
        return lambda texts: np.full((len(texts), 1), value)

    for value in (1.0, 2.0):
        encoder = TextEncoder(make(value), normalize=False)
        assert encoder.transform(["a"]) == value
        assert clone(encoder).transform(["a"]) == value


def test_defaults_tell_functions_apart():
    for value in (1.0, 2.0):
        encoder = TextEncoder(
            lambda texts, value=value: np.full((len(texts), 1), value), normalize=False
        )
        assert encoder.transform(["a"]) == value


def test_directory_outlives_the_process(tmp_path):
    first, second = Counter("disk"), Counter("disk")
    X = TextEncoder(first, cache=tmp_path).transform(TEXTS)
    _cache.forget_embeddings()
    again = TextEncoder(second, cache=str(tmp_path)).transform(TEXTS)
    assert second.seen == []
    np.testing.assert_array_equal(again, X)
    assert not list(tmp_path.glob("**/*.part"))


def test_what_was_embedded_before_a_failure_is_kept(tmp_path):
    model = Counter("failing")

    def failing(texts):
        if "bad" in texts:
            raise ConnectionError("the service is down")
        return model(texts)

    failing.fingerprint = "failing"
    encoder = TextEncoder(failing, batch_size=2, cache=tmp_path)
    with pytest.raises(ConnectionError):
        encoder.transform([*TEXTS, "good", "bad"])
    encoder.set_params(model=model).transform([*TEXTS, "good", "bad"])
    assert model.seen.count(TEXTS[0]) == 1
    assert model.seen.count("bad") == 1


def test_threads_embed_each_text_once():
    model = Counter("threads")
    threads = [
        threading.Thread(target=TextEncoder(model).transform, args=[TEXTS])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(model.seen) == sorted(TEXTS)


def test_a_thread_may_read_a_directory_while_another_adds(tmp_path):
    class SlowDict(dict):
        def setdefault(self, key, value):
            time.sleep(1e-4)  # lets the other thread in, behind the choice of the place
            return super().setdefault(key, value)

    texts = [f"text {i}" for i in range(40)]
    rows = np.arange(40, dtype=np.float32)[:, None]
    _cache.EmbeddingCache(tmp_path).add(texts[:20], rows[:20])
    cache = _cache.EmbeddingCache(tmp_path)
    cache._position = SlowDict()
    threads = [
        threading.Thread(target=cache.add, args=[texts[20:], rows[20:]]),
        threading.Thread(target=cache.missing, args=[texts]),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(cache.get(texts), rows)


def test_processes_share_a_directory(tmp_path):
    code = """
import sys
import numpy as np
from fairsk.text import TextEncoder

def slow(texts):
    with open(sys.argv[1] + "/log", "a") as log:
        log.writelines(text + "\\n" for text in texts)
    return np.ones((len(texts), 2))

slow.fingerprint = "slow"
encoder = TextEncoder(slow, cache=sys.argv[1], batch_size=1)
encoder.transform([f"text {i}" for i in range(50)])
"""
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    both = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path], env=environment)
        for _ in range(2)
    ]
    assert [process.wait() for process in both] == [0, 0]
    lines = (tmp_path / "log").read_text().splitlines()
    assert sorted(lines) == sorted(f"text {i}" for i in range(50))


def test_least_used_embeddings_are_forgotten_first(monkeypatch):
    _cache.forget_embeddings()
    monkeypatch.setattr(_cache, "MAX_BYTES", 100)
    caches = [_cache.get_cache(("kind", i)) for i in range(3)]
    for cache in caches:
        cache.add(["a"], np.ones((1, 20), dtype=np.float32))
    assert _cache.get_cache(("kind", 1)) is caches[1]
    kept = list(_cache._CACHES.values())
    assert [cache in kept for cache in caches] == [False, True, False]
    # A thread that was about to read from one is not cut off.
    np.testing.assert_array_equal(caches[0].get(["a"]), np.ones((1, 20)))


def test_unpicklable_function_needs_a_fingerprint_for_a_directory(tmp_path):
    lock = threading.Lock()

    def model(texts):
        with lock:
            return np.ones((len(texts), 1))

    encoder = TextEncoder(model, cache=tmp_path)
    with pytest.raises(ValueError, match="Give it an attribute `fingerprint`"):
        encoder.transform(TEXTS)
    model.fingerprint = "one"
    assert encoder.transform(TEXTS).shape == (5, 1)


def test_long_texts_are_counted_once(tiny_bert):
    texts = ["one two three four five six seven", "a", "he she " * 40]
    encoder = TextEncoder(tiny_bert, max_length=5, normalize=False)
    with pytest.warns(UserWarning, match="after 5 tokens. 2 of 3 distinct texts"):
        X = encoder.fit_transform(texts)
    encoder.transform(texts)
    tokens = load_model(tiny_bert).tokenizer(texts[2], truncation=True, max_length=5)
    assert len(tokens["input_ids"]) == 5
    np.testing.assert_allclose(
        X[1], one_by_one(tiny_bert, ["a"], "mean", -1)[0], rtol=1e-4
    )


def test_length_is_at_most_that_of_the_model(tiny_bert):
    encoder = TextEncoder(tiny_bert, max_length=512)
    with pytest.warns(UserWarning, match="after 64 tokens. 1 of 1 distinct"):
        encoder.transform(["man " * 100])


def test_function_of_the_wrong_shape_raises():
    for shape in ((5,), (3, 2)):
        encoder = TextEncoder(lambda texts, s=shape: np.ones(s), cache=False)
        with pytest.raises(ValueError, match=r"shape \(n_texts, n_dimensions\). Got"):
            encoder.transform(TEXTS)


def test_empty_text_raises(tiny_bert):
    with pytest.raises(ValueError, match=r"TextEncoder needs .*position 1"):
        TextEncoder(tiny_bert).fit(["a", " "])


def test_clone_and_pickle_hold_no_weights(tiny_bert):
    encoder = TextEncoder(tiny_bert).fit(TEXTS)
    X = encoder.transform(TEXTS)
    pickled = pickle.dumps(encoder)
    assert len(pickled) < 2000
    np.testing.assert_array_equal(pickle.loads(pickled).transform(TEXTS), X)


def test_names_and_frames(tiny_bert):
    encoder = TextEncoder(tiny_bert).set_output(transform="pandas")
    texts = pd.DataFrame({"text": TEXTS}, index=range(10, 15))
    frame = encoder.fit_transform(texts)
    assert list(frame.columns) == [f"textencoder{i}" for i in range(16)]
    assert frame.index.equals(texts.index)


def test_column_of_a_frame_by_column_transformer(tiny_bert):
    frame = pd.DataFrame({"text": TEXTS, "age": [1.0, 2.0, 3.0, 4.0, 5.0]})
    columns = make_column_transformer(
        (TextEncoder(tiny_bert), "text"), (StandardScaler(), ["age"])
    )
    assert make_pipeline(columns).fit_transform(frame).shape == (5, 17)


def test_progress_is_shown_on_demand(tiny_bert, capsys):
    TextEncoder(tiny_bert, cache=False).transform(TEXTS)
    assert capsys.readouterr().err == ""
    TextEncoder(tiny_bert, cache=False, show_progress=True).transform(TEXTS)
    assert "TextEncoder" in capsys.readouterr().err


@pytest.mark.models
def test_real_encoder_finds_what_is_alike(minilm):
    encoder = TextEncoder(minilm)
    X = encoder.fit_transform(["He is a nurse.", "She is a nurse.", "Prices fell."])
    assert encoder.n_dimensions_ == 384
    expected = one_by_one(minilm, ["He is a nurse."], "mean", -1)[0]
    np.testing.assert_allclose(X[0], expected / np.linalg.norm(expected), atol=1e-5)
    cosines = X @ X.T
    assert cosines[0, 1] > 0.5 > 0.2 > cosines[0, 2]
