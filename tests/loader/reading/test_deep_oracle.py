"""Public captures of link types that only the deep decoder reads, against tshark's own rows; and the balance of them all."""

import gzip
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from loader.decode.columns import DecodedBatch, DecodeOptions, DecodeReport
from loader.decode.reasons import DEEP_REASONS, REASON_TEXT
from loader.reading.capture import CaptureReading, DeepDecoder
from loader.reading.deep import TsharkBatch
from schema.errors import CaptureError
from tests.loader.decode.captures import assert_balanced
from tests.loader.decode.oracle_classes import UNEXPLAINED
from tests.loader.decode.oracle_comparison import compare
from tests.servers import require
from tests.shared_captures import needs_shared, shared_captures

pytestmark = pytest.mark.usefixtures("tshark_asked_once")
_FLAGGED = {REASON_TEXT[reason] for reason in DEEP_REASONS}
# What differs, and why: file, frame, fields.
_KNOWN = {("802_15_4-data.pcap", 1): {"source", "destination", "protocol"}}  # 6LoWPAN: no IP header in the frame's bytes
_SHARES = 4  # of the captures, for tests to run side by side


@pytest.fixture(scope="module")
def flagged() -> list[Path]:
    """Captures with frames that the deep decoder is asked about."""
    require(shutil.which("tshark") is not None, "tshark is not here")
    return [path for path in shared_captures() if _FLAGGED & _read(path, None)[1].non_flow.keys()]


def _read(path: Path, deep: DeepDecoder | None) -> tuple[list[DecodedBatch], DecodeReport]:
    reading = CaptureReading(path, DecodeOptions(packets=True), identify=False)
    try:
        batches = list(reading.batches(deep))
    except CaptureError:
        return [], reading.report
    assert_balanced(batches, reading.report)
    return batches, reading.report


def _expected(path: Path) -> list[dict[str, object]]:
    with gzip.open(f"{path}.expected.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [row for row in map(json.loads, lines) if row["t"] == "packet"]


@needs_shared
def test_rows_are_those_that_tshark_sees(flagged: list[Path]) -> None:
    """Where tshark reads the file at all, and sees an IP header in it."""
    captures = [path for path in flagged if any(row["depth"] for row in _expected(path))]
    comparison = compare(captures, TsharkBatch)
    left = comparison.differences.get(UNEXPLAINED, [])
    assert {(each.capture.name, each.frame): set(each.fields) for each in left} == _KNOWN
    assert comparison.captures["compared"] >= 18


@needs_shared
@pytest.mark.parametrize("share", range(_SHARES))
def test_every_frame_is_in_the_balance_before_and_after(flagged: list[Path], share: int) -> None:
    gained: Counter[str] = Counter()
    for path in flagged[share::_SHARES]:
        before, (batches, report) = _read(path, None)[1], _read(path, TsharkBatch)
        assert report.frames == before.frames
        assert report.flow_packets >= before.flow_packets
        frames = sorted(frame for batch in batches for frame in batch.packets.frame)
        assert frames == list(range(1, report.frames + 1))
        gained.update(flow_packets=report.flow_packets - before.flow_packets)
        gained.update({name: count for name, count in report.counters.items() if name.startswith("deep_")})
    assert gained["deep_failed"] == gained["deep_absent"] == 0
    assert gained["deep_asked"] > gained["deep_answered"] >= gained["flow_packets"] > 0
