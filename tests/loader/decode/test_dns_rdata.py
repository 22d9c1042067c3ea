"""Well-formed messages read as dnspython reads them, record data of all types included; malformed data spoils only itself."""

import re
from collections.abc import Callable
from ipaddress import ip_address

import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loader.decode.mnemonics import _TYPE_TEXT, type_text
from tests.examples import examples

from . import dns_wire
from .captures import decode, dns_rows, ethernet, ipv4, pcap_header, record, udp

Row = dict[str, object]
_SPOILT = {"dns_malformed", "dns_malformed_rdata", "dns_too_large", "dns_cut"}


def _read(message: bytes) -> tuple[list[Row], dict[str, int]]:
    frame = ethernet(ipv4("10.0.0.53", "10.0.0.1", 17, udp(53, 40_000, message)))
    batches, report, _ = decode(pcap_header() + record(1_700_000_000_000_000, frame))
    return list(dns_rows(batches)), dict(report.counters)


# Without what only dnspython's text would escape.
_label = st.binary(min_size=1, max_size=63).map(lambda label: label.translate(bytes.maketrans(b'"();@$', b"qprsad")))
_labels = st.lists(_label, max_size=4).filter(lambda labels: sum(map(len, labels)) < 240)
_names = st.builds(lambda labels: dns.name.Name([*labels, b""]), _labels)
_few_names = st.lists(_names, min_size=1, max_size=4)
_u16, _u32 = st.integers(0, 0xFFFF), st.integers(0, 2**32 - 1)
_string = st.binary(max_size=40)


def _quoted(octets: bytes) -> str:
    return '"' + "".join(f"\\{octet:03}" for octet in octets) + '"'


def _service(draw: st.DrawFn, target: str) -> str:
    """Parameters in ascending order of their keys."""
    parts = [str(draw(st.integers(1, 0xFFFF))), target]
    if draw(st.booleans()):
        parts.append("alpn=" + ",".join(draw(st.lists(st.sampled_from(["h2", "h3", "http/1.1"]), min_size=1, unique=True))))
    if draw(st.booleans()):
        parts.append(f"port={draw(_u16)}")
    if draw(st.booleans()):
        parts.append("ipv4hint=192.0.2.1,203.0.113.9")
    if draw(st.booleans()):
        parts.append("ech=AARhYmNk")  # its first two octets say how long it is
    if draw(st.booleans()):
        parts.append("ipv6hint=2001:db8::1,::")
    if draw(st.booleans()):
        parts.append(f"key65280={_quoted(draw(st.binary(min_size=1, max_size=20)))}")
    return " ".join(parts)


def _with_number(*counts: int) -> Callable[[st.DrawFn, str, str], str]:
    return lambda draw, name, _: " ".join([*(str(draw(_u16)) for _ in counts), name])


def _authority(draw: st.DrawFn, name: str, other: str) -> str:
    return " ".join([name, other, *(str(draw(st.integers(0, 2**31 - 1))) for _ in range(5))])


def _types(draw: st.DrawFn, name: str, _: str) -> str:
    return " ".join([name, *draw(st.lists(st.sampled_from(["A", "MX", "NSEC", "CAA", "TYPE65000"]), min_size=1))])


def _generic(draw: st.DrawFn, _name: str, _: str) -> str:
    octets = draw(st.binary(min_size=6, max_size=60))
    return rf"\# {len(octets)} {octets.hex()}"


def _strings(draw: st.DrawFn, _name: str, _: str) -> str:
    return " ".join(map(_quoted, draw(st.lists(_string, min_size=1, max_size=4))))


