"""Data on stdout: a table for people, JSON lines or CSV for programs. Everything else a command says goes to stderr."""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from loader.decode.mnemonics import rcode_text, type_text
from pcapline.text import printable
from pcapline.values import time_text

Object = Mapping[str, Any]
_PROTOCOLS = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 58: "icmp6", 132: "sctp"}


class Format(StrEnum):
    """How data is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"

    @classmethod
    def of(cls, *, as_json: bool, as_csv: bool = False) -> "Format":
        """From the flags of a command."""
        return cls.JSON if as_json else cls.CSV if as_csv else cls.TABLE


class Field(NamedTuple):
    """One column of a table for people."""

    title: str
    width: int  # wider values push the rest of their line to the right; negative: to the right edge
    text: Callable[[Object], str]


def _plain(key: str) -> Callable[[Object], str]:
    return lambda item: "-" if item[key] is None else printable(str(item[key]))


def _endpoint(side: str) -> Callable[[Object], str]:
    def text(item: Object) -> str:
        address, port = item[f"{side}_ip"], item[f"{side}_port"]
        if address is None:
            return "-"
        return address if port is None else f"[{address}]:{port}" if ":" in address else f"{address}:{port}"

    return text


def _both_ways(key: str) -> Callable[[Object], str]:
    return lambda item: f"{item[key]:,}/{item[f'{key}_rev']:,}"


def _protocol(item: Object) -> str:
    return "-" if item["protocol"] is None else _PROTOCOLS.get(item["protocol"], str(item["protocol"]))


def _qtype(item: Object) -> str:
    return type_text(item["qtype"])


def _answer(item: Object) -> str:
    if item["rcode"] is None:
        return "no answer"
    failure = rcode_text(item["rcode"]) if item["rcode"] else ""
    if item["rr_index"] < 0:
        return failure or "no records"
    beside = "" if item["section"] == "answer" else f"{item['section']}: "  # it answers nothing: who is in charge, for one
    record = f"{beside}{item['rr_type']} {printable(str(item['address'] or item['rdata'] or ''))}"
    return f"{failure}, {record}" if failure else record


def _took(item: Object) -> str:
    return "-" if item["latency_us"] is None else f"{item['latency_us'] / 1000:,.1f} ms"


def _endpoint_and_name(item: Object) -> str:
    """What the flow was counted for; and what it is called, where a later answer named it otherwise."""
    endpoint, hostname = printable(str(item["endpoint"])), item["hostname"]
    return endpoint if hostname in (None, item["endpoint"]) else f"{endpoint} ({printable(hostname)})"


def _seen(key: str) -> Callable[[Object], str]:
    return lambda item: "-" if item[key] is None else time_text(item[key] * 1_000_000)


_TIME = Field("time (UTC)", 27, lambda item: time_text(item["ts_ns"]))
FLOW_FIELDS = (
    _TIME,
    Field("source", 22, _endpoint("source")),
    Field("destination", 22, _endpoint("destination")),
    Field("proto", 5, _protocol),
    Field("packets", -11, _both_ways("packets")),
    Field("bytes", -17, _both_ways("bytes")),
    Field("ended by", 16, _plain("end_reason")),
    Field("endpoint", 0, _endpoint_and_name),
)
DNS_FIELDS = (
    _TIME,
    Field("client", 16, _plain("client_ip")),
    Field("asked", 16, _plain("resolver_ip")),
    Field("for", 6, _qtype),
    Field("name", 32, _plain("qname")),
    Field("took", -11, _took),
    Field("ttl", -7, _plain("rr_ttl")),
    Field("answer", 0, _answer),
)
_SEEN_FIELDS = (
    Field("first seen (UTC)", 27, _seen("first_seen")),
    Field("last seen (UTC)", 27, _seen("last_seen")),
    Field("evidence", 16, _plain("evidence")),
    Field("sensor", 16, _plain("sensor")),
)
NAME_FIELDS = (*_SEEN_FIELDS, Field("name", 0, _plain("hostname")))
ADDRESS_FIELDS = (*_SEEN_FIELDS, Field("address", 0, _plain("ip")))
PACKET_FIELDS = (
    Field("frame", -8, _plain("frame")),
    _TIME,
    Field("source", 22, _endpoint("source")),
    Field("destination", 22, _endpoint("destination")),
    Field("proto", 5, _protocol),
    Field("length", -7, _plain("length")),
)


def write(items: Iterable[Object], how: Format, fields: Sequence[Field]) -> int:
    """Write all items to stdout as they come; returns how many there were."""
    if how is Format.JSON:
        return _write_json(items)
    return _write_csv(items) if how is Format.CSV else _write_table(items, fields)


def json_line(item: object) -> str:
    """One value, compact, in ASCII: what came from the wire cannot steer a terminal."""
    return json.dumps(item, separators=(",", ":"))


def _write_json(items: Iterable[Object]) -> int:
    count = 0
    for item in items:
        count += 1
        sys.stdout.write(json_line(item) + "\n")
    return count


def _write_csv(items: Iterable[Object]) -> int:
    writer, count = csv.writer(sys.stdout), 0
    for item in items:
        if count == 0:
            writer.writerow(item)
        count += 1
        writer.writerow([json_line(value) if isinstance(value, dict | list) else value for value in item.values()])
    return count


def _write_table(items: Iterable[Object], fields: Sequence[Field]) -> int:
    count = -1  # the titles
    for line in table_lines(items, fields):
        count += 1
        sys.stdout.write(line + "\n")
    return max(count, 0)


def table_lines(items: Iterable[Object], fields: Sequence[Field]) -> Iterator[str]:
    """A table for people: titles and a line an item; without items nothing."""
    first = True
    for item in items:
        if first:
            yield _line([field.title for field in fields], fields)
            first = False
        yield _line([field.text(item) for field in fields], fields)


def _line(texts: Sequence[str], fields: Sequence[Field]) -> str:
    cells = (
        text.rjust(-field.width) if field.width < 0 else text.ljust(field.width)
        for text, field in zip(texts, fields, strict=True)
    )
    return "  ".join(cells).rstrip()
