"""A capture whose every packet has a destination, a client or a name of its own: memory is bounded, and rows stay the same."""

import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from loader.settings import LoaderSettings
from schema.records import MAX_COMMIT_ENDPOINTS, OTHER_ENDPOINT
from schema.store.sqlite import open_sqlite
from schema.store.writing import Store
from tests.e2e.loading import contents, load_all
from tests.pcapline.command import ROOT, clean_environment
from tests.schema.store.factory import StoreFactory

FEW = LoaderSettings(staging_rows=500)
_SCANNER, _SERVER, _RESOLVER = b"\xc0\0\2\1", b"\xc0\0\2\2", b"\xc0\0\2\x35"
_MIB = 1 << 20


def scan(path: Path, kind: str, count: int) -> Path:
    """Raw IP packets, 60 microseconds apart: `scan` one client to many servers, `clients` the reverse, `names` DNS answers."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        for n in range(count):
            for k, packet in enumerate(_packets(kind, n)):
                ts_us = 1_700_000_000_000_000 + 60 * n + 20 * k
                file.write(struct.pack("<IIII", ts_us // 10**6, ts_us % 10**6, len(packet), len(packet)) + packet)
    return path


def _packets(kind: str, n: int) -> Iterator[bytes]:
    address = struct.pack("!I", (10 << 24) + n * 7919 % (1 << 24))
    if kind == "names":
        name = (
            b"".join(bytes([len(label)]) + label for label in (b"host-%07d" % n, b"example-%04d" % (n % 5_000), b"com")) + b"\0"
        )
        client, port = b"\xc0\0\2" + bytes([60 + n % 100]), 20_000 + n % 40_000
        question = name + struct.pack("!HH", 1, 1)
        answer = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 300, 4) + address
        yield _udp(client, _RESOLVER, (port, 53), struct.pack("!6H", n & 0xFFFF, 0x100, 1, 0, 0, 0) + question)
        yield _udp(_RESOLVER, client, (53, port), struct.pack("!6H", n & 0xFFFF, 0x8180, 1, 1, 0, 0) + question + answer)
        return
    ends = (_SCANNER, address) if kind == "scan" else (address, _SERVER)
    yield _ip(*ends, 6, struct.pack("!HHIIBBHHH", 40_000 + n % 20_000, 443, n, 0, 0x50, 2, 1024, 0, 0))


def _udp(source: bytes, destination: bytes, ports: tuple[int, int], payload: bytes) -> bytes:
    return _ip(source, destination, 17, struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload)


def _ip(source: bytes, destination: bytes, protocol: int, payload: bytes) -> bytes:
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0, source, destination) + payload


def assert_loads_as_calm(store: Store, path: Path, tmp_path: Path) -> None:
    """With next to nothing in memory, against all of it."""
    with closing(open_sqlite(tmp_path / "calm.db")) as calm:
        calm.apply_schema()
        (expected,) = load_all(calm, [path], "edge-1", settings=LoaderSettings(staging_rows=1_000_000))
        (outcome,) = load_all(store, [path], "edge-1", settings=FEW)
        assert replace(outcome, loaded_at_ms=0, write_s=0) == replace(expected, loaded_at_ms=0, write_s=0)
        totals, expected_totals = store.ledger("edge-1"), calm.ledger("edge-1")
        assert totals.endpoints == expected_totals.endpoints
        assert totals.totals == expected_totals.totals
        assert contents(store) == contents(calm)
        recount, expected_recount = store.recount(outcome.capture_id), calm.recount(outcome.capture_id)
    assert recount == expected_recount
    assert recount.found == recount.expected == outcome.rows


@pytest.mark.parametrize("kind", ["scan", "clients", "names"])
def test_little_memory_changes_no_row(tmp_path: Path, kind: str) -> None:
    path = scan(tmp_path / f"{kind}.pcap", kind, 9_000)
    with closing(open_sqlite(tmp_path / "store.db")) as store:
        store.apply_schema()
        assert_loads_as_calm(store, path, tmp_path)


def test_a_scan_reaches_cassandra_as_sqlite(cassandra_store_factory: StoreFactory, tmp_path: Path) -> None:
    assert_loads_as_calm(cassandra_store_factory(), scan(tmp_path / "scan.pcap", "scan", 6_000), tmp_path)


def test_a_commit_of_a_large_scan_names_the_first_and_counts_the_others(tmp_path: Path) -> None:
    count = MAX_COMMIT_ENDPOINTS + 10_000
    path = scan(tmp_path / "scan.pcap", "scan", count)
    with closing(open_sqlite(tmp_path / "store.db")) as store:
        store.apply_schema()
        (outcome,) = load_all(store, [path], "edge-1")
        ledger = store.ledger("edge-1")
    assert outcome.rows == {"flows": count, "traffic_by_minute": count}
    assert len(ledger.endpoints) == MAX_COMMIT_ENDPOINTS
    assert ledger.endpoints[OTHER_ENDPOINT].flows == ledger.totals["folded_endpoints"] == 10_001


_MEASURED = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, done.returncode, done.stderr[-2000:])
"""


@pytest.mark.skipif("PCAPLINE_SCAN" not in os.environ, reason="takes minutes: PCAPLINE_SCAN is the number of packets, 1000000")
@pytest.mark.parametrize("kind", ["scan", "clients", "names"])
def test_memory_is_bounded(tmp_path: Path, kind: str) -> None:
    path = scan(tmp_path / f"{kind}.pcap", kind, int(os.environ["PCAPLINE_SCAN"]))
    load = [sys.executable, "-m", "pcapline", "load", "--store", f"sqlite:{tmp_path / 'store.db'}", str(path)]
    command = [sys.executable, "-c", _MEASURED, *load]
    told = subprocess.run(command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=True).stdout
    peak_kib, code, *_ = told.split()
    print(f"{kind}: peak {int(peak_kib) / 1024:.0f} MiB")
    assert code == "0", told
    assert int(peak_kib) * 1024 <= 256 * _MIB
