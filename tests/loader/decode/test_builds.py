"""The kernels give the same compiled and as Python: one digest of all columns over the golden and the public captures."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.golden.make import FOLDER
from tests.shared_captures import shared_captures

ROOT = Path(__file__).resolve().parents[3]
DIGEST = """
import hashlib, sys
from pathlib import Path
from loader.decode.columns import DecodeOptions
from loader.reading import CaptureReading
from schema.errors import CaptureError
digest = hashlib.sha256()
for line in sys.stdin:
    try:
        reading = CaptureReading(Path(line.rstrip("\\n")), DecodeOptions(packets=True), identify=False)
        for batch in reading.batches():
            for columns in (batch.flows, batch.minutes, batch.dns, batch.packets):
                for values in columns.as_dict().values():
                    digest.update(repr(list(values)).encode())
        digest.update(repr(reading.report).encode() + reading.carried)
    except CaptureError as error:
        digest.update(error.reason.encode())
import loader.decode.flows as kernel
print(digest.hexdigest(), kernel.__file__.endswith(".py"))
"""


def _digest(root: Path) -> list[str]:
    names = "\n".join(map(str, [*sorted(FOLDER.glob("*.pcap")), *shared_captures()]))
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", DIGEST]
    done = subprocess.run(command, input=names, env=environment, cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_all_builds_give_the_same_rows(tmp_path: Path) -> None:
    plain, checked = tmp_path / "plain", tmp_path / "checked"
    for copy in (plain, checked):
        for room in ("loader", "schema"):
            shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    shutil.copy(ROOT / "setup.py", checked)
    build = [sys.executable, "setup.py", "build_ext", "--inplace"]
    subprocess.run(build, cwd=checked, env={**os.environ, "PCAPLINE_KERNELS": "checked"}, capture_output=True, check=True)
    as_python, is_python = _digest(plain)
    assert is_python == "True"
    assert _digest(checked)[0] == as_python
    assert _digest(ROOT)[0] == as_python
