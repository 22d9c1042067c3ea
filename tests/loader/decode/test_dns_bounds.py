"""The DNS parser within its bounds: any bytes give rows or a counter, and well-formed messages what dnspython reads in them."""

import re
from ipaddress import ip_address

import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from hypothesis import given, settings
from hypothesis import strategies as st

from loader.decode.layout import DNS_MAX_JUMPS, DNS_MAX_RECORDS, DNS_MAX_TEXT
from loader.decode.messages import TYPE_TEXT

from . import dns_wire
from .captures import assert_balanced, decode, dns_rows, ethernet, ipv4, pcap_header, record, udp

_FAULTS = ("dns_malformed", "dns_too_large", "dns_other_opcode")
_MAX_UDP = 65_535 - 28


def _capture(*messages: bytes) -> bytes:
    frames = [ethernet(ipv4("10.0.0.53", "10.0.0.1", 17, udp(53, 40_000, message))) for message in messages]
    return pcap_header() + b"".join(record(1_700_000_000_000_000 + n, frame) for n, frame in enumerate(frames))


def _read(*messages: bytes) -> tuple[list[dict[str, object]], dict[str, int]]:
    batches, report, _ = decode(_capture(*messages))
    assert_balanced(batches, report)
    return list(dns_rows(batches)), dict(report.counters)


def _accounted(message: bytes, rows: list[dict[str, object]], counters: dict[str, int]) -> bool:
    """Whether the message gave rows or was counted; a query is neither."""
    query = len(message) >= 12 and not message[2] & 0x80
    return bool(rows) or query or sum(counters.get(fault, 0) for fault in _FAULTS) == 1


def _text(rows: list[dict[str, object]]) -> int:
    return sum(len(str(row[field])) for row in rows for field in ("rr_name", "rdata") if row[field] is not None)


_pieces = st.one_of(
    st.binary(max_size=70),
    st.sampled_from([b"\xc0\x0c", b"\xc0\x00", b"\xc0\x1d", b"\xff\xff", b"\0", b"\x3f", b"\x40", b"\0\x01\0\x01"]),
    st.builds(lambda owner, data: dns_wire.record(owner, 5, data), st.just(b"\xc0\x0c"), st.binary(max_size=12)),
    st.just(dns_wire.address(b"\xc0\x0c", "192.0.2.1")),
)
_claimed = st.tuples(*[st.sampled_from([0, 1, 2, 40, 65_535])] * 4)
_near_messages = st.builds(
    lambda pieces, counts, flags: dns_wire.message(b"".join(pieces), counts=counts, flags=flags),
    st.lists(_pieces, max_size=30),
    _claimed,
    st.sampled_from([0x8180, 0x8583, 0x8000, 0xA800]),
)


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.binary(max_size=600), _near_messages))
def test_any_bytes_give_rows_or_a_count(message: bytes) -> None:
    rows, counters = _read(message)
    assert _accounted(message, rows, counters)
    assert len(rows) <= DNS_MAX_RECORDS
    assert _text(rows) <= DNS_MAX_TEXT


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=200), _near_messages), max_size=20))
def test_what_one_message_does_to_the_tables_does_not_reach_the_next(messages: list[bytes]) -> None:
    alone = [[{**row, "frame": 0, "ts_ns": 0} for row in _read(message)[0]] for message in messages]
    together, _ = _read(*messages)
    assert [{**row, "frame": 0, "ts_ns": 0} for row in together] == [row for rows in alone for row in rows]


def test_a_datagram_of_pointers_to_a_long_name_is_bounded_and_counted() -> None:
    """255 octets, each escaped to four characters, named again by every record."""
    owner = dns_wire.name(*[b"\xff" * 63] * 3, b"\xff" * 61)
    answers = [dns_wire.record(dns_wire.pointer(12), dns_wire.TXT, b"")] * 5_000
    message = dns_wire.message(dns_wire.question(owner), answers)
    assert len(message) < _MAX_UDP
    rows, counters = _read(message)
    assert counters == {"dns_too_large": 1, "dns_responses/NOERROR": 1}
    assert 0 < _text(rows) <= DNS_MAX_TEXT


def test_more_records_than_the_bound_are_counted() -> None:
    answers = [dns_wire.record(b"\0", dns_wire.TXT, b"")] * (DNS_MAX_RECORDS + 1)
    rows, counters = _read(dns_wire.message(dns_wire.question(b"\0"), answers))
    assert (len(rows), counters["dns_too_large"]) == (DNS_MAX_RECORDS, 1)
    rows, counters = _read(dns_wire.message(dns_wire.question(b"\0"), answers[1:]))
    assert (len(rows), counters) == (DNS_MAX_RECORDS, {"dns_responses/NOERROR": 1})


def _pointers_to_pointers(count: int) -> bytes:
    """The second record's owner is the root, told by so many pointers, each to the one before."""
    at = 12 + 5 + 11  # header, question of the root, owner and fixed part of the first record
    chain = b"\0" + dns_wire.pointer(at) + b"".join(dns_wire.pointer(at + 1 + 2 * n) for n in range(count - 2))
    hidden = dns_wire.record(b"\0", dns_wire.TXT, chain)
    last = dns_wire.pointer(at + 1 + 2 * (count - 2))
    return dns_wire.message(dns_wire.question(b"\0"), [hidden, dns_wire.address(last, "192.0.2.1")])


