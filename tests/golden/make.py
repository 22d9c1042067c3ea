"""Writes the golden captures and the rows that the decoder gives for them: `python -m tests.golden.make`.

What changes in the rows shows in the diff of the JSON lines; it is for people to judge whether it is meant.
"""

import json
import sys
from pathlib import Path

from loader.decode.columns import DecodedBatch, DecodeOptions, DecodeReport
from loader.reading.capture import CaptureReading
from loader.reading.deep import TsharkBatch
from pcapline.objects import dns_objects, packet_objects
from tests.golden import (
    container_captures,
    deep_captures,
    dns_captures,
    fragment_captures,
    packet_captures,
    said_captures,
    tunnel_captures,
)
from tests.loader.decode.captures import flow_rows

FOLDER = Path(__file__).parent / "captures"
_PARTS = (
    packet_captures,
    tunnel_captures,
    fragment_captures,
    container_captures,
    dns_captures,
    said_captures,
    deep_captures,
)
CAPTURES = {name: capture for part in _PARTS for name, capture in part.CAPTURES.items()}
DEEP = deep_captures.CAPTURES.keys()  # their rows need tshark


def golden_lines(path: Path) -> list[str]:
    """Packets with their reasons, flows, DNS records with the names they give and the latency, and the balance: JSON lines."""
    reading = CaptureReading(path, DecodeOptions(packets=True), identify=False)
    items: list[dict[str, object]] = []
    for batch in reading.batches(TsharkBatch if path.stem in DEEP else None):
        items += _rows(batch)
    items.append({"record": "report", **_report(reading.report)})
    return [json.dumps(item, default=_plain, separators=(",", ":")) for item in items]


def _rows(batch: DecodedBatch) -> list[dict[str, object]]:
    packets = packet_objects(batch.packets)
    rows = [{**item, "reason": reason} for item, reason in zip(packets, batch.packets.reason, strict=True)]
    rows += [{"record": "flow", **row} for row in flow_rows([batch])]
    for item, name in zip(dns_objects(batch.dns), batch.dns.names, strict=True):
        latency = item.pop("latency_us")
        rows.append({**item, "names": name, "latency_us": latency})
    return rows


def _report(report: DecodeReport) -> dict[str, object]:
    return report.as_dict()


def _plain(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(type(value).__name__)


def main() -> None:
    """Write them all; what is no longer made is removed."""
    FOLDER.mkdir(exist_ok=True)
    for stale in FOLDER.iterdir():
        stale.unlink()
    for name, content in CAPTURES.items():
        path = FOLDER / f"{name}.pcap"
        path.write_bytes(content)
        path.with_suffix(".jsonl").write_text("\n".join(golden_lines(path)) + "\n", encoding="ascii")
    sys.stdout.write(f"{len(CAPTURES)} captures in {FOLDER}\n")


if __name__ == "__main__":
    main()
