"""Where things come from: one packet in full, the balance of a capture and the names in it, or what named a flow row.

pcapline explain holiday.pcap 17     (how it was counted, its flow, its DNS records, every layer as tshark sees it)
pcapline explain holiday.pcap        (where all its packets are, which names its answers give)
pcapline explain 0af3...:17@192.0.2.7 --store sqlite:pcapline.db --file holiday.pcap     (a row: its id is in `query --json`)
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pcapline.deep import add_no_deep_option, deep_decoder
from pcapline.options import add_config_option, add_json_option, add_store_option, settings_of
from pcapline.text import count_text, counts_text, printable, why_unread
from pcapline.usage import UsageError, at_least_one, path_name
from schema.errors import CaptureError, PcaplineError
from schema.settings import StoreSettings

if TYPE_CHECKING:
    from loader.review.explaining import Explanation
    from schema.objects import Object

_NOTHING = 6  # exit code: nothing matched
_Told = TypeVar("_Told")


def arguments(parser: ArgumentParser) -> None:
    """Which packet of which capture."""
    what = "a capture, plain or compressed; or a flow row, by the id that `query --json` prints"
    parser.add_argument("capture", metavar="CAPTURE|ROW", type=path_name, help=what)
    frame = "number of the packet, from 1; without it the balance of the capture"
    parser.add_argument("frame", metavar="FRAME", nargs="?", type=at_least_one, help=frame)
    parser.add_argument("--file", metavar="CAPTURE", type=path_name, help="of a row: its capture, in which to find its packets")
    add_store_option(parser)
    add_json_option(parser)
    add_no_deep_option(parser)
    add_config_option(parser)


def run(given: Namespace) -> int:
    """What cannot be told is said on stderr, and decides the exit code; the rest is told."""
    row = _row_id(given)
    try:
        if row is not None:
            return _row(given, row)
        return _balance(given) if given.frame is None else _packet(given)
    except BrokenPipeError:
        raise
    except (CaptureError, OSError) as error:
        sys.stderr.write(f"pcapline: {printable(given.capture if row is None else given.file)}: {why_unread(error)}\n")
        return 4 if isinstance(error, PermissionError) else 1


def _row_id(given: Namespace) -> tuple[bytes, int, bytes] | None:
    """Capture, frame and destination, where a row is asked for."""
    from schema.row_id import parse_row_id

    try:
        row = parse_row_id(given.capture)
    except ValueError:
        if given.file is not None:
            raise UsageError("--file goes with a row") from None
        if ("@" in given.capture or ":" in given.capture) and not Path(given.capture).exists():
            form = "32 hex digits:FRAME@ADDRESS"
            raise UsageError(f"{printable(given.capture)} is neither a file nor a row id ({form})") from None
        return None
    if given.frame is not None:
        raise UsageError("a row has no FRAME: give --file CAPTURE to find all of its packets")
    return row


def _row(given: Namespace, row: tuple[bytes, int, bytes]) -> int:
    from loader.commit.sensornames import inventory_of
    from loader.review.flowframes import frames_of
    from loader.review.lineage import lineage_of
    from loader.settings import LoaderSettings
    from pcapline.lineage import lineage_lines, lineage_object
    from pcapline.wiring import Purpose, opened_store

    settings = settings_of(given.config, {"store.url": given.store})
    inventory = inventory_of(settings.of(LoaderSettings), _warn)()
    with opened_store(settings.of(StoreSettings), Purpose.READ) as reader:
        lineage = lineage_of(reader, *row, inventory.name_of)
    if lineage is None:
        sys.stderr.write(f"pcapline: there is no row {given.capture}, or it has expired\n")
        return _NOTHING
    frames = frames_of(given.file, lineage.row, deep_decoder(given)) if given.file else None
    item = lineage_object(lineage, given.file, frames)
    _write(item, lineage_lines(item), as_json=given.as_json)
    return 0


def _warn(text: str) -> None:
    sys.stderr.write(f"pcapline: {printable(text)}\n")


def _balance(given: Namespace) -> int:
    from pcapline.learned import NamesLearned
    from pcapline.summary import summary_of

    learned = NamesLearned()
    item = summary_of(given.capture, deep_decoder(given), learned.look)
    item["names"] = learned.names()
    _write(item, _balance_lines(item), as_json=given.as_json)
    return 1 if item["state"] == "quarantined" else 0


def _packet(given: Namespace) -> int:
    from loader.review.explaining import explain

    explanation = explain(given.capture, given.frame, deep_decoder(given))
    item = _object(explanation)
    item["dns_message"], no_message = _or_error(lambda: _message(explanation), None)
    nothing: list[Object] = []
    item["layers"], no_layers = _or_error(lambda: _layers(explanation), nothing)
    _write(item, _lines(item, explanation), as_json=given.as_json)
    if error := no_layers or no_message:
        raise error
    return 0


def _or_error(tell: Callable[[], _Told], otherwise: _Told) -> tuple[_Told, PcaplineError | None]:
    try:
        return tell(), None
    except PcaplineError as error:
        return otherwise, error


def _write(item: "Object", lines: Iterator[str], *, as_json: bool) -> None:
    from pcapline.output import json_line

    for line in (json_line(item),) if as_json else lines:
        sys.stdout.write(f"{line}\n")


def _object(explanation: "Explanation") -> "Object":
    from pcapline.objects import dns_objects, packet_objects
    from schema.objects import row_objects
    from schema.tables import FLOWS

    (packet,) = packet_objects(explanation.packet)
    return {
        "record": "explanation",
        "packet": packet,
        "link_type": explanation.frame.link_type,
        "reason": explanation.packet.reason[0],
        "deep": explanation.deep,
        "flows": list(row_objects(FLOWS, explanation.flows)),
        "dns": list(dns_objects(explanation.dns)),
        "dns_faults": explanation.dns_faults,
    }


def _message(explanation: "Explanation") -> str | None:
    if not explanation.dns_message:
        return None
    from loader.review.dnstext import message_text

    return message_text(explanation.dns_message)


def _layers(explanation: "Explanation") -> "list[Object]":
    from loader.reading.tshark import layers_of

    return [{"layer": layer.name, "fields": layer.fields} for layer in layers_of(explanation.frame)]


def _lines(item: "Object", explanation: "Explanation") -> Iterator[str]:
    from pcapline.output import DNS_FIELDS, FLOW_FIELDS, PACKET_FIELDS, table_lines

    yield from table_lines([item["packet"]], PACKET_FIELDS)
    yield from (f"  {line}" for line in _remarks(item, explanation))
    for title, rows, columns in (("flow", item["flows"], FLOW_FIELDS), ("DNS", item["dns"], DNS_FIELDS)):
        if rows:
            yield from ("", f"[{title}]", *table_lines(rows, columns))
    if item["dns_message"] is not None:
        yield from ("", "[DNS message, as dnspython reads it]", *(f"  {line}" for line in item["dns_message"].splitlines()))
    if item["layers"]:
        yield from ("", "[layers, as tshark sees this packet alone]")
    for layer in item["layers"]:
        yield from (f"  {layer['layer']}", *(f"    {line}" for line in layer["fields"]))


def _remarks(item: "Object", explanation: "Explanation") -> Iterator[str]:
    packet, deep_at = item["packet"], explanation.ip_offset
    yield f"link type {item['link_type']}, {packet['length']:,} bytes on the wire, {packet['captured_length']:,} captured"
    if packet["vlan"]:
        yield f"VLAN {', '.join(map(str, packet['vlan']))}"
    for source, destination in packet["outer"]:
        yield f"within {source} -> {destination}"
    if packet["fragment"]:
        yield "a fragment"
    if deep_at is not None:
        yield f"its IP header begins at byte {deep_at}, says {explanation.deep}"
    yield "counted in its flow" if item["reason"] is None else f"in no flow: {item['reason']}"
    if item["dns_faults"]:
        yield f"not all of its DNS message is read: {counts_text(item['dns_faults'])}"


def _balance_lines(item: "Object") -> Iterator[str]:
    from pcapline.learned import learned_lines
    from pcapline.summary import state_text

    state = f"{state_text(item)} ({item['reason']})" if item["reason"] else state_text(item)
    yield f"{printable(item['file'])}: {state}"
    yield f"{item['packets']:>12,}  packets"
    yield f"{item['flow_packets']:>12,}  in {count_text(item['rows']['flows'], 'flow row')}"
    for reason, packets in sorted(item["non_flow"].items(), key=lambda entry: (-entry[1], entry[0])):
        yield f"{packets:>12,}  in no flow: {reason}"
    yield f"{item['rows']['dns_answers']:>12,}  DNS records"
    yield from learned_lines(item["names"])
