"""Decode captures and show what is in them, without a store.

pcapline read holiday.pcap --dns
pcapline read *.pcap.gz --summary --json
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pcapline.deep import add_no_deep_option, deep_decoder
from pcapline.text import counts_text, printable, why_unread
from schema.errors import CaptureError

if TYPE_CHECKING:
    from loader.decode.columns import DecodedBatch
    from loader.reading import CaptureReading, DeepDecoder
    from pcapline.output import Object

    Batches = Iterable[DecodedBatch]


def arguments(parser: ArgumentParser) -> None:
    """Which files, what of them, and how it is written."""
    parser.add_argument("files", metavar="FILE", nargs="+", help="captures, plain or compressed")
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
    """One file after the other; what ails one leaves the others alone."""
    deep = deep_decoder(given)
    return max(_read_file(file, given.view, given.form, deep) for file in given.files)


def _read_file(file: str, view: str, form: str, deep: "DeepDecoder | None") -> int:
    """Show one file; returns the exit code it is worth: not 0 where it could not be shown, which has then been said."""
    try:
        return _summarize(file, form, deep) if view == "summary" else _show(file, view, form, deep)
    except BrokenPipeError:
        raise
    except (CaptureError, OSError) as error:
        _say(file, why_unread(error))
        return 4 if isinstance(error, PermissionError) else 1


def _show(file: str, view: str, form: str, deep: "DeepDecoder | None") -> int:
    from pcapline import output

    objects, fields = {
        "flows": (_flows, output.FLOW_FIELDS),
        "dns": (_dns, output.DNS_FIELDS),
        "packets": (_packets, output.PACKET_FIELDS),
    }[view]
    reading = _open(file, packets=view == "packets")
    output.write(objects(reading.batches(deep)), output.Format(form), fields)
    if reading.report.damage:
        _say(file, f"{counts_text(reading.report.damage)}; all packets before it are shown")
    elif not reading.report.frames:
        _say(file, "no packets")
    return 0


def _say(file: str, what: str) -> None:
    sys.stderr.write(f"pcapline: {printable(file)}: {what}\n")


def _open(file: str, *, packets: bool) -> "CaptureReading":
    from loader.decode.columns import DecodeOptions
    from loader.reading import CaptureReading

    return CaptureReading(file, DecodeOptions(packets=packets), None, identify=False)


def _flows(batches: "Batches") -> Iterator["Object"]:
    from loader.alone import builder_alone
    from pcapline.objects import flow_objects
    from schema.tables import FLOWS

    builder = builder_alone()
    for batch in batches:
        for rows in builder.build(batch):
            if rows.table is FLOWS:
                yield from flow_objects(rows)


def _dns(batches: "Batches") -> Iterator["Object"]:
    from pcapline.objects import dns_objects

    return (item for batch in batches for item in dns_objects(batch.dns))


def _packets(batches: "Batches") -> Iterator["Object"]:
    """Those that only the deep decoder understands come behind all others."""
    from pcapline.objects import packet_objects

    return (item for batch in batches for item in packet_objects(batch.packets))


def _summarize(file: str, form: str, deep: "DeepDecoder | None") -> int:
    """Imports nothing of the other views: of a small capture the start is most of the time."""
    from pcapline.summary import summary_line, summary_of

    summary = summary_of(file, deep)
    if form == "table":
        sys.stdout.write(summary_line(summary) + "\n")
    else:
        from pcapline import output

        output.write([summary], output.Format(form), ())
    return 1 if summary["state"] == "quarantined" else 0
