"""Decode captures and show what is in them, without a store.

pcapline read holiday.pcap --dns
pcapline read *.pcap.gz --summary --json
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from pcapline.deep import add_no_deep_option, deep_decoder
from pcapline.text import counts_text, printable, why_unread
from pcapline.usage import path_name
from schema.errors import CaptureError

if TYPE_CHECKING:
    from loader.decode.columns import DecodedBatch
    from loader.reading.capture import CaptureReading, DeepDecoder
    from pcapline.output import Object

    Batches = Iterable[DecodedBatch]
    Items = Generator[Object, None, int]


def arguments(parser: ArgumentParser) -> None:
    """Which files, what of them, and how it is written."""
    parser.add_argument("files", metavar="FILE", nargs="+", type=path_name, help="captures, plain or compressed")
    shown = parser.add_mutually_exclusive_group()
    for view, text in _VIEWS.items():
        shown.add_argument(f"--{view}", dest="view", action="store_const", const=view, default="flows", help=text)
    written = parser.add_mutually_exclusive_group()
    for form, text in _FORMS.items():
        written.add_argument(f"--{form}", dest="form", action="store_const", const=form, default="table", help=text)
    add_no_deep_option(parser)


_VIEWS = {
    "flows": "one row a flow (what is shown by default)",
    "dns": "one row a resource record",
    "packets": "one row a packet",
    "summary": "only the balance of each file",
}
_FORMS = {"json": "one JSON object a line", "csv": "comma-separated values with a header"}


def run(given: Namespace) -> int:
    """One file after the other, as one table; what ails one leaves the others alone."""
    codes: list[int] = []
    _write(_all_items(given.files, given.view, deep_decoder(given), codes), given.view, given.form)
    return max(codes)


def _write(items: Iterator["Object"], view: str, form: str) -> None:
    """Imports nothing of the other views for a summary: of a small capture the start is most of the time."""
    if view == "summary" and form == "table":
        from pcapline.summary import summary_line

        for item in items:
            sys.stdout.write(summary_line(item) + "\n")
        return
    from pcapline import output

    fields = {"flows": output.FLOW_FIELDS, "dns": output.DNS_FIELDS, "packets": output.PACKET_FIELDS, "summary": ()}[view]
    output.write(items, output.Format(form), fields)


def _all_items(files: list[str], view: str, deep: "DeepDecoder | None", codes: list[int]) -> Iterator["Object"]:
    """What is shown of all files; adds the exit code that each is worth to `codes`."""
    for file in files:
        codes.append((yield from _file_items(file, view, deep)))


def _file_items(file: str, view: str, deep: "DeepDecoder | None") -> "Items":
    """Returns the exit code that the file is worth: not 0 where it could not be shown, which has then been said."""
    try:
        return (yield from _summary(file, deep) if view == "summary" else _rows(file, view, deep))
    except (CaptureError, OSError) as error:
        _say(file, why_unread(error))
        return 4 if isinstance(error, PermissionError) else 1


def _rows(file: str, view: str, deep: "DeepDecoder | None") -> "Items":
    objects = {"flows": _flows, "dns": _dns, "packets": _packets}[view]
    reading = _open(file, packets=view == "packets")
    yield from objects(reading.batches(deep))
    if reading.report.damage:
        _say(file, f"{counts_text(reading.report.damage)}; all other packets are shown")
    elif not reading.report.frames:
        _say(file, "no packets")
    return 0


def _say(file: str, what: str) -> None:
    sys.stderr.write(f"pcapline: {printable(file)}: {what}\n")


def _open(file: str, *, packets: bool) -> "CaptureReading":
    from loader.decode.columns import DecodeOptions
    from loader.reading.capture import CaptureReading

    return CaptureReading(file, DecodeOptions(packets=packets), None, identify=False)


def _flows(batches: "Batches") -> Iterator["Object"]:
    from loader.commit.alone import builder_alone
    from pcapline.objects import flow_objects
    from schema.tables import FLOWS

    with closing(builder_alone()) as builder:
        for batch in batches:
            for _ in builder.build(batch):  # answers: they name the flows, which come when the last is known
                pass
        for rows in builder.finish(b""):
            if rows.table is FLOWS:
                yield from flow_objects(rows)


def _dns(batches: "Batches") -> Iterator["Object"]:
    from pcapline.objects import dns_objects

    return (item for batch in batches for item in dns_objects(batch.dns))


def _packets(batches: "Batches") -> Iterator["Object"]:
    """Those that only the deep decoder understands come behind all others."""
    from pcapline.objects import packet_objects

    return (item for batch in batches for item in packet_objects(batch.packets))


def _summary(file: str, deep: "DeepDecoder | None") -> "Items":
    from pcapline.summary import summary_of

    summary = summary_of(file, deep)
    yield summary
    return 1 if summary["state"] == "quarantined" else 0
