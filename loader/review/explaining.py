"""One packet in full, as the decoder sees it: what was read of it, which flow it is in, what DNS it carries."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TypeVar

from loader.commit.alone import builder_alone
from loader.decode.columns import DecodedBatch, DecodeOptions, DnsColumns, FlowColumns, PacketColumns
from loader.decode.deepened import decode_held, payload_of
from loader.decode.held import HeldFrame
from loader.reading.capture import CaptureReading, DeepDecoder
from loader.rows.building import RowBuilder
from schema.errors import CaptureError
from schema.tables import FLOWS, RowBatch

_DNS_PORTS = {53, 5353, 5355}
_DNS_FAULTS = ("dns_malformed", "dns_malformed_rdata", "dns_too_large", "dns_cut", "dns_other_opcode")
_TCP = 6

_Columns = TypeVar("_Columns", PacketColumns, DnsColumns)
_Ends = frozenset[tuple[bytes | None, int | None]]


@dataclass(slots=True)
class Explanation:
    """Of one packet."""

    frame: HeldFrame
    deep: str  # `CaptureReading.deep_outcome`
    ip_offset: int | None  # where its IP header begins, if only the deep decoder knows
    packet: PacketColumns  # one row
    flows: list[tuple[object, ...]]  # rows of `FLOWS` that it is counted in: one, but for equal addresses in two tunnels
    dns: DnsColumns
    dns_message: bytes  # what it carries if a port says DNS; else nothing
    dns_faults: dict[str, int]  # what the decoder counts against this message, by itself


def explain(path: str, number: int, deep: DeepDecoder | None) -> Explanation:
    """Read the capture and explain one packet of it (frames count from 1); `deep` as of `CaptureReading.batches`.

    Raises `CaptureError` where there is no such packet.
    """
    reading = CaptureReading(path, DecodeOptions(packets=True), identify=False)
    found = _Found(number)
    with closing(found.builder):
        for batch in reading.batches(deep, watch=number):
            found.look(batch)
        flows = found.flows()
    frame = reading.watched
    if frame is None:
        frames = reading.report.frames
        raise CaptureError("no_such_frame", f"there is no packet {number}: the last one is {frames}")
    _, alone = decode_held([frame], [reading.watched_ip], DecodeOptions())
    faults = {name: count for name, count in alone.counters.items() if name in _DNS_FAULTS}
    return Explanation(
        frame=frame,
        deep=reading.deep_outcome,
        ip_offset=reading.watched_ip,
        packet=found.packet,
        flows=flows,
        dns=found.dns,
        dns_message=_dns_message(found.packet, payload_of(frame, reading.watched_ip)),
        dns_faults=faults,
    )


@dataclass(slots=True)
class _Found:
    """Rows of one packet, out of batches."""

    number: int
    packet: PacketColumns = field(default_factory=PacketColumns)
    dns: DnsColumns = field(default_factory=DnsColumns)
    builder: RowBuilder = field(default_factory=builder_alone)
    _rows: list[list[int]] = field(default_factory=list)  # its flows, by batch of flows

    def look(self, batch: DecodedBatch) -> None:
        """A flow's row never comes before those of its packets."""
        if rows := _of_frame(batch.packets.frame, self.number):
            self.packet = _only(batch.packets, rows)
        if rows := _of_frame(batch.dns.frame, self.number):
            self.dns = _only(batch.dns, rows)
        for _ in self.builder.build(batch):  # answers name flows; their rows are nobody's concern
            pass
        if len(batch.flows):
            self._rows.append(list(self._flows_of_packet(batch.flows)) if len(self.packet) else [])

    def flows(self) -> list[tuple[object, ...]]:
        """Rows of `FLOWS` that it is counted in, when all batches were looked at."""
        made = (rows for rows in self.builder.finish(b"") if rows.table is FLOWS)
        return [row for batch, rows in zip(made, self._rows, strict=True) for row in _picked(batch, rows)]

    def _flows_of_packet(self, flows: FlowColumns) -> Iterator[int]:
        packet = self.packet
        if packet.reason[0] is not None:
            return
        ends = frozenset(((packet.source_ip[0], packet.source_port[0]), (packet.destination_ip[0], packet.destination_port[0])))
        ts_ns, protocol = packet.ts_ns[0], packet.protocol[0]
        for i in range(len(flows)):
            if flows.first_ts_ns[i] <= ts_ns <= flows.last_ts_ns[i] and flows.protocol[i] == protocol:
                source = (flows.source_ip[i], flows.source_port[i])
                if frozenset((source, (flows.destination_ip[i], flows.destination_port[i]))) == ends:
                    yield i


def _of_frame(frames: Iterable[int], number: int) -> list[int]:
    return [i for i, frame in enumerate(frames) if frame == number]


def _only(columns: _Columns, rows: list[int]) -> _Columns:
    return type(columns)(**{name: [column[i] for i in rows] for name, column in columns.as_dict().items()})


def _picked(batch: RowBatch, rows: list[int]) -> Iterator[tuple[object, ...]]:
    return (tuple(column[i] for column in batch.columns) for i in rows)


def _dns_message(packet: PacketColumns, payload: bytes) -> bytes:
    """A datagram's payload; of TCP a message that begins and ends in this segment (RFC 1035 4.2.2)."""
    if not _DNS_PORTS & {packet.source_port[0], packet.destination_port[0]}:
        return b""
    if packet.protocol[0] != _TCP:
        return payload
    return payload[2:] if len(payload) > 2 and int.from_bytes(payload[:2], "big") == len(payload) - 2 else b""
