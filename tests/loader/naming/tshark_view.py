"""What tshark sees of names in a capture: answers with their queries, and what flows say; each frame's time and addresses.

Only fields of its dissection are read, and what follows from them is worked out here: which name an address record belongs to,
whether it was asked for.
"""

import lzma
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import NamedTuple

from tests.loader.naming.judge import SECOND, Address, Fact, Said

_NAMING = "dns || mdns || llmnr || tls.handshake.type == 1 || http.request"
_REASSEMBLE = ("-o", "tcp.reassemble_out_of_order:TRUE")
_UNANSWERED_NS = 10 * SECOND  # decision 11: a query's time is up
_CHAIN_LINKS = 16
_ANSWERS, _ADDITIONAL = "Answers", "Additional records"


class Ends(NamedTuple):
    """Who sends to whom."""

    source: Address
    source_port: int
    destination: Address
    destination_port: int
    protocol: str  # udp | tcp

    def back(self) -> "Ends":
        return Ends(self.destination, self.destination_port, self.source, self.source_port, self.protocol)


class Frame(NamedTuple):
    """A packet: when, and every address in it."""

    ts_ns: int
    addresses: frozenset[Address]


class Utterance(NamedTuple):
    """A name that a flow says, and where."""

    frame: int
    said: Said


@dataclass
class View:
    """One capture as tshark sees it."""

    frames: dict[int, Frame] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    said: dict[Ends, list[Utterance]] = field(default_factory=dict)

    def first_said(self, ends: Ends, frames: range) -> Said | None:
        """The first thing that the sender says within these frames."""
        return next((said for frame, said in self.said.get(ends, ()) if frame in frames), None)


class _Message(NamedTuple):
    number: int
    ts_ns: int
    kind: str
    ends: Ends
    fields: ElementTree.Element


def view_of(capture: Path, order: str = "") -> View:
    """Asks tshark for all frames' times, then for the frames that say names. `order`: the capture's place among others."""
    if capture.suffix == ".xz":  # which tshark does not read
        with tempfile.NamedTemporaryFile() as plain:
            plain.write(lzma.decompress(capture.read_bytes()))
            plain.flush()
            return view_of(Path(plain.name), order)
    view = View(frames=dict(_frames(capture)))
    asked = _Asked()
    for number, protocols in _dissected(capture):
        ts_ns = view.frames[number].ts_ns
        for kind, ends, found in _speaking(protocols):
            if kind in ("dns", "mdns", "llmnr"):
                view.facts += _facts(_Message(number, ts_ns, kind, ends, found), asked, order)
            elif said := _said(found, [protocol.get("name", "") for protocol in protocols]):
                view.said.setdefault(ends, []).append(Utterance(number, said))
    return view


def _tshark(capture: Path, *more: str) -> list[str]:
    return ["tshark", "-n", "-r", str(capture), *_REASSEMBLE, *more]


