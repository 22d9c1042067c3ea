"""What must hold for any bytes: rows or the agreed error, an exact balance, the same rows however the bytes come."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from loader.decode import layout
from loader.decode.columns import DecodedBatch, DecodeOptions
from loader.decode.decoder import CaptureDecoder
from loader.decode.formats import container_of
from loader.decode.held import HeldFrame
from loader.decode.walking import Unreadable
from loader.reading.capture import CaptureReading
from schema.errors import CaptureError
from tests.fuzz.containers import PCAP_SPAN_NS, Packet, pcapng_blocks, write_block, write_pcap
from tests.fuzz.inputs import Input
from tests.loader.decode.splitting import totals

_KINDS = ("flows", "minutes", "dns", "packets")
_MOST_PIECES = 200
_FAR_BELOW = 10_000  # packets: no input has so many

Rows = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class Decoded:
    """All that one reading gave; `error`: the reason of the agreed error, and no rows."""

    rows: Rows
    report: dict[str, Any]
    carried: bytes
    content_bytes: int
    error: str


class Guess:
    """A deep decoder that finds IP headers wherever it likes."""

    outcome = "guessed"

    def __init__(self, frames: Sequence[HeldFrame], rng: Random) -> None:
        self.offsets = [rng.choice((None, 0, rng.randrange(len(frame.data) + 1))) for frame in frames]
        self.counters = {"deep_guesses": len(frames)}

    def wait(self) -> Iterator[None]:
        yield None


def decoded(path: Path, options: DecodeOptions, carried: bytes | None = None, deep: Random | None = None) -> Decoded:
    """Read a file as the loader does; `deep`: with a second pass, led by chance."""
    reading = CaptureReading(path, options, carried, identify=False)
    try:
        rows = _rows(reading.batches((lambda frames: Guess(frames, deep)) if deep else None))
    except CaptureError as error:
        return Decoded(_rows([]), _dict(reading.report), b"", 0, error.reason)
    return Decoded(rows, _dict(reading.report), reading.carried, reading.content_bytes, "")


def fed(content: bytes, options: DecodeOptions, piece: int) -> Decoded | None:
    """The same content piece by piece, each in a buffer that holds nothing else but what was left; None: no capture."""
    container = container_of(memoryview(content), final=True)
    if isinstance(container, Unreadable):
        return None
    decoder = CaptureDecoder(container, options)
    piece = max(piece, len(content) // _MOST_PIECES)
    batches: list[DecodedBatch] = []
    left, at = b"", container.header_bytes
    while True:
        left, at = left + content[at : at + piece], at + piece
        needed = decoder.feed(memoryview(left), (0, len(left)), final=at >= len(content))
        batches += decoder.drain()
        left = left[needed:]
        if at >= len(content):
            break
    rows = _rows([*batches, *decoder.finish()])
    return Decoded(rows, _dict(decoder.report()), decoder.carried(), len(content), "")


def names_of(columns: Any) -> list[str]:
    """The fields of a record's class, in their order."""
    return list(type(columns).__annotations__)


def _dict(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in names_of(record)}


def _tuples(columns: Any) -> Iterator[tuple[Any, ...]]:
    return zip(*(getattr(columns, name) for name in names_of(columns)), strict=True)


def _rows(batches: Iterable[DecodedBatch]) -> Rows:
    """Batches end where they may: a minute's flow is told by its first frame, and rows are in the order of their keys."""
    rows: Rows = {kind: [] for kind in _KINDS}
    for batch in batches:
        assert all(0 <= flow < len(batch.flows) for flow in batch.minutes.flow)
        frames = batch.flows.frame
        rows["minutes"] += ((frames[flow], *rest) for flow, *rest in _tuples(batch.minutes))
        for kind in ("flows", "dns", "packets"):
            rows[kind] += _tuples(getattr(batch, kind))
    rows["flows"].sort(key=lambda row: row[_FLOW["frame"]])
    rows["minutes"].sort()
    rows["packets"].sort(key=lambda row: row[_PACKET["frame"]])
    rows["dns"].sort(key=lambda row: (row[_DNS["frame"]], row[_DNS["rr_index"]]))
    return rows


def _named(kind: str) -> dict[str, int]:
    return {name: n for n, name in enumerate(names_of(getattr(DecodedBatch(), kind)))}


_FLOW, _MINUTE, _DNS, _PACKET = map(_named, _KINDS)
_COUNTS = ("packets", "packets_rev", "bytes", "bytes_rev")


def _sum(rows: list[tuple[Any, ...]], columns: dict[str, int], name: str) -> int:
    return sum(row[columns[name]] for row in rows)


def check_balance(seen: Decoded, options: DecodeOptions) -> None:
    """Frames = packets of flows + packets of reasons; rows, their minutes and the packet rows say the same."""
    rows, report = seen.rows, seen.report
    assert report["frames"] == report["flow_packets"] + sum(report["non_flow"].values()), "balance"
    sums = {name: _sum(rows["flows"], _FLOW, name) for name in _COUNTS}
    assert sums["packets"] + sums["packets_rev"] == report["flow_packets"], "flow rows"
    assert sums == {name: _sum(rows["minutes"], _MINUTE, name) for name in _COUNTS}, "minutes"
    assert 0 <= report["consumed_bytes"] <= max(seen.content_bytes, 0), "consumed"
    assert all(count > 0 for counts in (report["non_flow"], report["damage"], report["counters"]) for count in counts.values())
    if options.packets:
        reasons = Counter(row[_PACKET["reason"]] for row in rows["packets"])
        assert reasons.pop(None, 0) == report["flow_packets"], "packet rows"
        assert reasons == report["non_flow"], "packet rows by reason"
        assert [row[0] for row in rows["packets"]] == list(range(1, report["frames"] + 1)), "frames"


