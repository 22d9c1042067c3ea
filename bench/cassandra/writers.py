"""Those who write a capture's rows: pcapline's loader and its writer, the driver as its documentation has it, and gocql."""

import shutil
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cassandra.query import UNSET_VALUE, BatchStatement, BatchType

from loader.commit.pipeline import SensorLoader
from loader.commit.shared import Shared
from loader.outcome import FileOutcome
from loader.settings import LoaderSettings
from schema.enums import FileState
from schema.store.cassandra.connection import Connection
from schema.store.cassandra.statements import insert_of
from schema.store.cassandra.store import CassandraStore
from schema.store.cassandra.writer import Writer
from schema.tables import RowBatch

IN_FLIGHT, ROWS_PER_BATCH = 64, 64
_GOCQL = Path(__file__).resolve().parents[1] / "peers" / "gocql"
_GO = shutil.which("go") or "/usr/local/go/bin/go"


@dataclass(frozen=True, slots=True)
class Took:
    """What writing everything once took: seconds by the clock, and of the client's CPU time."""

    wall_s: float
    cpu_s: float


def timed(work: Callable[[], object]) -> Took:
    """Once, in this process."""
    cpu, began = time.process_time(), time.perf_counter()
    work()
    return Took(time.perf_counter() - began, time.process_time() - cpu)


def load(store: CassandraStore, capture: Path) -> Took:
    """The loader: from the file to the commit, decoding included. It has the sensor's lease before, as others are connected."""
    lease = store.take_sensor("bench", "bench", f"bench:1:{time.monotonic_ns()}", int(time.time() * 1000) + 600_000)
    settings, outcomes = LoaderSettings(), list[FileOutcome]()
    loader = SensorLoader(store, lease, settings, time.time, Shared.of(store, settings, print))
    took = timed(lambda: outcomes.append(loader.load(capture)))
    (outcome,) = outcomes
    if outcome.state is not FileState.LOADED:
        raise RuntimeError(f"{capture}: {outcome.state.value}: {outcome.reason}")
    return took


def write_encoded(connection: Connection, batches: Sequence[RowBatch], stamp: int) -> None:
    """The loader's writer alone: encoding, gathering, sending."""
    with Writer(connection, stamp, lambda: None) as writer:
        for batch in batches:
            writer.add(batch, batch.table.ttl_seconds)


def write_bound(connection: Connection, batches: Sequence[RowBatch], stamp: int) -> None:
    """The same with the driver's `bind`, batches of one partition, so many under way at a time."""
    free, failed = threading.Semaphore(IN_FLIGHT), list[Exception]()

    def on_error(error: Exception) -> None:
        failed.append(error)
        free.release()

    for prepared, rows in _bound_batches(connection, batches, stamp):
        batch = BatchStatement(BatchType.UNLOGGED)
        for row in rows:
            batch.add(prepared, row)
        free.acquire()
        connection.session.execute_async(batch).add_callbacks(lambda _: free.release(), on_error)
    for _ in range(IN_FLIGHT):
        free.acquire()
    if failed:
        raise failed[0]


def _bound_batches(connection: Connection, batches: Sequence[RowBatch], stamp: int) -> Any:
    for batch in batches:
        prepared, width = connection.prepared(insert_of(batch.table)), len(batch.table.partition)
        groups: dict[tuple[object, ...], list[list[object]]] = defaultdict(list)
        for row in batch.rows():
            group = groups[row[:width]]
            group.append([*(UNSET_VALUE if value is None else value for value in row), stamp, batch.table.ttl_seconds])
            if len(group) == ROWS_PER_BATCH:
                yield prepared, groups.pop(row[:width])
        for group in groups.values():
            yield prepared, group


class Gocql:
    """A compiled Go program with the rows in its memory; writes them as often as it is told to."""

    def __init__(self, rows: Path, port: int, build: Path) -> None:
        """Raises `FileNotFoundError` where Go is not installed."""
        program = build / "gocql-writer"
        subprocess.run([_GO, "build", "-o", str(program), "."], cwd=_GOCQL, check=True)
        command = [str(program), str(rows), "127.0.0.1", str(port), str(IN_FLIGHT)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer()

    def write(self) -> Took:
        """Write all rows."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Took(*map(float, self._answer().split()))

    def close(self) -> None:
        """End it."""
        self._process.communicate()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the gocql writer ended; see above")
        return line
