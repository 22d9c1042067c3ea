"""`python -m bench.cassandra`: rows a second into one Cassandra node, pcapline beside gocql and the driver's `bind`, in turn.

Each commit log setting has a node of its own, with the whole of its compiler, warmed by rounds that count for nothing, until
the compiler is done. Before each turn the tables are emptied. The loader decodes the capture in its time; the others have the
same rows in memory.
"""

import argparse
import gc
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench.captures import made
from bench.cassandra.cpu import NodeCpu, node_cpu
from bench.cassandra.rows import KeepingLease, by_table, dump
from bench.cassandra.writers import Gocql, Took, load, timed, write_bound, write_encoded
from bench.page import put
from bench.report import machine
from loader.commit.pipeline import SensorLoader
from loader.commit.shared import Shared
from loader.settings import LoaderSettings
from schema.store.cassandra.connection import connect
from schema.store.cassandra.options import CassandraOptions
from schema.store.cassandra.store import CassandraStore
from schema.tables import RowBatch
from tests.servers.cassandra.node import CassandraNode

ROOT = Path(__file__).resolve().parents[2]
MARKS = ("<!-- cassandra: begin -->", "<!-- cassandra: end -->")
KEYSPACE = "bench"
LOAD, WRITER, BOUND, GOCQL = "pcapline load", "pcapline's writer alone", "the driver's `bind`", "gocql"
OURS = (LOAD, WRITER)
_BARS = {GOCQL: 1.0, BOUND: 3.0}
# as a node of some size is set up, not as the tests' is
_MEMORY = ("-Xms2g", "-Xmx2g", "-XX:MaxDirectMemorySize=512m", "-XX:-UseSerialGC", "-XX:+UseG1GC")
_COMPILER = ("-XX:TieredStopAtLevel=4", "-XX:-UseDynamicNumberOfCompilerThreads")  # threads that stay: their time can be told
_ROOM = {"memtable_heap_space": "512MiB", "memtable_offheap_space": "256MiB", "commitlog_total_space": "1024MiB"}
_LOGS: dict[str, dict[str, str | None]] = {
    "periodic": {"commitlog_sync": "periodic", "commitlog_sync_group_window": None, "commitlog_sync_period": "10000ms"},
    "group": {"commitlog_sync": "group", "commitlog_sync_group_window": "10ms"},
}
_WARMING_ROWS, _MOST_WARMING_ROWS = 500_000, 2_000_000  # at least, and at most
_COMPILER_IS_DONE = 0.05  # of the node's CPU time in a round, or less
_COLLECT_AFTER = (100_000, 50, 100)  # as the command does

Turns = dict[str, Callable[[], Took]]
Taken = dict[str, list[tuple[Took, NodeCpu]]]  # and the node's meanwhile


