"""The four identities: what was counted, counted again from where it came. Reads a store, changes nothing, knows no clock.

packets   packets in the file            = flow packets both ways + non-flow packets by reason
rows      own rows in the manifest       = rows counted back in the store, until they expire
totals    the ledger's totals            = the segment's opening totals + the sum of its commits
metrics   what a scrape returned, summed = the ledger's totals at the scrape's position
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from exporter.admissions import sum_of
from exporter.chain import add_counts, add_totals
from exporter.follower import read_all
from exporter.metric_names import ENDPOINT_COUNTERS, LEDGER_POSITION
from exporter.reconciliation import MAX_NAMED, Coverage, Difference, Reconciliation, Tally, sides
from exporter.rounds import ALL, Selection
from exporter.scrape import Sample, samples
from schema.errors import StoreUnavailableError
from schema.records import CommitRecord, EndpointTotals, LedgerPosition, LedgerTotals
from schema.store.reading import Recount, StoreReader
from schema.tables import BY_NAME

# A ledger whose segment is sealed between two reads is read again, so often at most.
ATTEMPTS = 3


def reconcile(
    reader: StoreReader,
    now_ms: int,
    scrape: Callable[[], str] | None = None,
    sensors: Collection[str] | None = None,
    *,
    selection: Selection = ALL,
) -> Reconciliation:
    """Check the identities of all sensors, or of some; `packets` and `rows` of the captures selected.

    `scrape` gives the text of an exposition; `metrics` is not checked without it, nor when only some sensors are.
    """
    tally, coverage = Tally(), Coverage()
    for identity in ("packets", "rows", "totals"):
        tally.begin(identity)
    for sensor in sorted(record.sensor for record in reader.sensors()):
        if sensors is None or sensor in sensors:
            ledger = _check_totals(tally, reader, sensor)
            coverage = coverage.plus(_check_captures(tally, reader, ledger, selection, now_ms))
    if scrape is not None and sensors is None:
        _check_metrics(tally, reader, scrape())
    return Reconciliation(
        at_ms=now_ms,
        identities=tally.identities(),
        coverage=coverage,
        differing=tuple(tally.differing),
        differing_count=tally.differing_count,
    )


def is_exporters(page: str) -> bool:
    """Whether it is an exporter's metrics page: the loader's, or any other text, has nothing to hold against a ledger."""
    return any(line.startswith(f"# TYPE {LEDGER_POSITION} ") for line in page.split("\n"))


def _check_captures(tally: Tally, reader: StoreReader, ledger: LedgerTotals, selection: Selection, now_ms: int) -> Coverage:
    """`packets` and `rows` of one sensor, capture by capture; what one costs is bounded by its own rows."""
    checked = expired = 0
    for commit in selection.of(reader, ledger, now_ms):
        recount = reader.recount(commit.capture_id)
        pairs = [_packets(commit, recount), *_rows(reader, commit, recount, now_ms)]
        holds = all(pair.left == pair.right for pair in pairs)
        if not holds:
            record = reader.capture(commit.capture_id)
            pairs = [replace(pair, file_name=record.facts.file_name if record else "") for pair in pairs]
        for pair in pairs:
            tally.compare(pair)
        selection.recounted(commit, holds=holds)
        checked += 1
        expired += any(commit.rows.values()) and len(pairs) == 1
    return Coverage(captures=ledger.totals.get("captures", 0), checked=checked, expired=expired)


def _packets(commit: CommitRecord, recount: Recount) -> Difference:
    flow_packets = commit.flow_packets if recount.flow_packets is None else recount.flow_packets
    found = flow_packets + sum(commit.non_flow.values())
    return _of_capture(commit, "packets", "packets", (commit.frames, found))


def _rows(reader: StoreReader, commit: CommitRecord, recount: Recount, now_ms: int) -> Iterator[Difference]:
    for table, expected, found in sides(recount.expected, recount.found):
        yield _of_capture(commit, "rows", table, (expected, found))
    # A recount leaves out tables whose rows have expired. One that is missing for another reason must not look so.
    for table in commit.rows.keys() - recount.expected.keys():
        if commit.rows[table] and not _is_expired(reader, commit, table, now_ms):
            yield _of_capture(commit, "rows", table, (commit.rows[table], 0))


def _is_expired(reader: StoreReader, commit: CommitRecord, table: str, now_ms: int) -> bool:
    lifetime_ms = BY_NAME[table].ttl_seconds * 1000
    if commit.loaded_at_ms + lifetime_ms <= now_ms:
        return True
    record = reader.capture(commit.capture_id)
    return record is not None and record.rows_expire_from_ms + lifetime_ms <= now_ms


def _of_capture(commit: CommitRecord, identity: str, subject: str, numbers: tuple[int, int]) -> Difference:
    return Difference(
        identity=identity,
        sensor=commit.sensor,
        subject=subject,
        left=numbers[0],
        right=numbers[1],
        capture_id=commit.capture_id,
    )


def _of_ledger(sensor: str, numbers: tuple[str, int, int], capture_id: bytes = b"") -> Difference:
    subject, left, right = numbers
    return Difference(identity="totals", sensor=sensor, subject=subject, left=left, right=right, capture_id=capture_id)


def _check_totals(tally: Tally, reader: StoreReader, sensor: str) -> LedgerTotals:
    """`totals` of one sensor, over its current segment; gives the ledger as it was read."""
    for _ in range(ATTEMPTS):
        ledger = reader.ledger(sensor)
        opening = reader.opening(sensor, ledger.position.segment)
        replayed, chained, missing = _replay(
            opening, reader.commits(sensor, opening.position.seq, deltas=True), ledger.position
        )
        if reader.ledger(sensor).position.segment == ledger.position.segment:
            equal = {name for name, totals in ledger.endpoints.items() if replayed.endpoints.get(name) == totals}
            tally.agree("totals", sum(sum_of(ledger.endpoints[name] for name in equal)))
            written = {**_flat(ledger, equal), "commits": ledger.position.seq - opening.position.seq}
            found = {**_flat(replayed, equal), "commits": chained}
            lost = [_of_ledger(sensor, (subject, 1, 0), capture_id) for subject, capture_id in missing]
            for pair in [*lost, *(_of_ledger(sensor, totals) for totals in sides(written, found))]:
                tally.compare(pair)
            return ledger
    raise StoreUnavailableError(f"the ledger of sensor {sensor} is sealed faster than it can be read")


def _replay(
    opening: LedgerTotals, commits: Iterable[CommitRecord], until: LedgerPosition
) -> tuple[LedgerTotals, int, list[tuple[str, bytes]]]:
    """Opening totals plus commits; how many of these follow the one before them by its nonce; and what is not there of them,
    the first of it, with its capture where that is known: totals tell only that something is missing."""
    endpoints, totals = dict(opening.endpoints), dict(opening.totals)
    before, chained = opening.position, 0
    missing: list[tuple[str, bytes]] = []
    for commit in commits:
        if commit.position.seq > until.seq:
            break
        if commit.deltas is not None:
            add_totals(endpoints, commit.deltas.endpoints)
            add_counts(totals, commit.deltas.totals)
        if len(missing) < MAX_NAMED:
            missing += _missing(before, commit)
        chained += commit.previous == before.nonce
        before = commit.position
    return replace(opening, endpoints=endpoints, totals=totals), chained, missing


def _missing(before: LedgerPosition, commit: CommitRecord) -> Iterator[tuple[str, bytes]]:
    for seq in range(before.seq + 1, min(commit.position.seq, before.seq + MAX_NAMED)):
        yield f"commit {seq}", b""
    if commit.deltas is None:
        yield f"what commit {commit.position.seq} added", commit.capture_id


def _flat(ledger: LedgerTotals, without: Collection[str]) -> dict[str, int]:
    """All totals by one name each, but for those of some endpoints: `flows of www.example.com`, `total rows/flows`."""
    flat = {f"total {name}": count for name, count in ledger.totals.items()}
    for endpoint in ledger.endpoints.keys() - without:
        totals = ledger.endpoints[endpoint]
        flat.update({f"{field} of {endpoint}": count for field, count in totals._asdict().items()})
    return flat


def _check_metrics(tally: Tally, reader: StoreReader, page: str) -> None:
    """`metrics`, at the positions the scrape itself names; not checked where these cannot be read back."""
    shown, positions = _shown(samples(page))
    counted = _counted(reader, positions)
    if counted is None or (not positions and reader.sensors()):
        return
    tally.begin("metrics")
    expected = {
        f"{counter.sample} of network {network}": getattr(totals, counter.field)
        for network, totals in counted.items()
        for counter in ENDPOINT_COUNTERS
    }
    for subject, left, right in sides(shown, expected):
        tally.compare(Difference(identity="metrics", subject=subject, left=left, right=right))


def _shown(exposed: Iterable[Sample]) -> tuple[dict[str, int], dict[str, int]]:
    """What the scrape returned by counter and network, over all endpoints, with what was retired; and at which position of
    each sensor. A sample at a time: there are ten thousand."""
    counter_of = {counter.sample: counter.sample for counter in ENDPOINT_COUNTERS}
    counter_of |= {counter.retired: counter.sample for counter in ENDPOINT_COUNTERS}
    shown: dict[str, int] = {}
    positions: dict[str, int] = {}
    for sample in exposed:
        if sample.name == LEDGER_POSITION:
            positions[sample.labels["sensor"]] = int(sample.value)
        elif sample.name in counter_of:
            subject = f"{counter_of[sample.name]} of network {sample.labels['network']}"
            shown[subject] = shown.get(subject, 0) + int(sample.value)
    return shown, positions


def _counted(reader: StoreReader, positions: Mapping[str, int]) -> dict[str, EndpointTotals] | None:
    """The ledgers' totals by network at these positions; None where one lies before what the ledger still tells."""
    networks: dict[str, EndpointTotals] = {}
    for sensor, seq in positions.items():
        followed = read_all(reader, sensor, LedgerPosition(seq=seq))
        growth: Mapping[str, EndpointTotals] = {}
        if followed.totals.position.seq > seq:  # else nothing has grown; or commits were lost, and the sums will differ
            if followed.growth is None:
                return None
            growth = followed.growth.endpoints
        total = sum_of(followed.totals.endpoints.values()).minus(sum_of(growth.values()))
        add_totals(networks, {followed.totals.network: total})
    return networks
