"""The packets of a flow row, found again in its capture."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from loader.decode.columns import DecodeOptions, PacketColumns
from loader.reading.capture import CaptureReading, DeepDecoder
from schema.errors import CaptureError

_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowFrames:
    """Frame numbers, rising."""

    frames: list[int]
    named_in: int | None  # where the hello or head ends that says the row's name; None: in an earlier capture, or nowhere


def frames_of(path: str, row: Mapping[str, Any], deep: DeepDecoder | None) -> FlowFrames:
    """Read the capture for the packets of a row of `flows`; `deep` as of `CaptureReading.batches`.

    Raises `CaptureError` where the file is not the row's capture.
    """
    reading = CaptureReading(path, DecodeOptions(packets=True), identify=True)
    frames: list[int] = []
    named_in = None
    for batch in reading.batches(deep):
        for frame, said in _matching(batch.packets, row):
            frames.append(frame)
            if named_in is None and said is not None and said == row["hostname"]:
                named_in = frame
    if reading.capture_id != row["capture_id"]:
        raise CaptureError(
            "another_capture", f"it is capture {reading.capture_id.hex()}, the row is of {row['capture_id'].hex()}"
        )
    # A 5-tuple used again within a microsecond would go on behind the row's last packet.
    return FlowFrames(frames=sorted(frames)[: row["packets"] + row["packets_rev"]], named_in=named_in)


def _matching(packets: PacketColumns, row: Mapping[str, Any]) -> Iterator[tuple[int, str | None]]:
    """Packets of its 5-tuple, either way, from its first frame to its last moment; with what those of its source say."""
    source, destination = (row["source_ip"], row["source_port"]), (row["destination_ip"], row["destination_port"])
    first_ns = row["ts"] * _MS + row["ns"]
    last_ns = first_ns + (row["duration_us"] + 1) * 1_000
    columns = (packets.source_ip, packets.source_port, packets.destination_ip, packets.destination_port)
    facts = (packets.frame, packets.ts_ns, packets.protocol, packets.reason, packets.said_name)
    for sender, sport, receiver, dport, frame, ts_ns, protocol, reason, said in zip(*columns, *facts, strict=True):
        if reason is not None or protocol != row["protocol"] or frame < row["frame"] or not first_ns <= ts_ns <= last_ns:
            continue
        if ((sender, sport), (receiver, dport)) == (source, destination):
            yield frame, said
        elif ((receiver, dport), (sender, sport)) == (source, destination):
            yield frame, None
