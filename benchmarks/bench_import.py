"""How long the import takes, and what it leaves alone."""

import subprocess
import sys

from benchmarks.objective import Bar, Entry

REFERENCE, OURS = "import sklearn.metrics", "import fairsk.metrics"


def _run(n_calls, context):
    cases = {statement: _import(statement) for statement in (REFERENCE, OURS)}
    rows = context.compare(cases, reference=REFERENCE)
    for row in rows:
        row["torch is loaded"] = _loads_torch(row["case"])
    return rows


def _import(statement):
    return lambda: subprocess.run([sys.executable, "-c", statement], check=True)


def _loads_torch(statement):
    code = f"import sys; {statement}; print('torch' in sys.modules)"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True).stdout == "True\n"


ENTRY = Entry(
    name="import",
    title="Import of the metrics against scikit-learn's",
    run=_run,
    sizes=(1,),
    quick_sizes=(1,),
    bars=(
        Bar(
            "wall time of a new process: scikit-learn's",
            lambda row: row["case"] == OURS,
            "ratio",
            at_most=1.2,
        ),
    ),
    notes="Smallest wall time of new processes that run the statement, interleaved.",
)
