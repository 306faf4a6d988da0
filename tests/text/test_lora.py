import pytest
import torch
from transformers.pytorch_utils import Conv1D

from fairsk.text._lora import LoraLinear, add_lora


@pytest.fixture(params=["linear", "conv1d"])
def base(request):
    torch.manual_seed(0)
    return torch.nn.Linear(6, 4) if request.param == "linear" else Conv1D(4, 6)


def test_an_update_starts_at_zero(base):
    x = torch.randn(5, 6)
    expected = base(x)
    torch.testing.assert_close(LoraLinear(base, 2, 16.0)(x), expected)


def test_an_update_of_rank_r_merges_exactly(base):
    x = torch.randn(5, 6)
    before = base.weight.detach().clone()
    layer = LoraLinear(base, 2, 16.0)
    torch.nn.init.normal_(layer.up)
    expected = layer(x).detach()
    merged = layer.merge()
    torch.testing.assert_close(merged(x), expected)
    update = (merged.weight - before).detach()
    assert torch.linalg.matrix_rank(update) == 2
    dense = 8.0 * layer.up @ layer.down
    torch.testing.assert_close(update, (dense.T if layer.is_transposed else dense))


def test_only_updates_train(base):
    net = torch.nn.ModuleDict({"query": base, "other": torch.nn.Linear(4, 4)})
    assert add_lora(net, 2, 16.0) == 1
    trained = {name for name, p in net.named_parameters() if p.requires_grad}
    assert trained == {"query.down", "query.up"}
