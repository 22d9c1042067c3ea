"""DNS responses, ordinary and hostile, each in a capture of its own."""

from itertools import pairwise

from tests.golden.frames import HOST, SERVER, ipv6, told
from tests.golden.writing import START_US, Frames, capture
from tests.loader.decode import dns_wire as dns
from tests.loader.decode.captures import ethernet, ipv4, pcap_header, record, udp

_WWW = dns.dotted("www.example.com")
_AT_QUESTION = dns.pointer(12)
_LABEL_63 = "x" * 63


def _one(*answers: bytes, owner: bytes = _WWW, kind: int = dns.A, flags: int = 0x8180) -> Frames:
    return [told(dns.message(dns.question(owner, kind), list(answers), flags=flags))]


def _chain() -> Frames:
    links = ["www.example.com", "edge.example.net", "pop7.example.org"]
    answers = [dns.record(dns.dotted(a), dns.CNAME, dns.dotted(b)) for a, b in pairwise(links)]
    told_too = [dns.address(dns.dotted("other.example"), "203.0.113.9")]
    return _one(*answers, dns.address(dns.dotted(links[-1]), "203.0.113.1"), *told_too)


def _name_bomb() -> Frames:
    """Every record's owner points at one long name: 64 KiB that would become megabytes of text."""
    long_name = dns.name(_LABEL_63, _LABEL_63, _LABEL_63, "x" * 60)
    answers = [dns.record(_AT_QUESTION, dns.TXT, b"")] * 1_500
    return _one(*answers, owner=long_name)


def _loops() -> Frames:
    itself = dns.message(b"\xc0\x0c\0\x01\0\x01", counts=(1, 0, 0, 0))
    forward = dns.message(b"\xc0\x0e\xc0\x0c\0\x01\0\x01", counts=(1, 0, 0, 0))
    circle = dns.message(b"\x01a\xc0\x0c\0\x01\0\x01", counts=(1, 0, 0, 0))
    return [told(each) for each in (itself, forward, circle)]


def _odd_names() -> Frames:
    names = [
        dns.name(b"caf\xe9", "example"),
        dns.name(b"\xff\x00\x07", "example"),
        dns.name(_LABEL_63, "example"),
        dns.name("dot.inside", "example"),
        dns.name("back\\slash", "exa mple"),
        dns.name("UPPER", "Example"),
        dns.name(),
    ]
    return [frame for each in names for frame in _one(dns.address(_AT_QUESTION, "203.0.113.1"), owner=each)]


def _broken() -> Frames:
    question = dns.question(_WWW)
    first = dns.address(_AT_QUESTION, "203.0.113.1")
    wholes = [
        dns.message(question, [first, dns.pointer(0x3FFF) + bytes(10)]),  # a pointer past the end
        dns.message(question, [first, dns.record(_AT_QUESTION, dns.A, b"\xcb\0\x71\x02", length=400)]),  # data past the end
        dns.message(question, [first, dns.record(_AT_QUESTION, dns.A, b"\xcb\0")]),  # an address of two octets
        dns.message(question, [first], counts=(1, 9, 0, 0)),  # more records claimed than there are
        dns.message(question, [first, b"\x40bad"]),  # a label type that does not exist
        dns.message(question, [first, dns.record(_AT_QUESTION, dns.CNAME, b"\x01a\0more")]),  # data behind the target
        b"\0\x07\x81\x80",  # shorter than a header
    ]
    return [told(each) for each in wholes]


def _cut_answers() -> bytes:
    """The snap length ends in the second answer: the first one names its address."""
    answers = [dns.address(_AT_QUESTION, f"203.0.113.{n}") for n in (1, 2)]
    frame = told(dns.message(dns.question(_WWW), answers))
    return pcap_header() + record(START_US, frame[:-9], wire=len(frame))


