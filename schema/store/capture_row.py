"""A row of `captures` as both adapters select it, and the record that crosses the port."""

from collections.abc import Mapping, Sequence
from typing import Any

from schema.records import CaptureFacts, CaptureRecord, LedgerPosition

FACTS = (
    "capture_id, file_name, file_id, size_bytes, content_bytes, consumed_bytes, link_types, frames, kernel_drops,"
    " first_ts_ns, last_ts_ns"
)
RECORD = f"{FACTS}, sensor, state, reason, detail, inputs, segment, seq, nonce, finished_at"


def capture_record(row: Sequence[Any], link_types: Sequence[int], inputs: Mapping[str, str]) -> CaptureRecord:
    """The record of a row that begins with `RECORD`; `link_types` and `inputs`: those columns as the adapter decodes them."""
    capture_id, file_name, file_id, size, content, consumed, _, frames, drops, first, last = row[:11]
    sensor, state, reason, detail, _, segment, seq, nonce, finished_at = row[11:20]
    facts = CaptureFacts(
        capture_id=capture_id,
        file_name=file_name,
        file_id=file_id,
        size_bytes=size,
        content_bytes=content,
        consumed_bytes=consumed,
        link_types=tuple(link_types),
        frames=frames,
        kernel_drops=drops,
        first_ts_ns=first,
        last_ts_ns=last,
    )
    return CaptureRecord(
        facts=facts,
        sensor=sensor,
        state=state,
        reason=reason,
        detail=detail,
        inputs=inputs,
        position=None if seq is None else LedgerPosition(segment=segment, seq=seq, nonce=nonce),
        loaded_at_ms=finished_at if state == "loaded" else 0,
    )