_TEXTS: dict[str, Callable[[st.DrawFn, str, str], str]] = {
    "A": lambda draw, *_: str(ip_address(draw(st.binary(min_size=4, max_size=4)))),
    "AAAA": lambda draw, *_: str(ip_address(draw(st.binary(min_size=16, max_size=16)))),
    **dict.fromkeys(("CNAME", "NS", "PTR", "DNAME"), lambda _draw, name, _: name),
    **dict.fromkeys(("MX", "KX", "AFSDB", "RT"), _with_number(1)),
    **dict.fromkeys(("TXT", "SPF"), _strings),
    **dict.fromkeys(("SVCB", "HTTPS"), lambda draw, name, _: _service(draw, name)),
    "RP": lambda _, name, other: f"{name} {other}",
    "SRV": _with_number(1, 2, 3),
    "SOA": _authority,
    "HINFO": lambda draw, *_: f"{_quoted(draw(_string))} {_quoted(draw(_string))}",
    "CAA": lambda draw, *_: f"{draw(st.integers(0, 255))} issue {_quoted(draw(_string))}",
    "NSEC": _types,
    "TYPE65000": _generic,
    "DNSKEY": _generic,
}


def _rrset(draw: st.DrawFn, names: list[dns.name.Name]) -> dns.rrset.RRset:
    kind = draw(st.sampled_from(sorted(_TEXTS)))
    rrset = dns.rrset.RRset(draw(st.sampled_from(names)), dns.rdataclass.IN, dns.rdatatype.from_text(kind))
    text = _TEXTS[kind](draw, *(draw(st.sampled_from(names)).to_text() for _ in range(2)))
    rrset.add(dns.rdata.from_text(dns.rdataclass.IN, rrset.rdtype, text), draw(st.integers(0, 2**31 - 1)))
    return rrset


@st.composite
def well_formed(draw: st.DrawFn) -> dns.message.Message:
    names = draw(_few_names)
    message = dns.message.Message(id=draw(_u16))
    message.flags = dns.flags.QR | draw(st.sampled_from([0, 1, 3, 5]))
    kind = dns.rdatatype.RdataType(draw(st.sampled_from([1, 28, 5, 16, 65])))
    message.question.append(dns.rrset.RRset(names[0], dns.rdataclass.IN, kind))
    for section in (message.answer, message.authority, message.additional):
        for _ in range(draw(st.integers(0, 3))):
            section.append(_rrset(draw, names))
    return message


def _octets(escaped: object) -> list[bytes]:
    """Labels of a name in master-file form."""
    text = str(escaped).encode("ascii")
    parts = re.findall(rb"(?:\\\d{3}|\\.|[^.\\])+", text)
    return [re.sub(rb"\\(\d{3})|\\(.)", lambda m: bytes([int(m[1])]) if m[1] else m[2], part) for part in parts]


def _lower(name: dns.name.Name) -> list[bytes]:
    return [label.lower() for label in name.labels if label]


def _address(rdata: dns.rdata.Rdata) -> object:
    address = ip_address(rdata.to_text())
    return (getattr(address, "ipv4_mapped", None) or address).packed


def _comparable(rdata: dns.rdata.Rdata) -> bytes:
    """Names in it have no case; the numbers lose theirs too, on both sides."""
    wire = rdata.to_wire()
    assert wire is not None
    return wire if rdata.rdtype in (dns.rdatatype.TXT, dns.rdatatype.CAA) else wire.lower()


def _told_by_dnspython(wire: bytes) -> list[tuple[object, ...]]:
    message = dns.message.from_wire(wire, one_rr_per_rrset=True)
    question = message.question[0]
    rows: list[tuple[object, ...]] = []
    for section in ("answer", "authority", "additional"):
        for rrset in getattr(message, section):
            is_address = rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA)
            data = _address(rrset[0]) if is_address else _comparable(rrset[0])
            rows.append((section, _lower(rrset.name), type_text(int(rrset.rdtype)), rrset.ttl, data))
    head = (message.id, int(message.rcode()), _lower(question.name), int(question.rdtype))
    return [(*head, *row) for row in rows] or [(*head, None, None, None, None, None)]


def _data(row: Row) -> object:
    if row["rdata"] is None:
        return row["address"]
    kind = dns.rdatatype.from_text(str(row["rr_type"]))
    text = str(row["rdata"])
    return _comparable(dns.rdata.from_text(dns.rdataclass.IN, kind, text, origin=dns.name.root, relativize=False))


