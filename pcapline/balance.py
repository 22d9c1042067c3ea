"""The balance of one file that is read: what `read --summary` and `explain` tell of it."""

from pathlib import Path
from typing import TYPE_CHECKING

from pcapline.objects import Object, summary_object
from pcapline.text import counts_text
from schema.errors import CaptureError
from schema.records import FileState

if TYPE_CHECKING:
    from loader.reading import DeepDecoder


def balance_of(file: Path, deep: "DeepDecoder | None") -> Object:
    """A `summary` object; what is no capture has the state `quarantined` and its reason."""
    from loader.decode.columns import DecodeOptions
    from loader.reading import CaptureReading

    report, rows = None, {"flows": 0, "dns_answers": 0}
    try:
        reading = CaptureReading(file, DecodeOptions(), None, identify=False)
        for batch in reading.batches(deep):
            rows["flows"] += len(batch.flows)
            rows["dns_answers"] += len(batch.dns)
        report = reading.report
        state = FileState.LOADED if report.frames else FileState.EMPTY
        reason = counts_text(report.damage)
    except CaptureError as error:
        state, reason = FileState.QUARANTINED, f"{error.reason}: {error}"
    return summary_object(file, state, reason, report, rows)
