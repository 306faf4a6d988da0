import json
import os
import shutil
import subprocess
import sys

import pytest
import torch

from fairsk.text import _models
from fairsk.text._models import load_config, load_model, model_fingerprint


def test_model_is_loaded_once_for_each_head_device_and_dtype(tiny_bert):
    first = load_model(tiny_bert)
    assert load_model(tiny_bert, device="cpu", dtype="float32") is first
    assert load_model(tiny_bert, head="masked_lm") is not first
    half = load_model(tiny_bert, dtype=torch.bfloat16)
    assert half.model.dtype == torch.bfloat16
    assert not first.model.training
    _models.clear_models()
    assert load_model(tiny_bert) is not first


def test_fingerprint_is_of_the_contents(tiny_bert, tiny_gpt, tmp_path):
    copy = shutil.copytree(tiny_bert, tmp_path / "copy")
    assert model_fingerprint(copy) == model_fingerprint(tiny_bert)
    assert model_fingerprint(tiny_gpt) != model_fingerprint(tiny_bert)
    with open(copy / "model.safetensors", "r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    assert model_fingerprint(copy) != model_fingerprint(tiny_bert)


def test_directory_without_tokenizer_raises(tiny_bert, tmp_path):
    copy = shutil.copytree(tiny_bert, tmp_path / "copy")
    for path in copy.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"needs the tokenizer.*has none"):
        load_model(copy)


def test_directory_without_model_raises(tiny_bert, tmp_path):
    copy = shutil.copytree(tiny_bert, tmp_path / "copy")
    (copy / "model.safetensors").unlink()
    with pytest.raises(OSError, match="needs a directory that"):
        load_model(copy)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_model(tmp_path / "nothing")


def test_hub_name_while_offline_says_what_to_do(monkeypatch):
    import huggingface_hub
    import transformers

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(
        transformers.utils.hub, "is_offline_mode", lambda: True, raising=False
    )
    with pytest.raises(OSError, match=r"hub cannot be reached.*hf download"):
        load_model("nobody/no-such-model", owner="TextEncoder")


def test_unknown_dtype_raises(tiny_bert):
    for dtype in ("int8", "float7", "nn"):
        with pytest.raises(ValueError, match="floating type"):
            load_model(tiny_bert, dtype=dtype)


def test_absent_device_raises(tiny_bert, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="needs a CUDA device"):
        load_model(tiny_bert, device="cuda")


def test_package_imports_without_transformers():
    code = """
import sys
sys.modules["transformers"] = None
import fairsk.text
from fairsk.text._models import import_transformers
try:
    import_transformers("TextEncoder")
except ImportError as error:
    assert "fairsk[text]" in str(error)
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_configuration_is_read_again_when_it_changes(tiny_bert, tmp_path):
    copy = shutil.copytree(tiny_bert, tmp_path / "copy")
    assert load_config(copy).num_hidden_layers == 2
    path = copy / "config.json"
    config = json.loads(path.read_text()) | {"num_hidden_layers": 1}
    path.write_text(json.dumps(config))
    os.utime(path, (0, 0))  # clocks of file systems may be coarse
    assert load_config(copy).num_hidden_layers == 1