def _told_by_us(row: Row) -> tuple[object, ...]:
    owner = None if row["rr_name"] is None else _octets(row["rr_name"]) if row["rr_name"] != "." else []
    qname = _octets(row["qname"]) if row["qname"] != "." else []
    head = (row["txid"], row["rcode"], qname, row["qtype"])
    return (*head, row["section"], owner, row["rr_type"], row["rr_ttl"], _data(row))


@settings(max_examples=examples(300))
@given(well_formed())
def test_well_formed_messages_read_as_dnspython_reads_them(message: dns.message.Message) -> None:
    wire = message.to_wire(max_size=65_535)
    rows, counters = _read(wire)
    assert [_told_by_us(row) for row in rows] == _told_by_dnspython(wire)
    assert not _SPOILT & counters.keys()


_NAME = dns_wire.dotted("a.example")
_TARGET = dns_wire.dotted("B.Example")


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        (dns_wire.MX, b"\0\x0a" + _TARGET, "10 b.example"),
        (dns_wire.SRV, b"\0\1\0\2\1\xbb" + dns_wire.pointer(12), "1 2 443 a.example"),
        (dns_wire.SOA, _TARGET + dns_wire.pointer(12) + bytes(16) + b"\0\0\1\0", "b.example a.example 0 0 0 0 256"),
        (dns_wire.TXT, b"\x05a\"\\ \xff\0", r'"a\"\\ \255" ""'),
        (dns_wire.TXT, b"", '""'),
        (dns_wire.CAA, b"\x80\5issueca.example", '128 issue "ca.example"'),
        (dns_wire.NSEC, _TARGET + b"\0\4\x40\0\0\x08", "b.example A AAAA"),
        (dns_wire.SVCB, b"\0\1\0" + b"\0\1\0\6\2h2\2h3" + b"\0\3\0\2\1\xbb", '1 . alpn="h2,h3" port=443'),
        (dns_wire.SVCB, b"\0\0" + _TARGET, "0 b.example"),
        (dns_wire.SVCB, b"\0\1\0" + b"\0\4\0\3abc", '1 . ipv4hint="abc"'),
        (65_000, b"", r"\# 0"),
    ],
)  # fmt: skip
def test_record_data_is_written_as_master_files_write_it(kind: int, data: bytes, text: str) -> None:
    rows, counters = _read(
        dns_wire.message(dns_wire.question(_NAME, kind), [dns_wire.record(dns_wire.pointer(12), kind, data)])
    )
    assert [row["rdata"] for row in rows] == [text]
    assert not _SPOILT & counters.keys()


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (dns_wire.A, b"\xcb\0\x71"),
        (dns_wire.AAAA, bytes(4)),
        (dns_wire.CNAME, _TARGET + b"\0"),
        (dns_wire.NS, b"\x09short"),
        (dns_wire.MX, b"\0"),
        (dns_wire.SOA, _TARGET + _TARGET + bytes(19)),
        (dns_wire.TXT, b"\x05four"),
        (dns_wire.CAA, b"\0\x09tag"),
        (dns_wire.NSEC, _TARGET + b"\0\x21"),
        (dns_wire.SVCB, b"\0\1\0" + b"\0\3\0\2\1\xbb" + b"\0\1\0\3\2h2"),
    ],
)
def test_malformed_data_spoils_its_own_record_only(kind: int, data: bytes) -> None:
    at = dns_wire.pointer(12)
    answers = [dns_wire.record(at, kind, data), dns_wire.address(at, "192.0.2.1")]
    rows, counters = _read(dns_wire.message(dns_wire.question(_NAME), answers))
    assert [(row["rdata"], row["address"], row["names"]) for row in rows] == [
        (None, None, None),
        (None, bytes([192, 0, 2, 1]), "a.example"),
    ]
    assert (counters["dns_malformed_rdata"], "dns_malformed" in counters) == (1, False)


def test_mnemonics_are_those_that_dnspython_knows() -> None:
    theirs = {int(kind): dns.rdatatype.to_text(kind) for kind in dns.rdatatype.RdataType if kind != dns.rdatatype.TYPE0}
    known = {number: text for number, text in theirs.items() if number in _TYPE_TEXT}
    assert {number: type_text(number) for number in known} == known
    assert {number for number in theirs if number < 66} <= _TYPE_TEXT.keys()
