"""The tests of kernels on the other builds: kernels with bounds checks, and kernels as Python."""

import re
import subprocess
import sys

import pytest

from tests.builds import Build, environment, tree
from tests.examples import EVERY, SHARE_ON_OTHER_BUILDS

# What starts builds of its own.
_NOT_AGAIN = ("tests/loader/decode/test_builds.py", "tests/loader/decode/test_bare_interpreter.py")
_NOT_COMPILED = "import sys; from loader.build import kernels_compiled; sys.exit(kernels_compiled())"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("build", ["checked", "plain"])
def test_the_kernels_tests_pass_on_this_build_too(build: Build) -> None:
    root = tree(build)
    none_compiled = subprocess.run([sys.executable, "-c", _NOT_COMPILED], cwd=root, env=environment(root), check=False)
    assert none_compiled.returncode == (1 if build == "checked" else 0)
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/golden/test_golden.py"]
    command += ["tests/loader/decode", *(f"--ignore={path}" for path in _NOT_AGAIN)]
    command += [f"tests/loader/naming/test_{part}.py" for part in ("choice", "names", "awaiting")]
    command.append("tests/schema/store/test_cassandra_rows.py")
    share = environment(root) | {EVERY: SHARE_ON_OTHER_BUILDS}
    done = subprocess.run(command, cwd=root, env=share, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d{3,} passed", done.stdout)


def test_what_goes_out_of_bounds_is_never_swallowed() -> None:
    """A C function that could only print what was raised in it would hide the finding: the checked build has none."""
    generated = sorted((tree("checked") / "build" / "kernels-checked").rglob("*.c"))
    sources = [path.read_text() for path in generated]
    assert all("__Pyx_RaiseBufferIndexError" in source for source in sources)
    assert [path.name for path, source in zip(generated, sources, strict=True) if '__Pyx_WriteUnraisable("' in source] == []
