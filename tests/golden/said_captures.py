"""What flows say of their destinations, and DNS over TCP, each in a capture of its own."""

from collections.abc import Iterable
from itertools import pairwise

from tests.golden.writing import Frames, capture
from tests.loader.decode import dns_wire as dns
from tests.loader.decode import said_wire as wire

_START = 0xFFFF_FFF0  # the numbers of a stream's octets go through zero
_NAMED = wire.hello(wire.server_name(b"www.Example.com"), wire.alpn(b"h2", b"http/1.1"))
_V2 = 0x6B33_43CF


def _stream(content: bytes, cuts: Iterable[int] = (), sport: int = 40_000, dport: int = 443, *, back: bool = False) -> Frames:
    """A SYN, and the content in segments."""
    edges = sorted({0, len(content), *cuts})
    flags = wire.SYN | wire.ACK if back else wire.SYN
    first = wire.segment(b"", _START, flags, sport=sport, dport=dport, back=back)
    pieces = [wire.segment(content[a:b], _START + 1 + a, sport=sport, dport=dport, back=back) for a, b in pairwise(edges)]
    return [first, *pieces]


def _streams(contents: list[bytes], dport: int) -> Frames:
    return [frame for n, content in enumerate(contents) for frame in _stream(content, (), 41_000 + n, dport)]


def _hellos() -> Frames:
    odd = [
        wire.hello(),
        wire.hello(wire.alpn(b"h2", b"a,b", b"\xda\xda")),
        wire.hello(wire.server_name(b"192.0.2.1")),
        wire.hello(wire.server_name(b"b\xc3\xbccher.example")),
        wire.hello(wire.server_name(b"a..example")),
        wire.hello(wire.server_name(b"outer.example"), wire.extension(0xFE0D, bytes(40))),
        wire.hello(wire.server_name(b"www.example.com."), wire.extension(16, b"\0\5\2h2\4h")),
    ]
    return _streams([wire.records(message) for message in (_NAMED, *odd)], 443)


def _heads() -> Frames:
    contents = [
        wire.head("www.Example.com:8080"),
        wire.head("proxy.example", "http://www.example.com/a"),
        wire.head("www.example.com:443", "www.example.com:443", "CONNECT"),
        wire.head("192.0.2.1"),
        wire.head("[2001:db8::1]:80"),
        wire.head(None),
        b"EHLO www.example.com\r\nHost: no.example\r\n\r\n",
    ]
    return _streams(contents, 80)


def _parts() -> Frames:
    """Hellos and a head in several segments: in order, turned round, twice, over TLS records, and never whole."""
    message, head = wire.records(_NAMED), wire.head("www.example.com", "/a", "GET", "Cookie: " + "x" * 300)
    turned = _stream(message, (20, 60), 42_001)
    twice = _stream(message, (30, 60), 42_002)
    return [
        *_stream(message, (1, 5, 90), 42_000),
        *(turned[0], turned[3], turned[2], turned[1]),
        *(twice[0], twice[1], twice[1], twice[3], twice[2], twice[2]),
        *_stream(wire.records(_NAMED, 1, 3, 50), (8, 70), 42_003),
        *_stream(head, (2, 25, 80), 42_004, 80),
        *_stream(message[:100], (50,), 42_005),
    ]


def _initials() -> Frames:
    big = wire.hello(wire.server_name(b"www.example.com"), wire.padding(1_400), wire.alpn(b"h3"))
    turned = wire.crypto_frame(600, big[600:1_200]) + wire.crypto_frame(0, big[:400])
    rest = wire.crypto_frame(1_200, big[1_200:]) + b"\1" + wire.crypto_frame(400, big[400:600])
    return [
        wire.datagram(wire.initial(wire.crypto_frame(0, _NAMED)), 43_000),
        wire.datagram(wire.initial(wire.crypto_frame(0, _NAMED), version=_V2), 43_001),
        wire.datagram(wire.initial(turned), 43_002),
        wire.datagram(wire.initial(rest), 43_002),
        wire.datagram(wire.initial(wire.crypto_frame(0, _NAMED), keys_from=b"others"), 43_003),
    ]


def _message(n: int, **how: int) -> bytes:
    answers = [dns.address(dns.pointer(12), f"203.0.113.{n}")] if "flags" not in how else []
    message = dns.message(dns.question(dns.dotted(f"host-{n}.example.com")), answers, txid=n, **how)
    return len(message).to_bytes(2, "big") + message


def _dns() -> Frames:
    """Two queries in one segment; their responses cut in the length and in the middle."""
    asked = _message(1, flags=0x0100) + _message(2, flags=0x0100)
    told = _message(1) + _message(2)
    size = len(_message(1))
    return [*_stream(asked, (), 44_000, 53), *_stream(told, (1, size - 9, size + 1), 44_000, 53, back=True)]


def _dns_segments() -> Frames:
    """A message a segment, its length in a segment of its own, one sent twice; the second connection begins in step and then
    has a message cut between two whole ones, and a length that nothing follows before it begins anew."""
    first, second, third = (_message(n) for n in range(1, 4))
    size = len(first)
    asked = _stream(_message(1, flags=0x0100), (), 44_003, 53)
    told = _stream(first + second + third, (size, size + 2, 2 * size), 44_003, 53, back=True)
    cut = _stream(first + second + third, (size, size + 9, 2 * size), 44_004, 53, back=True)
    begun = _stream(first, (2,), 44_005, 53, back=True)
    return [*asked, *told[:3], told[2], *told[3:], told[1], *cut, *begun[:2], *_stream(second, (), 44_005, 53, back=True)]


def _dns_holes() -> Frames:
    """The second of five segments was not captured; then a stream that begins in the middle of a message."""
    messages = [_message(n) for n in range(1, 6)]
    edges = [sum(map(len, messages[:n])) for n in range(1, 5)]
    frames = _stream(b"".join(messages), edges, 44_001, 53, back=True)
    middle = _stream(b"".join(messages), (30, *edges), 44_002, 53, back=True)
    return [*frames[:2], *frames[3:], *middle[2:]]


CAPTURES: dict[str, bytes] = {
    "said-tls": capture(_hellos()),
    "said-http": capture(_heads()),
    "said-in-parts": capture(_parts()),
    "said-quic": capture(_initials()),
    "dns-tcp": capture(_dns()),
    "dns-tcp-segments": capture(_dns_segments()),
    "dns-tcp-holes": capture(_dns_holes()),
}
