"""A sensor, its captures from scripts, and what a user reads of their flows afterwards."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from loader.commit.pipeline import SensorLoader
from loader.commit.shared import Shared
from loader.naming.listed import NO_INVENTORY, Inventory
from loader.outcome import FileOutcome
from loader.settings import LoaderSettings
from schema.enums import FileState
from schema.records import DEFAULT_NETWORK
from schema.store.writing import Store
from schema.tables import FLOWS, Table
from tests.e2e.loading import assert_balance
from tests.loader.naming.script import Call, Script
from tests.schema.store.factory import Clock, SteppedClock

Row = dict[str, Any]


class OpenStore(NamedTuple):
    """Opens the store of a test, as often as it asks."""

    url: str
    open: Callable[[Clock], Store]

    def __call__(self, clock: Clock) -> Store:
        return self.open(clock)


@dataclass
class Stand:
    """One sensor. `start_s`: where its scripts begin; captures of two tests are never the same content."""

    open_store: OpenStore
    sensor: str
    directory: Path
    start_s: int
    settings: LoaderSettings = field(default_factory=LoaderSettings)
    clock: SteppedClock = field(default_factory=SteppedClock)
    inventory: Inventory = NO_INVENTORY
    _store: Store | None = None
    _loader: SensorLoader | None = None

    @property
    def store(self) -> Store:
        if self._store is None:
            self._store = self.open_store(self.clock)
        return self._store

    def beside(self, number: int) -> "Stand":
        """Another sensor on the same store, an hour and more away."""
        folder = self.directory / str(number)
        folder.mkdir()
        return Stand(self.open_store, f"{self.sensor}-{number}", folder, self.start_s + 5_000 * number)

    def script(self) -> Script:
        return Script(self.start_s)

    def file(self, script: Script) -> Path:
        return script.write(self.directory / f"{len(list(self.directory.glob('*.pcap'))):03d}.pcap")

    def load(self, *captures: Script | Path) -> list[FileOutcome]:
        """Load captures in this order; each counts."""
        loaded = []
        for capture in captures:
            path = self.file(capture) if isinstance(capture, Script) else capture
            loaded.append(self.loader().load(path))
            assert loaded[-1].state is FileState.LOADED, loaded[-1]
        assert_balance(loaded)
        return loaded

    def loader(self) -> SensorLoader:
        if self._loader is None:
            owner = f"{os.uname().nodename}:{os.getpid()}:{self.sensor}"
            lease = self.store.take_sensor(self.sensor, DEFAULT_NETWORK, owner, int((self.clock() + 60) * 1000))
            shared = replace(Shared.of(self.store, self.settings, print), inventory=lambda: self.inventory)
            self._loader = SensorLoader(self.store, lease, self.settings, self.clock, shared)
        return self._loader

    def restart(self) -> None:
        """Another loader goes on."""
        if self._loader is not None:
            self._loader.lease.release()
        self._loader = self._store = None

    def rows(self, table: Table = FLOWS) -> list[Row]:
        rows = [dict(zip(table.names, row, strict=True)) for row in self.store.scan(table)]
        return [row for row in rows if row.get("sensor") == self.sensor]

    def rows_of(self, call: Call) -> list[Row]:
        """A flow's rows in order of time."""
        ends = ip_address(call.client).packed, call.port
        found = [row for row in self.rows() if (row["source_ip"], row["source_port"]) == ends]
        return sorted(found, key=lambda row: (row["ts"], row["ns"]))

    def row_of(self, call: Call) -> Row:
        (row,) = self.rows_of(call)
        return row

    def name(self, call: Call) -> tuple[str | None, str]:
        """Hostname and evidence of a flow of one row."""
        row = self.row_of(call)
        return row["hostname"], row["name_evidence"]

    def names(self, calls: Iterable[Call]) -> list[tuple[str | None, str]]:
        return [self.name(call) for call in calls]

    def assert_whole(self) -> None:
        """What `verify` asks, of every capture of this sensor."""
        self.restart()
        ledger = self.store.ledger(self.sensor)
        flows = self.rows()
        for record in self.store.captures(self.sensor):
            recount = self.store.recount(record.facts.capture_id)
            assert dict(recount.found) == dict(recount.expected)
        counted: dict[str, int] = {}
        for row in flows:
            counted[row["endpoint"]] = counted.get(row["endpoint"], 0) + 1
        assert {endpoint: totals.flows for endpoint, totals in ledger.endpoints.items()} == counted