def check_rows(seen: Decoded) -> None:
    """Values are in their ranges, text is escaped and bounded."""
    frames = [row[_FLOW["frame"]] for row in seen.rows["flows"]]
    assert len(set(frames)) == len(frames), "two flow rows of one first frame"
    for row in seen.rows["flows"]:
        assert 1 <= row[_FLOW["frame"]] <= seen.report["frames"]
        assert row[_FLOW["packets"]] + row[_FLOW["packets_rev"]] > 0
        assert {len(row[_FLOW["source_ip"]]), len(row[_FLOW["destination_ip"]])} <= {4, 16}
        assert max(row[_FLOW["source_port"]], row[_FLOW["destination_port"]]) <= 65_535
        assert row[_FLOW["first_ts_ns"]] <= row[_FLOW["last_ts_ns"]]
    records = [(row[_DNS["frame"]], row[_DNS["rr_index"]]) for row in seen.rows["dns"]]
    assert len(set(records)) == len(records), "two DNS rows of one place in a frame"
    for row in seen.rows["dns"]:
        assert row[_DNS["address"]] is None or len(row[_DNS["address"]]) in (4, 16)
        for name in ("qname", "rr_name", "rdata", "names"):
            text = row[_DNS[name]]
            assert text is None or (len(text) <= 65_536 and text.isascii() and text.isprintable()), name


def check(made: Input, path: Path) -> Decoded:
    """Everything, some of it for some of the inputs; gives what the first reading gave."""
    path.write_bytes(made.content)
    options, rng = made.options, made.rng
    deep = rng if rng.random() < 0.3 else None
    seen = decoded(path, options, deep=deep)
    check_balance(seen, options)
    check_rows(seen)
    pieces = fed(made.content, options, made.piece) if not deep and rng.random() < 0.4 else None
    if pieces:
        _same(seen, pieces, "in other pieces")
    if seen.carried and rng.random() < 0.3:
        again = decoded(path, options, seen.carried)
        check_balance(again, options)
        check_rows(again)
        assert again.report["frames"] == seen.report["frames"]
    if made.packets and rng.random() < 0.2:
        _check_containers(made.packets, path, rng)
    if made.packets and len(made.packets) < layout.MAX_OPEN_FLOWS and rng.random() < 0.2:
        _check_cut(made.packets, rng)
    return seen


def _same(one: Decoded, other: Decoded, how: str) -> None:
    for kind in _KINDS:
        assert one.rows[kind] == other.rows[kind], f"{kind} {how}"
    assert one.report == other.report, f"report {how}: {one.report} {other.report}"
    assert (one.carried, one.error) == (other.carried, other.error), f"carried {how}"


def _check_containers(packets: list[Packet], path: Path, rng: Random) -> None:
    """In nanosecond pcap and in pcapng, where other bytes follow each frame: what is read behind a frame would show."""
    options = DecodeOptions(packets=True)
    alike = [packet._replace(link=packets[0].link, ts=packet.ts % PCAP_SPAN_NS) for packet in packets]
    path.write_bytes(write_pcap(alike, 0xA1B23C4D))
    plain = decoded(path, options)
    path.write_bytes(b"".join(map(write_block, pcapng_blocks(alike, rng, exact=True))))
    blocks = decoded(path, options)
    assert not blocks.report["damage"], "damage in pcapng"
    if not plain.report["damage"]:
        counters = {name: n for name, n in blocks.report["counters"].items() if not name.startswith(("pcapng", "isb_"))}
        report = {**blocks.report, "consumed_bytes": plain.report["consumed_bytes"], "counters": counters}
        _same(plain, replace(blocks, report=report), "in pcapng")


def _check_cut(packets: list[Packet], rng: Random) -> None:
    """As two captures of one sensor."""
    options = DecodeOptions(packets=True, carries=True)
    alike = [packet._replace(link=packets[0].link, ts=packet.ts % PCAP_SPAN_NS) for packet in packets]
    cut = rng.randrange(len(alike) + 1)
    whole, parts = totals(alike, [], options), totals(alike, [cut], options)
    for name in ("frames", "non_flow", "counters", "chains", "minutes", "packets", "dns"):
        assert getattr(whole, name) == getattr(parts, name), f"{name} when cut at {cut}"


def features(seen: Decoded) -> Iterator[str]:
    """What of the decoder this input reached, in words."""
    report = seen.report
    yield f"agreed error: {seen.error}" if seen.error else "decoded"
    for kind, counts in (("reason", report["non_flow"]), ("damage", report["damage"]), ("counter", report["counters"])):
        yield from (f"{kind}: {name}" for name in counts)
    yield from (f"rows: {kind}" for kind, rows in seen.rows.items() if rows)
    for name in ("end_reason", "initiator", "protocol"):
        yield from {f"flow {name}: {row[_FLOW[name]]}" for row in seen.rows["flows"]}
    for name in ("tunnel", "said_name"):
        if any(row[_FLOW[name]] for row in seen.rows["flows"]):
            yield f"flow: {name}"
    for name in ("transport", "kind", "section"):
        yield from {f"dns {name}: {row[_DNS[name]]}" for row in seen.rows["dns"]}
    if any(row[_DNS["rcode"]] is None for row in seen.rows["dns"]):
        yield "dns: unanswered"
    if any(row[_DNS["names"]] for row in seen.rows["dns"]):
        yield "dns: names"