def main() -> None:
    """Measure, print, and write where that is asked for."""
    given = _arguments()
    gc.set_threshold(*_COLLECT_AFTER)
    heading = {"date": f"{datetime.now(UTC):%Y-%m-%d}", **machine()}
    texts = [", ".join(f"{name} {value}" for name, value in heading.items()) + "\n"]
    capture = given.capture or made(given.packets, given.made)
    for log in given.logs:
        texts.append(_compared(log, capture, given.rounds))
        sys.stdout.write(texts[-1] + "\n")
    if given.page:
        put(given.page, MARKS, "\n".join(texts))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.cassandra", description=__doc__)
    parser.add_argument("--capture", type=Path, help="instead of a made one")
    parser.add_argument("--packets", type=int, default=1_000_000, help="of the made capture (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="that count (default %(default)s)")
    parser.add_argument("--logs", nargs="*", choices=_LOGS, default=list(_LOGS), help="commit logs (default: both)")
    parser.add_argument("--page", type=Path, metavar="FILE", help="put the tables into this page")
    kept = "where made captures are kept (default %(default)s)"
    parser.add_argument("--made", type=Path, default=ROOT / "build" / "bench", metavar="DIR", help=kept)
    return parser.parse_args()


def _compared(log: str, capture: Path, rounds: int) -> str:
    with _node(log) as node, _store(node) as store, tempfile.TemporaryDirectory(prefix="pcapline-bench-") as scratch:
        batches = _rows(store, capture)
        rows = sum(map(len, batches))
        stamp = int(time.time() * 1_000_000)
        dump(batches, KEYSPACE, stamp, Path(scratch) / "rows.json")
        gocql = Gocql(Path(scratch) / "rows.json", node.port, Path(scratch))
        connection = store._connection
        turns: Turns = {
            LOAD: lambda: load(store, capture),
            WRITER: lambda: timed(lambda: write_encoded(connection, batches, stamp)),
            BOUND: lambda: timed(lambda: write_bound(connection, batches, stamp)),
            GOCQL: gocql.write,
        }
        gc.freeze()
        _warm(node, store, turns, rows)
        taken = _rounds(node, store, turns, rounds)
        gocql.close()
        return _table(log, capture, rows, taken)


@contextmanager
def _node(log: str) -> Iterator[CassandraNode]:
    with tempfile.TemporaryDirectory(prefix="pcapline-bench-node-", ignore_cleanup_errors=True) as directory:
        node = CassandraNode(Path(directory), survives=False, settings={**_ROOM, **_LOGS[log]}, java=(*_MEMORY, *_COMPILER))
        node.start()
        try:
            yield node
        finally:
            node.kill()


@contextmanager
def _store(node: CassandraNode) -> Iterator[CassandraStore]:
    with closing(CassandraStore(connect(["127.0.0.1"], node.port, KEYSPACE, CassandraOptions()), time.time)) as store:
        store.apply_schema()
        yield store


def _rows(store: CassandraStore, capture: Path) -> list[RowBatch]:
    """What the loader writes of the capture."""
    lease = store.take_sensor("bench", "bench", "bench:1:rows", int(time.time() * 1000) + 600_000)
    keeping = KeepingLease(lease)
    settings = LoaderSettings()
    SensorLoader(store, keeping, settings, time.time, Shared.of(store, settings, print)).load(capture)
    return by_table(keeping.batches)


def _warm(node: CassandraNode, store: CassandraStore, turns: Turns, rows: int) -> None:
    """Rounds until the node's compiler has seen the paths of all turns, and is done with them: `bind` takes gocql's."""
    turns = {name: turn for name, turn in turns.items() if name != BOUND}
    share, written = 1.0, 0
    while written < _WARMING_ROWS or (share > _COMPILER_IS_DONE and written < _MOST_WARMING_ROWS):
        round_cpu = [cpu for ((_, cpu),) in _rounds(node, store, turns, 1).values()]
        share = sum(cpu.compiler_s for cpu in round_cpu) / sum(cpu.whole_s for cpu in round_cpu)
        written += rows * len(turns)
    sys.stderr.write(f"bench: warmed by {written:,} rows; of the node's CPU time its compiler still has {share:.0%}\n")


def _rounds(node: CassandraNode, store: CassandraStore, turns: Turns, rounds: int) -> Taken:
    """Everybody once a round, in an order by lot."""
    taken: Taken = {name: [] for name in turns}
    lot = random.Random(6)
    for number in range(1, rounds + 1):
        for name in lot.sample(list(turns), len(turns)):
            _empty(store)
            gc.collect()
            before = node_cpu(node.pid)
            took = turns[name]()
            nodes = node_cpu(node.pid) - before
            of_node = f"the node's {nodes.whole_s:.2f} s, of it {nodes.compiler_s:.2f} s the compiler's"
            told = f"{took.wall_s:.2f} s, CPU {took.cpu_s:.2f} s, {of_node}"
            sys.stderr.write(f"bench: round {number} of {rounds}: {name}: {told}\n")
            taken[name].append((took, nodes))
    return taken


def _empty(store: CassandraStore) -> None:
    session = store._connection.session
    of_keyspace = f"SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{KEYSPACE}'"
    for (table,) in session.execute(of_keyspace):
        if table != "schema_history" and session.execute(f"SELECT * FROM {KEYSPACE}.{table} LIMIT 1", timeout=60).one():
            session.execute(f"TRUNCATE {KEYSPACE}.{table}", timeout=120)


def _table(log: str, capture: Path, rows: int, taken: Taken) -> str:
    lines = [
        f"### `{log}` commit log, {capture.name}: {rows:,} rows",
        "",
        "| who | rows/s: median (min-max) | CPU us/row: client, node, its compiler | load to it | our writer to it | bar |",
        "|---|---|---|---|---|---|",
        *(_line(name, rows, taken) for name in taken),
    ]
    return "\n".join(lines) + "\n"


def _line(name: str, rows: int, taken: Taken) -> str:
    rates = sorted(rows / took.wall_s for took, _ in taken[name])
    used = ((took.cpu_s, cpu.whole_s, cpu.compiler_s) for took, cpu in taken[name])
    client, node, compiler = (median(each) / rows * 1e6 for each in zip(*used, strict=True))
    load, alone = (_ratio(taken[ours], taken[name]) if name not in OURS else "" for ours in OURS)
    bar = f"{_BARS[name]:.1f}" if name in _BARS else ""
    rate = f"{median(rates):,.0f} ({rates[0]:,.0f}-{rates[-1]:,.0f})"
    return f"| {name} | {rate} | {client:.1f}, {node:.1f}, {compiler:.1f} | {load} | {alone} | {bar} |"


def _ratio(ours: list[tuple[Took, NodeCpu]], theirs: list[tuple[Took, NodeCpu]]) -> str:
    """Of rows a second, round by round."""
    ratios = sorted(their.wall_s / our.wall_s for (our, _), (their, _) in zip(ours, theirs, strict=True))
    return f"**{median(ratios):.2f} x** ({ratios[0]:.2f}-{ratios[-1]:.2f})"


if __name__ == "__main__":
    main()
