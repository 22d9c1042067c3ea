"""The balance of one file that is only read, as an object and as a line."""

from collections.abc import Callable, Mapping
from typing import Any

from loader.decode.columns import DecodedBatch, DecodeOptions
from loader.reading.capture import CaptureReading, DeepDecoder
from pcapline.text import count_text, counts_text, printable
from schema.enums import FileState
from schema.errors import CaptureError

Object = dict[str, Any]
_STATES = {FileState.LOADED: "readable", FileState.EMPTY: "empty", FileState.QUARANTINED: "not readable"}


def _pass_by(_batch: DecodedBatch) -> None:
    """Where nobody looks."""


def summary_of(file: str, deep: DeepDecoder | None, look: Callable[[DecodedBatch], None] = _pass_by) -> Object:
    """Decode a file and count; `deep` as of `CaptureReading.batches`; `look` is shown all there is to count. Raises `OSError`
    where the file cannot be read."""
    reading = CaptureReading(file, DecodeOptions(), identify=False)
    rows = {"flows": 0, "dns_answers": 0}
    try:
        for batch in reading.batches(deep):
            rows["flows"] += len(batch.flows)
            rows["dns_answers"] += len(batch.dns)
            look(batch)
    except CaptureError as error:
        state, reason = FileState.QUARANTINED, f"{error.reason}: {error}"
    else:
        state = FileState.LOADED if reading.report.frames else FileState.EMPTY
        reason = counts_text(reading.report.damage)
    return {
        "record": "summary",
        "file": file,
        "state": state.value,
        "reason": reason,
        "packets": reading.report.frames,
        "flow_packets": reading.report.flow_packets,
        "non_flow": dict(reading.report.non_flow),
        "damage": dict(reading.report.damage),
        "rows": rows,
    }


def state_text(summary: Mapping[str, Any]) -> str:
    """What `state` means for a file that is only looked at: nothing is loaded, nothing is moved."""
    return _STATES[summary["state"]]


def summary_line(summary: Mapping[str, Any]) -> str:
    """The same for people."""
    parts = [
        count_text(summary["packets"], "packet"),
        f"{summary['flow_packets']:,} in {count_text(summary['rows']['flows'], 'flow')}",
        count_text(summary["rows"]["dns_answers"], "DNS record"),
    ]
    if summary["non_flow"]:
        parts.append(f"in no flow: {counts_text(summary['non_flow'])}")
    reason = f"  ({summary['reason']})" if summary["reason"] else ""
    return f"{printable(summary['file'])}: {state_text(summary)}: {'; '.join(parts)}{reason}"
