"""`pcapline read`: decode files and show what is in them; no store."""

import sys
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schema.errors import CaptureError

if TYPE_CHECKING:
    from loader.decode.columns import DecodedBatch
    from loader.reading import CaptureReading
    from pcapline.output import Object


class View(StrEnum):
    """What of a capture is shown."""

    FLOWS = "flows"
    DNS = "dns"
    PACKETS = "packets"
    SUMMARY = "summary"


def read(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", readable=False, help="captures, plain or compressed")],
    flows: Annotated[bool, typer.Option("--flows", help="one row a flow (what is shown by default)")] = False,
    dns: Annotated[bool, typer.Option("--dns", help="one row a resource record")] = False,
    packets: Annotated[bool, typer.Option("--packets", help="one row a packet")] = False,
    summary: Annotated[bool, typer.Option("--summary", help="only the balance of each file")] = False,
    frame: Annotated[
        int | None, typer.Option("--frame", metavar="N", min=1, help="one packet in full, by the deep decoder (tshark)")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="comma-separated values with a header")] = False,
) -> None:
    """Decode captures, without a store.

    pcapline read holiday.pcap --dns

    pcapline read *.pcap.gz --summary --json
    """
    views = [view for view, wanted in zip(View, (flows, dns, packets, summary), strict=True) if wanted]
    if len(views) + (frame is not None) > 1 or (as_json and as_csv):
        raise typer.BadParameter("give one of --flows, --dns, --packets, --summary, --frame; and one of --json, --csv")
    if frame is not None:
        _show_frame(files, frame)
        return
    codes = [_read_file(file, views[0] if views else View.FLOWS, as_json, as_csv) for file in files]
    raise typer.Exit(max(codes))


def _show_frame(files: list[Path], frame: int) -> None:
    from loader.tshark import explain_packet

    for file in files:
        typer.echo(explain_packet(file, frame))


def _read_file(file: Path, view: View, as_json: bool, as_csv: bool) -> int:
    """Show one file; returns the exit code it is worth: not 0 where it could not be shown, which has then been said."""
    from pcapline import output

    how = output.Format.of(as_json=as_json, as_csv=as_csv)
    try:
        if view is View.SUMMARY:
            return _summarize(file, how)
        reading = _open(file, packets=view is View.PACKETS)
        objects, fields = {
            View.FLOWS: (_flows, output.FLOW_FIELDS),
            View.DNS: (_dns, output.DNS_FIELDS),
            View.PACKETS: (_packets, output.PACKET_FIELDS),
        }[view]
        output.write(objects(reading), how, fields)
    except (CaptureError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        _say(file, _why(error))
        return 4 if isinstance(error, PermissionError) else 1
    _tell_damage(file, reading)
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


def _tell_damage(file: Path, reading: "CaptureReading") -> None:
    from pcapline.text import counts_text

    if reading.report.damage:
        _say(file, f"{counts_text(reading.report.damage)}; all packets before it are shown")
    elif not reading.report.frames:
        _say(file, "no packets")


def _say(file: Path, what: str) -> None:
    from pcapline.text import printable

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


def _summarize(file: Path, how: "Any") -> int:
    from pcapline.objects import summary_object
    from pcapline.output import Format, write
    from pcapline.text import counts_text
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
    if how is Format.TABLE:
        _write_balance(item)
    else:
        write([item], how, ())
    return 1 if state is FileState.QUARANTINED else 0


def _write_balance(item: "Object") -> None:
    from pcapline.text import count_text, counts_text, printable

    parts = [
        count_text(item["packets"], "packet"),
        f"{item['flow_packets']:,} in {count_text(item['rows']['flows'], 'flow')}",
        count_text(item["rows"]["dns_answers"], "DNS record"),
    ]
    if item["non_flow"]:
        parts.append(f"in no flow: {counts_text(item['non_flow'])}")
    reason = f"  ({item['reason']})" if item["reason"] else ""
    sys.stdout.write(f"{printable(item['file'])}: {item['state']}: {'; '.join(parts)}{reason}\n")
