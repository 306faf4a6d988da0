"""Coverage of the 95 % intervals, over base rates and group sizes."""

import warnings

import numpy as np

from benchmarks.objective import Bar, Entry
from fairsk.definitions import UndefinedRateWarning
from fairsk.metrics import GroupMetrics, OutcomeCounts

BASE_RATES = (0.02, 0.05, 0.1, 0.2, 0.5)
GROUP_SIZES = (50, 200, 1000, 5000)
OF_GROUPS = ("wilson", "bca", "percentile", "delta")
OF_DIFFERENCES = ("newcombe", "bca", "percentile", "delta")
# The rate of the second group is larger by this share: the difference has a sign.
GAP = 0.5
# They take longer, so they see a fifth of the data sets.
BOOTSTRAPS = ("bca", "percentile")


def _run(n_repeats, context):
    rows = []
    for base_rate in BASE_RATES:
        for size in GROUP_SIZES:
            row = {"base rate": base_rate, "group size": size}
            row |= _coverage(base_rate, size, n_repeats)
            rows.append({"case": "coverage"} | row)
    return rows


def _coverage(base_rate, size, n_repeats):
    """Share of the simulated data sets whose interval holds the truth."""
    rng = np.random.default_rng(0)
    rates = np.array([base_rate, min(base_rate * (1 + GAP), 1.0)])
    inside = {}
    for repeat in range(n_repeats):
        # Rows are drawn at random, so the groups' sizes are random, too.
        sizes = rng.multinomial(2 * size, [0.5, 0.5])
        hits = rng.binomial(sizes, rates)
        table = np.zeros((1, 2, 2, 2), dtype=int)
        table[0, :, 1, 1], table[0, :, 1, 0] = hits, sizes - hits
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UndefinedRateWarning)
            counts = OutcomeCounts(table, [0, 1], ["a", "b"], ["group"])
            result = GroupMetrics.from_counts("selection_rate", counts)
        seed = int(rng.integers(2**31))
        skipped = () if repeat < max(n_repeats // 5, 1) else BOOTSTRAPS
        for method in OF_GROUPS:
            if method in skipped:
                continue
            found = result.confidence_interval(
                method, n_resamples=1999, random_state=seed
            )
            held = (found.low_values <= rates) & (rates <= found.high_values)
            inside.setdefault(f"{method}, rate", []).append(held[0, 0, 0])
        for method in OF_DIFFERENCES:
            if method in skipped:
                continue
            found = result.confidence_interval(
                method, "difference", n_resamples=1999, random_state=seed
            )
            gap = rates[1] - rates[0]
            held = (found.low_values <= gap) & (gap <= found.high_values)
            inside.setdefault(f"{method}, difference", []).append(held.item())
    return {name: 100 * float(np.mean(held)) for name, held in inside.items()}


def _bars():
    for name in ("wilson, rate", "newcombe, difference"):
        yield Bar(f"{name}: lowest coverage", _everywhere, name, at_least=93)
        yield Bar(f"{name}: highest coverage", _everywhere, name, at_most=97)


def _everywhere(row):
    return row["case"] == "coverage"


ENTRY = Entry(
    name="coverage",
    title="Coverage in % of 95 % intervals, by simulation",
    run=_run,
    sizes=(2000,),
    quick_sizes=(3,),
    bars=tuple(_bars()),
    notes="`n` is the number of simulated data sets of each row; the Monte Carlo error "
    "of 95 % of 2,000 is 0.5 points; the bootstraps see a fifth of them. Two groups; "
    "the rate of the second is half as large again. Group sizes are random around the "
    "one given. A difference between groups is at least 0, whichever is larger: where "
    "it is small against its noise, its interval cannot miss it from above and covers "
    "more.",
)