def test_pointers_to_pointers_are_followed_as_often_as_a_name_has_labels() -> None:
    rows, counters = _read(_pointers_to_pointers(DNS_MAX_JUMPS))
    assert ([row["rr_name"] for row in rows], counters) == ([".", "."], {"dns_responses/NOERROR": 1})
    rows, counters = _read(_pointers_to_pointers(DNS_MAX_JUMPS + 1))
    assert ([row["rr_name"] for row in rows], counters) == (["."], {"dns_malformed": 1, "dns_responses/NOERROR": 1})


_labels = st.lists(st.binary(min_size=1, max_size=63), max_size=4).filter(lambda labels: sum(map(len, labels)) < 240)
_names = st.builds(lambda labels: dns.name.Name([*labels, b""]), _labels)
_few_names = st.lists(_names, min_size=1, max_size=4)


@st.composite
def well_formed(draw: st.DrawFn) -> dns.message.Message:
    names = draw(_few_names)
    message = dns.message.Message(id=draw(st.integers(0, 65_535)))
    message.flags = dns.flags.QR | draw(st.sampled_from([0, 1, 3, 5]))
    message.question.append(
        dns.rrset.RRset(names[0], dns.rdataclass.IN, dns.rdatatype.RdataType(draw(st.sampled_from([1, 28, 5, 16, 65]))))
    )
    for section in (message.answer, message.authority, message.additional):
        for _ in range(draw(st.integers(0, 3))):
            section.append(_rrset(draw, names))
    return message


def _rdata_text(draw: st.DrawFn, kind: str, names: list[dns.name.Name]) -> str:
    if kind == "CNAME":
        return draw(st.sampled_from(names)).to_text()
    if kind in ("A", "AAAA"):
        size = 4 if kind == "A" else 16
        return str(ip_address(draw(st.binary(min_size=size, max_size=size))))
    return '"text"' if kind == "TXT" else r"\# 2 abcd"


def _rrset(draw: st.DrawFn, names: list[dns.name.Name]) -> dns.rrset.RRset:
    kind = draw(st.sampled_from(["A", "AAAA", "CNAME", "TXT", "TYPE65000"]))
    rdata = _rdata_text(draw, kind, names)
    ttl = draw(st.integers(0, 2**31 - 1))
    rrset = dns.rrset.RRset(draw(st.sampled_from(names)), dns.rdataclass.IN, dns.rdatatype.from_text(kind))
    rrset.add(dns.rdata.from_text(dns.rdataclass.IN, rrset.rdtype, rdata), ttl)
    return rrset


def _octets(escaped: object) -> list[bytes]:
    """Labels of a name in master-file form."""
    text = str(escaped).encode("ascii")
    parts = re.findall(rb"(?:\\\d{3}|\\.|[^.\\])+", text)
    return [re.sub(rb"\\(\d{3})|\\(.)", lambda m: bytes([int(m[1])]) if m[1] else m[2], part) for part in parts]


def _lower(name: dns.name.Name) -> list[bytes]:
    return [label.lower() for label in name.labels if label]


def _value(rdata: dns.rdata.Rdata) -> object:
    if rdata.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
        address = ip_address(rdata.to_text())
        return (getattr(address, "ipv4_mapped", None) or address).packed
    return None


def _told_by_dnspython(wire: bytes) -> list[tuple[object, ...]]:
    message = dns.message.from_wire(wire, one_rr_per_rrset=True)
    question = message.question[0]
    rows: list[tuple[object, ...]] = []
    for section in ("answer", "authority", "additional"):
        for rrset in getattr(message, section):
            kind = TYPE_TEXT.get(int(rrset.rdtype)) or f"TYPE{int(rrset.rdtype)}"
            target = _lower(rrset[0].target) if kind == "CNAME" else None
            rows.append((section, _lower(rrset.name), kind, rrset.ttl, _value(rrset[0]), target))
    head = (message.id, int(message.rcode()), _lower(question.name), int(question.rdtype))
    return [(*head, *row) for row in rows] or [(*head, None, None, None, None, None, None)]


def _told_by_us(row: dict[str, object]) -> tuple[object, ...]:
    owner = None if row["rr_name"] is None else _octets(row["rr_name"]) if row["rr_name"] != "." else []
    target = None if row["rdata"] is None else _octets(row["rdata"]) if row["rdata"] != "." else []
    qname = _octets(row["qname"]) if row["qname"] != "." else []
    head = (row["txid"], row["rcode"], qname, row["qtype"])
    return (*head, row["section"], owner, row["rr_type"], row["rr_ttl"], row["address"], target)


@settings(max_examples=300, deadline=None)
@given(well_formed())
def test_well_formed_messages_read_as_dnspython_reads_them(message: dns.message.Message) -> None:
    wire = message.to_wire(max_size=65_535)
    rows, counters = _read(wire)
    assert [_told_by_us(row) for row in rows] == _told_by_dnspython(wire)
    assert not set(_FAULTS) & counters.keys()
