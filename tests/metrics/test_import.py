"""What the import of the metrics costs."""

import subprocess
import sys


def test_import_loads_no_torch():
    code = "import sys, fairsk.metrics; print([m for m in sys.modules if 'torch' in m])"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"
