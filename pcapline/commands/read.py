"""Decode captures and show what is in them, without a store.

pcapline read holiday.pcap --dns
pcapline read *.pcap.gz --summary --json
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcapline.text import count_text, counts_text, printable
from pcapline.usage import at_least_one
from schema.errors import CaptureError

if TYPE_CHECKING:
    from loader.decode.columns import DecodedBatch
    from loader.reading import CaptureReading
    from pcapline.output import Object


def arguments(parser: ArgumentParser) -> None:
    """Which files, what of them, and how it is written."""
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="captures, plain or compressed")
    shown = parser.add_mutually_exclusive_group()
    for view, text in _VIEWS.items():
        shown.add_argument(f"--{view}", dest="view", action="store_const", const=view, default="flows", help=text)
    in_full = "one packet in full, by the deep decoder (tshark)"
    shown.add_argument("--frame", metavar="N", type=at_least_one, help=in_full)
    written = parser.add_mutually_exclusive_group()
    for form, text in _FORMS.items():
        written.add_argument(f"--{form}", dest="form", action="store_const", const=form, default="table", help=text)


_VIEWS = {
    "flows": "one row a flow (what is shown by default)",
    "dns": "one row a resource record",
    "packets": "one row a packet",
    "summary": "only the balance of each file",
}
_FORMS = {"json": "one JSON object a line", "csv": "comma-separated values with a header"}


def run(given: Namespace) -> int:
    """One file after the other; what ails one leaves the others alone."""
    if given.frame is None:
        return max(_read_file(file, given.view, given.form) for file in given.files)
    from loader.tshark import explain_packet

    for file in given.files:
        sys.stdout.write(explain_packet(file, given.frame) + "\n")
    return 0


def _read_file(file: Path, view: str, form: str) -> int:
    """Show one file; returns the exit code it is worth: not 0 where it could not be shown, which has then been said."""
    try:
        return _summarize(file, form) if view == "summary" else _show(file, view, form)
    except BrokenPipeError:
        raise
    except (CaptureError, OSError) as error:
        _say(file, _why(error))
        return 4 if isinstance(error, PermissionError) else 1


def _show(file: Path, view: str, form: str) -> int:
    from pcapline import output

    objects, fields = {
        "flows": (_flows, output.FLOW_FIELDS),
        "dns": (_dns, output.DNS_FIELDS),
        "packets": (_packets, output.PACKET_FIELDS),
    }[view]
    reading = _open(file, packets=view == "packets")
    output.write(objects(reading), output.Format(form), fields)
    if reading.report.damage:
        _say(file, f"{counts_text(reading.report.damage)}; all packets before it are shown")
    elif not reading.report.frames:
        _say(file, "no packets")
    return 0


def _why(error: Exception) -> str:
    match error:
        case FileNotFoundError():
            return "no such file"
        case PermissionError():
            return f"{error.strerror}; give this user read access to it"
        case IsADirectoryError():
            return "is a directory; name the captures in it, or load all of them: pcapline load DIR"
        case OSError():
            return error.strerror or str(error)
        case _:
            return str(error)


def _say(file: Path, what: str) -> None:
    sys.stderr.write(f"pcapline: {printable(str(file))}: {what}\n")


def _open(file: Path, *, packets: bool = False) -> "CaptureReading":
    from loader.decode.columns import DecodeOptions
    from loader.reading import CaptureReading

    return CaptureReading(file, DecodeOptions(packets=packets), None, identify=False)


def _flows(reading: "CaptureReading") -> Iterator["Object"]:
    """Named as `load` would name them: by what each client was told in this same file."""
    from loader.names import CaptureNames, LearnedNames
    from loader.rows import RowBuilder, RowContext
    from loader.settings import LoaderSettings
    from pcapline.objects import flow_objects
    from schema.records import STANDALONE_SENSOR
    from schema.tables import FLOWS

    settings = LoaderSettings()
    learned = LearnedNames.empty(settings.max_name_entries)
    context = RowContext(sensor=STANDALONE_SENSOR, seq=1, granularity=settings.bucket, carries=False)
    builder = RowBuilder(context=context, names=CaptureNames(learned, None, None), learned=learned)
    for batch in reading.batches():
        for rows in builder.build(batch):
            if rows.table is FLOWS:
                yield from flow_objects(rows)


def _dns(reading: "CaptureReading") -> Iterator["Object"]:
    from pcapline.objects import dns_objects

    return _of_batches(reading, lambda batch: dns_objects(batch.dns))


def _packets(reading: "CaptureReading") -> Iterator["Object"]:
    from pcapline.objects import packet_objects

    return _of_batches(reading, lambda batch: packet_objects(batch.packets))


def _of_batches(reading: "CaptureReading", objects: Callable[["DecodedBatch"], Iterator[dict[str, Any]]]) -> Iterator["Object"]:
    return (item for batch in reading.batches() for item in objects(batch))


def _summarize(file: Path, form: str) -> int:
    from pcapline.objects import summary_object
    from schema.records import FileState

    report, reason, rows = None, "", {"flows": 0, "dns_answers": 0}
    try:
        reading = _open(file)
        for batch in reading.batches():
            rows["flows"] += len(batch.flows)
            rows["dns_answers"] += len(batch.dns)
        report = reading.report
        state = FileState.LOADED if report.frames else FileState.EMPTY
        reason = counts_text(report.damage)
    except CaptureError as error:
        state, reason = FileState.QUARANTINED, f"{error.reason}: {error}"
    item = summary_object(file, state, reason, report, rows)
    if form == "table":
        _write_balance(item)
    else:
        from pcapline.output import Format, write

        write([item], Format(form), ())
    return 1 if state is FileState.QUARANTINED else 0


def _write_balance(item: "Object") -> None:
    parts = [
        count_text(item["packets"], "packet"),
        f"{item['flow_packets']:,} in {count_text(item['rows']['flows'], 'flow')}",
        count_text(item["rows"]["dns_answers"], "DNS record"),
    ]
    if item["non_flow"]:
        parts.append(f"in no flow: {counts_text(item['non_flow'])}")
    reason = f"  ({item['reason']})" if item["reason"] else ""
    sys.stdout.write(f"{printable(item['file'])}: {item['state']}: {'; '.join(parts)}{reason}\n")
