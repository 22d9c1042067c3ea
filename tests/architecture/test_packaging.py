"""The rooms are plain words as package names: they must be pcapline's own, and light to import."""

import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from pcapline.names_guard import ROOMS, check_room_names
from schema.errors import SettingsError

ROOT = Path(__file__).resolve().parents[2]
DRIVERS = {
    "apscheduler",
    "apsw",
    "blake3",
    "cassandra",
    "confluent_kafka",
    "cryptography",
    "idna",
    "isal",
    "lz4",
    "msgspec",
    "obstore",
    "prometheus_client",
    "pyshark",
    "rich",
    "sqlite3",
    "shtab",
    "starlette",
    "uvicorn",
    "watchdog",
    "zstandard",
}

# Modules of the standard library that take a millisecond or more each.
SLOW_TO_IMPORT = {
    "asyncio",
    "csv",
    "dataclasses",
    "datetime",
    "decimal",
    "difflib",
    "hmac",
    "inspect",
    "ipaddress",
    "json",
    "logging",
    "pathlib",
    "random",
    "shutil",
    "subprocess",
    "tempfile",
    "threading",
    "traceback",
    "urllib",
    "uuid",
}


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a new interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("room", ROOMS)
def test_no_other_distribution_provides_a_room(room: str) -> None:
    assert set(packages_distributions().get(room, [])) <= {"pcapline"}
    assert room not in sys.stdlib_module_names


def test_the_rooms_are_found_where_pcapline_is() -> None:
    check_room_names()


def test_a_room_that_somebody_else_has_taken_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "exporter").mkdir()
    (tmp_path / "exporter" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "exporter", raising=False)
    with pytest.raises(SettingsError, match=r"'exporter' belongs to .*environment of its own"):
        check_room_names()


@pytest.mark.parametrize(
    "module",
    ["loader.decode", "loader.decode.columns", "loader.rows.building", "schema.records", "schema.store", "schema.tables"],
)
def test_the_vocabulary_and_the_decoder_load_no_driver(module: str) -> None:
    assert loaded_by(f"import {module}") & DRIVERS == set()


def test_a_summary_starts_with_little() -> None:
    """Of a small capture the start is most of the time: what only other commands need is not imported."""
    capture = ROOT / "tests" / "golden" / "captures" / "dns-cname-chain.pcap"
    loaded = loaded_by(f"from pcapline.cli import run; run(['read', '--summary', {str(capture)!r}])")
    assert loaded & SLOW_TO_IMPORT == set()
    assert loaded & DRIVERS == set()


def test_reading_a_file_loads_neither_store_nor_server() -> None:
    loaded = loaded_by("import pcapline.cli, pcapline.objects, pcapline.output, loader.rows.building")
    assert loaded & (DRIVERS) == set()
