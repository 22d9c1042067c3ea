"""The suite is shared among workers so that nothing is made twice, and nothing long is left for the end."""

from pathlib import Path

import pytest

from tests.distribution import unit_of

pytest_plugins = ["pytester"]
ROOT = Path(__file__).resolve().parents[2]
SEVERAL = 'import os, pytest\n\n@pytest.mark.parametrize("n", range(6))\ndef test_one(n{fixture}):\n    {body}\n'
ONCE = '@pytest.fixture(scope="module")\ndef made():\n    open("made", "a").write("x")\n'
WORDS = ("-p", "tests.distribution", *(f"-pno:{name}" for name in ("cacheprovider", "hypothesispytest", "anyio")))


@pytest.fixture(autouse=True)
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def test_what_a_file_makes_once_is_made_by_one_worker(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_made=SEVERAL.format(fixture=", made", body="pass") + ONCE)
    pytester.makepyfile(test_free=SEVERAL.format(fixture="", body="pass"))
    pytester.runpytest_subprocess("-n", "2", *WORDS).assert_outcomes(passed=12)
    assert (pytester.path / "made").read_text() == "x"


def test_tests_of_other_files_go_to_whoever_is_free(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_made=ONCE, test_free="def test_it(): pass")
    assert unit_of("test_made.py::test_a[1]") == unit_of("test_made.py::test_b") == "test_made.py"
    assert unit_of("test_free.py::test_a[1]") == "test_free.py::test_a[1]"


def test_what_is_made_once_for_a_folders_files_counts_for_each_of_them(pytester: pytest.Pytester) -> None:
    for folder, conftest in (("made", ONCE), ("made/below", ""), ("free", "")):
        (pytester.path / folder).mkdir()
        (pytester.path / folder / "conftest.py").write_text(conftest)
        (pytester.path / folder / "test_it.py").write_text("def test_a(): pass")
    assert unit_of("made/test_it.py::test_a") == "made/test_it.py"
    assert unit_of("made/below/test_it.py::test_a") == "made/below/test_it.py::test_a"
    assert unit_of("free/test_it.py::test_a") == "free/test_it.py::test_a"


def test_who_may_take_longest_begins_first(pytester: pytest.Pytester) -> None:
    body = 'open("order", "a").write(os.environ["PYTEST_CURRENT_TEST"].split("::")[1].split(" ")[0] + " ")'
    names = {"short": "@pytest.mark.timeout(60)\n", "unmarked": "", "long": "@pytest.mark.timeout(600)\n"}
    names["longer"] = "@pytest.mark.timeout(timeout=900)\n"
    pytester.makeini("[pytest]\ntimeout = 300\n")
    tests = (f"{mark}def test_{name}():\n    {body}\n" for name, mark in names.items())
    pytester.makepyfile("import os, pytest\n" + "".join(tests))
    pytester.runpytest_subprocess("-n", "1", *WORDS).assert_outcomes(passed=4)
    assert (pytester.path / "order").read_text().split() == ["test_longer", "test_long", "test_unmarked", "test_short"]