def _frames(capture: Path) -> Iterator[tuple[int, Frame]]:
    fields = ("frame.number", "frame.time_epoch", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst")
    wanted = [part for name in fields for part in ("-e", name)]
    command = _tshark(capture, "-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=;", *wanted)
    shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout  # a cut file is an error to tshark
    for line in shown.splitlines():
        number, epoch, *addresses = line.split("\t")
        texts = [text for column in addresses for text in column.split(";") if text]
        yield int(number), Frame(_ns(epoch), frozenset(map(address_of, texts)))


def _ns(epoch: str) -> int:
    seconds, _, fraction = epoch.partition(".")
    return int(seconds or 0) * SECOND + int(f"{fraction:0<9}"[:9])


def address_of(text: str) -> Address:
    """An IPv4-mapped IPv6 address is the IPv4 address."""
    address = ip_address(text)
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _dissected(capture: Path) -> Iterator[tuple[int, list[ElementTree.Element]]]:
    with tempfile.TemporaryFile() as shown:
        subprocess.run(_tshark(capture, "-T", "pdml", "-Y", _NAMING), stdout=shown, stderr=subprocess.DEVNULL, check=False)
        shown.seek(0)
        for _, packet in ElementTree.iterparse(shown):
            if packet.tag == "packet":
                protocols = packet.findall("proto")
                yield int(_all(protocols[0], "num")[0]), protocols
                packet.clear()


def _speaking(protocols: Iterable[ElementTree.Element]) -> Iterator[tuple[str, Ends, ElementTree.Element]]:
    """The parts of a packet that may say a name, with the ends of the innermost IP header before them; what an ICMP error
    quotes was said to nobody."""
    addresses: list[Address] = []
    ports: tuple[str, list[int]] = ("", [])
    for protocol in protocols:
        name = protocol.get("name", "")
        if name in ("ip", "ipv6"):
            addresses = [address_of(_all(protocol, f"{name}.{end}")[0]) for end in ("src", "dst")]
        elif name in ("udp", "tcp"):
            ports = name, [int(_all(protocol, f"{name}.{end}port")[0]) for end in ("src", "dst")]
        elif name.startswith("icmp"):
            return
        elif name in ("dns", "mdns", "llmnr", "tls", "http", "quic") and addresses and ports[1]:
            yield name, Ends(addresses[0], ports[1][0], addresses[1], ports[1][1], ports[0]), protocol


def _all(element: ElementTree.Element, name: str) -> list[str]:
    return [found.get("show", "") for found in element.iter("field") if found.get("name") == name]


def _said(found: ElementTree.Element, protocols: list[str]) -> Said | None:
    for name, by in (("tls.handshake.extensions_server_name", "quic" if "quic" in protocols else "sni"), ("http.host", "http")):
        for text in _all(found, name):
            host = text.lower().rpartition(":")[0] if by == "http" and text.rpartition(":")[2].isdigit() else text.lower()
            if host and not host.replace(".", "").isdigit() and ":" not in host:
                return Said(host.rstrip("."), by)
    return None


class _Record(NamedTuple):
    section: str
    owner: str
    kind: str
    ttl_s: int
    value: str


def _name(text: str) -> str:
    lower = text.lower()
    return "." if lower in ("<root>", "") else lower.rstrip(".")


def _records(message: ElementTree.Element) -> Iterator[_Record]:
    for section in message.findall("field"):
        if section.get("show") not in (_ANSWERS, _ADDITIONAL):
            continue
        for record in section.findall("field"):
            values = {
                name: _all(record, f"dns.{name}") for name in ("resp.name", "resp.type", "resp.ttl", "a", "aaaa", "cname")
            }
            kind = (values["resp.type"] or [""])[0]
            value = values[{"1": "a", "28": "aaaa", "5": "cname"}.get(kind, "resp.name")]
            if kind in ("1", "28", "5") and value and values["resp.name"]:
                ttl = int((values["resp.ttl"] or ["0"])[0], 0)
                yield _Record(str(section.get("show")), _name(values["resp.name"][0]), kind, ttl, value[0])


class _Asked:
    """Queries that wait for their response."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[object, ...], list[int]] = {}

    def query(self, key: tuple[object, ...], ts_ns: int) -> None:
        self._waiting.setdefault(key, []).append(ts_ns)

    def response(self, key: tuple[object, ...], ts_ns: int) -> bool:
        """Whether it answers a query that waits; that one waits no longer."""
        waiting = [asked for asked in self._waiting.pop(key, []) if asked + _UNANSWERED_NS >= ts_ns]
        return bool(waiting) and waiting[0] <= ts_ns


def _facts(message: _Message, asked: _Asked, order: str) -> Iterator[Fact]:
    response = _all(message.fields, "dns.flags.response")[:1] in (["1"], ["True"])
    names = [_name(text) for text in _all(message.fields, "dns.qry.name")[:1]]
    question = tuple(names) + tuple(_all(message.fields, "dns.qry.type")[:1])
    here = message.ends.back() if response else message.ends
    key = (here, *_all(message.fields, "dns.id")[:1], message.kind, question)
    if not response:
        asked.query(key, message.ts_ns)
        return
    was_asked = asked.response(key, message.ts_ns)
    for hostname, record in _named(message, names):
        client, address = message.ends.destination, address_of(record.value)
        yield Fact(message.ts_ns, order, message.number, hostname, client, address, record.ttl_s, was_asked)


def _named(message: _Message, names: list[str]) -> Iterator[tuple[str, _Record]]:
    """Address records with the name that they answer for: that which was asked, through its aliases. mDNS answers have no
    question (RFC 6762 6): each host tells its own addresses."""
    records = list(_records(message.fields))
    if not names:
        yield from ((r.owner, r) for r in records if r.kind != "5") if message.kind == "mdns" else ()
        return
    answers, owner = [record for record in records if record.section == _ANSWERS], names[0]
    for _ in range(_CHAIN_LINKS):
        yield from ((names[0], record) for record in answers if record.owner == owner and record.kind != "5")
        aliases = [record.value for record in answers if record.owner == owner and record.kind == "5"]
        if not aliases:
            return
        owner = _name(aliases[0])