def _other_ports() -> Frames:
    answer = dns.message(b"", [dns.address(dns.dotted("printer.local"), "192.0.2.77")], flags=0x8400)
    asked = dns.message(dns.question(dns.dotted("nas")), [dns.address(dns.dotted("nas"), "2001:db8::77")], flags=0x8000)
    return [
        ethernet(ipv4(HOST, "224.0.0.251", 17, udp(5353, 5353, answer))),
        ethernet(ipv6("fe80::1", "fe80::2", 17, udp(5355, 51_000, asked)), 0x86DD),
        ethernet(ipv4(SERVER, HOST, 17, udp(8053, 40_000, answer))),
        ethernet(ipv4(HOST, SERVER, 17, udp(40_000, 53, dns.message(dns.question(_WWW), flags=0x0100)))),
        ethernet(ipv4(SERVER, HOST, 17, udp(53, 40_000, dns.message(dns.question(_WWW), flags=0xA880)))),
    ]


def _announced() -> Frames:
    """A service and, beside the answer, where its host is: addresses without anybody's question (RFC 6762 6)."""
    host, service = dns.dotted("printer.local"), dns.dotted("_ipp._tcp.local")
    here = dns.record(dns.dotted("office._ipp._tcp.local"), dns.SRV, bytes(4) + b"\x02\x77" + host)
    addresses = [dns.address(host, "192.0.2.77", 120), dns.address(host, "2001:db8::77", 120)]
    pointer = dns.record(service, dns.PTR, dns.dotted("office._ipp._tcp.local"))
    message = dns.message(b"", [pointer, here, *addresses], flags=0x8400, txid=0, counts=(0, 1, 0, 3))
    return [ethernet(ipv4("192.0.2.77", "224.0.0.251", 17, udp(5353, 5353, message)))]


def _asked(question: bytes = _WWW, txid: int = 7, kind: int = dns.A) -> bytes:
    return ethernet(ipv4(HOST, SERVER, 17, udp(40_000, 53, dns.message(dns.question(question, kind), flags=0x0100, txid=txid))))


def _queries() -> Frames:
    """A second apart: answered late, asked twice, answered twice, never answered; twelve seconds on, asked again in vain."""
    other = dns.dotted("other.example")
    answer = told(dns.message(dns.question(_WWW), [dns.address(_AT_QUESTION, "203.0.113.1")]))
    asked = [_asked(), _asked(), answer, answer, _asked(other), _asked(other, kind=dns.AAAA)]
    return asked + [ethernet(ipv4(HOST, SERVER, 17, udp(40_001, 443)))] * 12 + [_asked(other)]


def _record_data() -> Frames:
    target = b"\x04Mail" + _AT_QUESTION
    bodies = [
        (dns.NS, target),
        (dns.MX, b"\0\x0a" + target),
        (dns.SOA, target + _AT_QUESTION + bytes(range(20))),
        (dns.SRV, b"\0\1\0\2\x01\xbb" + target),
        (dns.TXT, b'\x06v=spf1\x03a"\xff'),
        (dns.SVCB, b"\0\1\0\0\1\0\6\x02h2\x02h3\0\4\0\4\xcb\0\x71\1"),
        (dns.CAA, b"\0\5issueca.example"),
        (dns.NSEC, target + b"\0\4\x40\0\0\x08"),
        (65_000, bytes(range(80))),
    ]
    return _one(*(dns.record(_AT_QUESTION, kind, body) for kind, body in bodies))


CAPTURES: dict[str, bytes] = {
    "dns-cname-chain": capture(_chain()),
    "dns-several-answers": capture(
        _one(
            *(dns.address(_AT_QUESTION, f"203.0.113.{n}", 60 * n) for n in (1, 2, 3)), dns.address(_AT_QUESTION, "2001:db8::1")
        )
    ),
    "dns-nxdomain": capture(_one(flags=0x8183)),
    "dns-name-bomb": capture(_name_bomb()),
    "dns-pointer-loops": capture(_loops()),
    "dns-odd-names": capture(_odd_names()),
    "dns-broken": capture(_broken()),
    "dns-cut": _cut_answers(),
    "dns-ports": capture(_other_ports()),
    "dns-announced": capture(_announced()),
    "dns-opt-only": capture(_one(dns.record(dns.name(), dns.OPT, b""))),
    "dns-queries": capture(_queries()),
    "dns-record-data": capture(_record_data()),
    "dns-mapped-address": capture(_one(dns.address(_AT_QUESTION, "::ffff:203.0.113.5"), kind=dns.AAAA)),
}
