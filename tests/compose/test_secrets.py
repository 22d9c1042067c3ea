"""The passwords of the stack: made once, given to those who need them, and made anew where their master was taken away."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.servers import require
from tests.servers.compose import FOLDER

READERS = {"cassandra/roles/pcapline": 999, "cqlsh/.cassandra/credentials": 999, "schema/store": 10001, "grafana/password": 472}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The script's volumes, below a directory."""
    require(os.geteuid() == 0, "giving files to other users needs root")
    for name in ("masters", "for-cassandra", "for-cqlsh", "for-schema", "for-pcapline", "for-grafana"):
        (tmp_path / name).mkdir()
    return tmp_path


def make_secrets(place: Path) -> dict[str, str]:
    """Run the script of the service `secrets`; every file, and what it holds."""
    text = (FOLDER / "scripts" / "make-secrets").read_text()
    text = text.replace("/masters", f"{place}/masters").replace(" /for-", f" {place}/for-")
    subprocess.run(["bash", "-c", text], check=True)
    return {str(path.relative_to(place)): path.read_text() for path in place.rglob("*") if path.is_file()}


def test_passwords_are_made_once(place: Path) -> None:
    made = make_secrets(place)
    masters = [text for name, text in made.items() if name.startswith("masters/")]
    assert len(set(masters)) == len(masters) == 4 and min(map(len, masters)) >= 32
    assert make_secrets(place) == made


def test_each_belongs_to_its_reader_alone(place: Path) -> None:
    make_secrets(place)
    for name, user in READERS.items():
        found = (place / f"for-{name}").stat()
        assert (found.st_uid, found.st_mode & 0o777) == (user, 0o400), name


def test_one_whose_master_is_gone_is_made_anew_and_no_other(place: Path) -> None:
    before = make_secrets(place)
    (place / "masters" / "pcapline").unlink()
    after = make_secrets(place)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"masters/pcapline", "for-pcapline/store", "for-cassandra/roles/pcapline"}
