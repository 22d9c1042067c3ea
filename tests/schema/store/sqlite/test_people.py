"""What a person with the sqlite3 shell finds: readable values, and statements that run as they are shown."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from schema.store.reading import AnswerQuery, FlowQuery
from schema.store.sqlite import open_sqlite
from schema.store.writing import Store
from tests.schema.store.samples import CLIENT, SERVER, T0_MS, load, sample, take


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(open_sqlite(path)) as opened:
        opened.apply_schema()
        load(take(opened), sample("a"))
        yield opened


@pytest.fixture
def shell(store: Store, path: Path) -> Iterator[apsw.Connection]:
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        yield connection


def test_addresses_and_days_are_text(shell: apsw.Connection) -> None:
    found = shell.execute("SELECT DISTINCT destination_ip, source_ip, bucket FROM flows").fetchall()
    assert found == [("10.0.0.5", "2001:db8::7", "2026-09-21T14")]
    assert shell.execute("SELECT destination_ip, bucket FROM traffic_by_minute").fetchall() == [("10.0.0.5", "2026-09-21")]


def test_statements_run_as_they_are_shown(store: Store, shell: apsw.Connection) -> None:
    asked = FlowQuery(destination=SERVER, source=CLIENT, since_ms=T0_MS, until_ms=T0_MS + 60_000, limit=2)
    answers = store.answers(AnswerQuery(name="www.example.com", client=CLIENT, since_ms=T0_MS, until_ms=T0_MS))
    dictionary = (store.names_of(SERVER), store.addresses_of("www.example.com"), store.names_below("example.com"))
    for found in (store.flows(asked), answers, *dictionary):
        (statement,) = found.statements
        assert len(shell.execute(statement).fetchall()) == len(found.rows) > 0


def plan(store: Store, shell: apsw.Connection, query: FlowQuery) -> str:
    (statement,) = store.flows(query).statements
    return " ".join(str(row[3]) for row in shell.execute(f"EXPLAIN QUERY PLAN {statement}"))


def test_flows_are_found_by_keys(store: Store, shell: apsw.Connection) -> None:
    assert "USING PRIMARY KEY (destination_ip=?" in plan(store, shell, FlowQuery(destination=SERVER))
    by_time = FlowQuery(destination=SERVER, since_ms=T0_MS, until_ms=T0_MS)
    assert "(destination_ip=? AND bucket>? AND bucket<?)" in plan(store, shell, by_time)
    assert "USING INDEX flows_by_source (source_ip=?" in plan(store, shell, FlowQuery(source=CLIENT))


def test_importing_the_door_loads_no_driver() -> None:
    code = "import sys, schema.store.sqlite; sys.exit('apsw' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
