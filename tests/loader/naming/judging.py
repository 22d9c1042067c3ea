"""The loader's names held against the judge's, over captures as tshark sees them: `python -m tests.loader.naming.judging`."""

import gzip
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from loader.settings import LoaderSettings
from schema.store.reading import StoreReader
from schema.store.sqlite import open_sqlite
from schema.tables import FLOWS, NAMES_BY_CLIENT
from tests.e2e.loading import load_all
from tests.loader.decode.oracle_rows import spoken
from tests.loader.naming.judge import Fact, Judge, Verdict
from tests.loader.naming.tshark_view import Ends, View, view_of
from tests.shared_captures import SHARED, shared_captures

Row = dict[str, Any]
Place = tuple[bytes, int]  # capture and frame
SENSOR = "judged"
_FLOW = ("capture_id", "source_ip", "source_port", "destination_ip", "destination_port", "protocol")
_PROTOCOLS = {6: "tcp", 17: "udp"}
_ADDRESS = re.compile(rb'"rtype": ?"(A|AAAA)"')


class Difference(NamedTuple):
    """A flow row whose name is not the judge's."""

    capture: str
    frame: int
    flow: str
    ours: Verdict
    judged: Verdict


class Judged(NamedTuple):
    """What came of one capture, or several of one sensor."""

    rows: int
    named: int  # by the judge
    differences: list[Difference]


def captures_with_answers() -> list[Path]:
    """Those in which tshark sees an address record in a DNS response."""
    return [path for path in shared_captures() if _ADDRESS.search(_expected(path))]


def _expected(path: Path) -> bytes:
    return gzip.decompress(path.with_name(f"{path.name}.expected.jsonl.gz").read_bytes())


def judged_capture(path: Path, folder: Path) -> Judged:
    """Load one capture into a store of its own, then judge the names of its flows."""
    store = open_sqlite(folder / "judged.db")
    with closing(store):
        store.apply_schema()
        (outcome,) = load_all(store, [path], SENSOR)
        return judged(store, {(outcome.capture_id or b"").hex(): view_of(path)})


def judged(store: StoreReader, views: dict[str, View], settings: LoaderSettings | None = None) -> Judged:
    """Every flow row of the store. `views`: by capture id in hexadecimal."""
    settings = settings or LoaderSettings()
    facts = [fact._replace(capture=capture) for capture, view in views.items() for fact in view.facts]
    judge = Judge(_once(facts), settings.name_grace_s, settings.name_late_s)
    rows = [dict(zip(FLOWS.names, row, strict=True)) for row in store.scan(FLOWS)]
    behind = dict(_frames_behind(rows))
    verdicts = [(row, _judged_row(row, behind, judge, views[row["capture_id"].hex()])) for row in rows]
    differences = [_difference(row, verdict) for row, verdict in verdicts if _ours(row) != verdict]
    return Judged(len(rows), sum(verdict.hostname is not None for _, verdict in verdicts), differences)


def stored_facts(store: StoreReader) -> list[Fact]:
    """What the sensor's captures have learned, as the store keeps it."""
    rows = (dict(zip(NAMES_BY_CLIENT.names, row, strict=True)) for row in store.scan(NAMES_BY_CLIENT))
    return [_stored_fact(row) for row in rows]


def _stored_fact(row: Row) -> Fact:
    return Fact(
        start_ns=row["valid_from"] * 1_000_000 + row["ns"],
        capture=row["capture_id"].hex(),
        frame=row["frame"],
        hostname=row["hostname"],
        client=ip_address(row["client_ip"]),
        address=ip_address(row["address"]),
        ttl_s=(row["valid_to"] - row["valid_from"]) // 1000,
        asked=row["asked"],
    )


def _once(facts: Iterable[Fact]) -> Iterator[Fact]:
    """A client is told a name for an address once a nanosecond: the first of them counts."""
    seen = set()
    for fact in facts:
        key = (fact.client, fact.address, fact.start_ns, fact.hostname)
        if key not in seen:
            seen.add(key)
            yield fact


def _judged_row(row: Row, behind: dict[Place, int], judge: Judge, view: View) -> Verdict:
    """From the row's ends and first frame: all else is tshark's."""
    frame = view.frames[row["frame"]]
    source, destination = ip_address(row["source_ip"]), ip_address(row["destination_ip"])
    assert {source, destination} <= frame.addresses, row
    ends = Ends(source, row["source_port"], destination, row["destination_port"], _PROTOCOLS.get(row["protocol"], ""))
    said = view.first_said(ends, range(row["frame"], behind[row["capture_id"], row["frame"]]))
    return judge.name(source, destination, frame.ts_ns - row["chain_age_ns"], said)


def _frames_behind(rows: Iterable[Row]) -> Iterator[tuple[Place, int]]:
    """Where the 5-tuple of each row has its next row in the capture, if it has."""
    next_of: dict[tuple[object, ...], int] = {}
    for row in sorted(rows, key=lambda row: (row["capture_id"], row["frame"]), reverse=True):
        key = tuple(row[name] for name in _FLOW)
        yield (row["capture_id"], row["frame"]), next_of.get(key, sys.maxsize)
        next_of[key] = row["frame"]


def _ours(row: Row) -> Verdict:
    hostname = row["hostname"]
    return Verdict(hostname if hostname is None else spoken(hostname), row["name_evidence"], row["name_conflict"])


def _difference(row: Row, verdict: Verdict) -> Difference:
    flow = (
        f"{ip_address(row['source_ip'])}:{row['source_port']} -> {ip_address(row['destination_ip'])}:{row['destination_port']}"
    )
    return Difference(row["capture_id"].hex(), row["frame"], flow, _ours(row), verdict)


def main() -> int:
    """Print what differs."""
    rows = named = differing = 0
    for path in captures_with_answers():
        with tempfile.TemporaryDirectory() as folder:
            found = judged_capture(path, Path(folder))
        rows, named, differing = rows + found.rows, named + found.named, differing + len(found.differences)
        for difference in found.differences:
            print(path.relative_to(SHARED / "captures") if SHARED else path, *difference[1:], sep="\n    ")
    print(f"{rows} flow rows, {named} named, {differing} differ")
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main())
