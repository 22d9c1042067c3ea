"""The public captures through the whole path: one state each, balanced; again, or gzipped, they change nothing."""

import gzip
from pathlib import Path

import pytest

from schema.enums import FileState
from schema.store.sqlite import open_sqlite
from schema.store.writing import Store
from tests.e2e.loading import Contents, assert_balance, contents, load_all, states, totals
from tests.servers.cassandra.keyspace import CassandraFactory
from tests.shared_captures import needs_shared, shared_captures

# A thousand captures, tshark asked about some two hundred of them, into two stores: minutes on a small machine.
pytestmark = [needs_shared, pytest.mark.usefixtures("tshark_asked_once"), pytest.mark.timeout(1_200)]


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = open_sqlite(tmp_path_factory.mktemp("corpus") / "corpus.db")
    store.apply_schema()
    return store


@pytest.fixture(scope="module")
def loaded(sqlite: Store, tshark_asked_once: None) -> Contents:
    outcomes = load_all(sqlite, shared_captures())
    assert len(outcomes) == len(shared_captures())
    assert_balance(outcomes)
    for outcome in outcomes:
        assert outcome.state is not FileState.WAITING, outcome
        assert outcome.reason or outcome.state is FileState.LOADED, outcome
    return contents(sqlite)


def test_every_capture_has_one_state_and_balances(loaded: Contents) -> None:
    assert loaded["flows"]
    assert loaded["dns_answers"]


def test_loading_all_again_changes_nothing(sqlite: Store, loaded: Contents) -> None:
    before = totals(sqlite)
    again = load_all(sqlite, shared_captures())
    assert FileState.LOADED not in {outcome.state for outcome in again}
    assert contents(sqlite) == loaded
    assert totals(sqlite) == before


def test_loading_all_gzipped_changes_nothing(sqlite: Store, loaded: Contents, tmp_path: Path) -> None:
    before, zipped = totals(sqlite), []
    for number, path in enumerate(shared_captures()):
        zipped.append(tmp_path / f"{number:04d}-{path.name}.gz")
        zipped[-1].write_bytes(gzip.compress(path.read_bytes(), 1))
    outcomes = load_all(sqlite, zipped)
    assert FileState.LOADED not in {outcome.state for outcome in outcomes}
    assert contents(sqlite) == loaded
    assert totals(sqlite) == before


def test_cassandra_has_the_same_rows(sqlite: Store, loaded: Contents, cassandra_store_factory: CassandraFactory) -> None:
    cassandra_store = cassandra_store_factory()
    load_all(cassandra_store, shared_captures())
    for table, rows in contents(cassandra_store).items():
        assert rows == loaded[table], table
    assert totals(cassandra_store) == totals(sqlite)
    assert states(cassandra_store) == {content: states(sqlite)[content] for content in states(cassandra_store)}
