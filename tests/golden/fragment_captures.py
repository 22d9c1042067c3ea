"""Fragments in order and out of it, repeated, missing, overlapping and too small, each in a capture of its own."""

from itertools import permutations

from tests.golden import frames as f
from tests.golden import tunnels as t
from tests.golden.fragments import cut4, cut6, spans
from tests.golden.writing import Frames, capture
from tests.loader.decode import dns_wire as dns
from tests.loader.decode.captures import tcp, udp

_WWW = dns.dotted("www.example.com")


def _answer(port: int, records: int = 3) -> bytes:
    answers = [dns.address(dns.pointer(12), f"203.0.113.{n}") for n in range(records)]
    return udp(53, port, dns.message(dns.question(_WWW, dns.A), answers))


def _told(payload: bytes, span: tuple[int, int], identification: int = 1) -> bytes:
    return t.framed(cut4(f.SERVER, f.HOST, 17, payload, span, identification))


def _told6(payload: bytes, span: tuple[int, int], identification: int = 1) -> bytes:
    return t.framed(cut6(f.SERVER6, f.HOST6, 17, payload, span, identification))


def _all_orders() -> Frames:
    """Three fragments in each of the six orders."""
    frames = []
    for number, order in enumerate(permutations(range(3))):
        payload = _answer(40_000 + number)
        cuts = spans(len(payload), 16, 48)
        frames += [_told(payload, cuts[k], number) for k in order]
        frames += [_told6(payload, cuts[k], number) for k in order]
    return frames


def _repeated() -> Frames:
    payload = _answer(40_000)
    return [_told(payload, span) for span in spans(len(payload), 32) for _ in range(2)]


def _interleaved() -> Frames:
    """Two messages of one identification to two clients, and one in a tunnel."""
    payloads = [_answer(40_000), _answer(40_001)]
    cuts = spans(len(payloads[0]), 40)
    frames = []
    for span in cuts:
        frames.append(_told(payloads[0], span))
        frames.append(t.framed(cut4(f.SERVER, "192.0.2.11", 17, payloads[1], span)))
        frames.append(t.framed(t.ip_in_ip(cut4(f.SERVER, f.HOST, 17, payloads[0], span))))
    return frames


def _missing() -> Frames:
    payload = _answer(40_000)
    first, middle, last = spans(len(payload), 24, 48)
    return [_told(payload, first, 1), _told(payload, last, 1), _told(payload, middle, 2), _told(payload, last, 2)]


def _overlapping() -> Frames:
    """What is told twice differs; a second end; bytes beyond the end; a length that is no multiple of eight."""
    payload = _answer(40_000)
    other = bytes(len(payload))
    size = len(payload)
    return [
        *(_told(payload, (0, 32), 1), _told(other, (24, size), 1), _told(payload, (32, size), 1)),
        *(_told(payload, (0, 32), 2), _told(payload, (32, size), 2), _told(payload + b"more", (32, size + 4), 2)),
        *(_told(payload, (0, 32), 3), _told(payload[:48], (40, 48), 3), _told(payload, (48, 56), 3)),
        *(_told(payload, (0, 30), 4), _told(payload, (32, size), 4)),
    ]


def _tiny() -> Frames:
    """A TCP header in two fragments (RFC 1858 3): the ports are in the first one, the flags in the second."""
    segment = tcp(40_001, 443, 0x02) + bytes(20)
    return [
        *(t.framed(cut4(f.HOST, f.SERVER, 6, segment, span)) for span in spans(len(segment), 8, 24)),
        *(t.framed(cut6(f.HOST6, f.SERVER6, 6, segment, span)) for span in spans(len(segment), 8)),
        t.framed(cut4(f.HOST, f.SERVER, 6, segment, (0, 4), 7)),
    ]


def _others() -> Frames:
    """Fragments of what is not put together: they are packets of the first one's flow."""
    echo = f.icmp(8, rest=bytes(60))
    unreachable = f.icmp(3, 1, bytes(60))
    datagram = udp(40_000, 443, bytes(60))
    return [
        *(t.framed(cut4(f.HOST, f.SERVER, 1, echo, span, 1)) for span in spans(len(echo), 32)),
        *(t.framed(cut4(f.HOST, f.SERVER, 1, unreachable, span, 2)) for span in spans(len(unreachable), 32)),
        *(t.framed(cut4(f.HOST, f.SERVER, 17, datagram, span, 3)) for span in spans(len(datagram), 32, 48)),
        *(t.framed(cut4(f.HOST, f.SERVER, 47, bytes(60), span, 4)) for span in spans(60, 32)),
    ]


CAPTURES = {
    "dns-fragments-in-all-orders": capture(_all_orders()),
    "dns-fragments-repeated": capture(_repeated()),
    "dns-fragments-interleaved": capture(_interleaved()),
    "dns-fragments-missing": capture(_missing()),
    "dns-fragments-overlapping": capture(_overlapping()),
    "fragments-tiny": capture(_tiny()),
    "fragments-of-others": capture(_others()),
}
