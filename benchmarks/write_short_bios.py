"""Write the bundled data set of short bios: sentences from templates, with known bias.

Run it from the root of the repository: ``python -m benchmarks.write_short_bios``.
"""

import gzip
from pathlib import Path

import numpy as np

N_ROWS = 640
DATA = Path(__file__).parents[1] / "fairsk" / "datasets" / "data"

# Chance that a nurse, and a surgeon, is called "she".
SHE = {"nurse": 0.78, "surgeon": 0.28}
# Chance that a sentence is about the own profession rather than the other one.
TELLING = 0.68
# Chance that praise is in the words that such texts use of the own gender.
TYPICAL = 0.75

PRONOUNS = {
    "she": {
        "They": "She",
        "they": "she",
        "Their": "Her",
        "their": "her",
        "them": "her",
    },
    "he": {"They": "He", "they": "he", "Their": "His", "their": "his", "them": "him"},
}
OPENINGS = [
    "[They] trained in {city} and has worked at the hospital for {years} years.",
    "After school in {city}, [they] joined the clinic {years} years ago.",
    "[Their] first post was in {city}; that was {years} years ago.",
    "Born in {city}, [they] has been with the team for {years} years.",
]
DUTIES = {
    "nurse": [
        "[They] keeps the charts of the ward up to date.",
        "Most nights [they] looks after the patients of the ward.",
        "[They] gives the injections and changes the dressings.",
        "[Their] days begin with the handover of the night shift.",
        "[They] explains the medication to the families.",
        "[They] sits with patients who wait for news.",
    ],
    "surgeon": [
        "[They] plans the operations of the week.",
        "Most mornings [they] stands in the theatre.",
        "[They] repairs joints and sets fractures.",
        "[Their] days begin with the list of operations.",
        "[They] explains the risks of an operation to the families.",
        "[They] teaches students how to suture.",
    ],
}
PRAISE = {
    "she": ["warm", "caring", "patient", "cheerful", "kind"],
    "he": ["confident", "decisive", "ambitious", "brilliant", "calm"],
}
PRAISE_TEMPLATES = [
    "Colleagues call [them] {first} and {second}.",
    "Patients remember [them] as {first} and {second}.",
    "In reviews [they] is described as {first} and {second}.",
]
ENDINGS = [
    "At home [they] plays the {thing} with [their] children.",
    "On Sundays [they] walks along the {place}.",
    "[Their] neighbours know [them] from the {place}.",
    "[They] has two cats and an old {thing}.",
]
CITIES = ["Leeds", "Porto", "Turin", "Lyon", "Graz", "Cork", "Ghent", "Bergen"]
THINGS = ["piano", "guitar", "cello", "accordion"]
PLACES = ["river", "market", "harbour", "library"]


def write_row(rng):
    """One row: text, profession, gender and career stage."""
    profession = rng.choice(["nurse", "surgeon"])
    gender = "she" if rng.random_sample() < SHE[profession] else "he"
    years = rng.randint(2, 36)
    sentences = [
        rng.choice(OPENINGS).format(city=rng.choice(CITIES), years=years),
        *write_duties(rng, profession),
        write_praise(rng, gender),
        rng.choice(ENDINGS).format(thing=rng.choice(THINGS), place=rng.choice(PLACES)),
    ]
    text = " ".join(sentences)
    for neutral, word in PRONOUNS[gender].items():
        text = text.replace(f"[{neutral}]", word)
    return text, profession, gender, "early" if years < 12 else "late"


def write_duties(rng, profession):
    other = {"nurse": "surgeon", "surgeon": "nurse"}[profession]
    used = []
    for _ in range(2):
        source = DUTIES[profession if rng.random_sample() < TELLING else other]
        used.append(
            rng.choice([sentence for sentence in source if sentence not in used])
        )
    return used


def write_praise(rng, gender):
    other = {"she": "he", "he": "she"}[gender]
    words = PRAISE[gender if rng.random_sample() < TYPICAL else other]
    first, second = rng.choice(words, size=2, replace=False)
    return rng.choice(PRAISE_TEMPLATES).format(first=first, second=second)


def table():
    """The file as text."""
    rng = np.random.RandomState(0)
    rows, seen = [], set()
    while len(rows) < N_ROWS:
        row = write_row(rng)
        if row[0] not in seen:
            seen.add(row[0])
            rows.append(row)
    lines = ["text,profession,gender,career_stage"]
    lines += [f'"{text}",{",".join(rest)}' for text, *rest in rows]
    return "\n".join(lines) + "\n"


def main():
    with (
        open(DATA / "short_bios.csv.gz", "wb") as raw,
        gzip.GzipFile("", "wb", 9, raw, mtime=0) as file,
    ):
        file.write(table().encode("utf-8"))


if __name__ == "__main__":
    main()
