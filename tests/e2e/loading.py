"""Loading captures into a store as `pcapline load` does, and what a user can read of it afterwards."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from loader.commit.pipeline import SensorLoader
from loader.commit.shared import Shared
from loader.outcome import FileOutcome
from loader.settings import LoaderSettings
from schema.records import DEFAULT_NETWORK, STANDALONE_SENSOR
from schema.store.reading import StoreReader
from schema.store.writing import Store
from schema.tables import TABLES

Contents = dict[str, list[tuple[object, ...]]]


def load_all(
    store: Store, paths: Iterable[Path], sensor: str = STANDALONE_SENSOR, settings: LoaderSettings | None = None
) -> list[FileOutcome]:
    """Load files in the given order under one lease."""
    settings = settings or LoaderSettings()
    owner = f"{os.uname().nodename}:{os.getpid()}:test"
    lease = store.take_sensor(sensor, DEFAULT_NETWORK, owner, int((time.time() + settings.lease_s) * 1000))
    loader = SensorLoader(store, lease, settings, time.time, Shared.of(store, settings, print))
    try:
        return [loader.load(path) for path in paths]
    finally:
        lease.release()


def contents(store: StoreReader) -> Contents:
    """Every row of every table a user reads, sorted."""
    return {table.name: sorted(store.scan(table), key=repr) for table in TABLES}


def totals(store: StoreReader, sensor: str = STANDALONE_SENSOR) -> tuple[dict[str, object], dict[str, int]]:
    """A sensor's running totals: by endpoint, and named."""
    ledger = store.ledger(sensor)
    return dict(ledger.endpoints), dict(ledger.totals)


def states(store: StoreReader) -> dict[bytes, tuple[str, str, int]]:
    """What became of each content."""
    return {record.facts.capture_id: (record.state, record.reason, record.facts.frames) for record in store.captures()}


def assert_balance(outcomes: Iterable[FileOutcome]) -> None:
    """packets = flow packets + non-flow packets by reason, for each."""
    for outcome in outcomes:
        assert outcome.packets == outcome.flow_packets + sum(outcome.non_flow.values()), outcome
