"""Every link and every tunnel that the kernels read, each in a capture of its own, both ways, and what only looks like one."""

import struct

from tests.golden import frames as f
from tests.golden import tunnels as t
from tests.golden.writing import Frames, capture
from tests.loader.decode.captures import ethernet, ipv4, udp

_CALLED = f.asked()
_CALLED6 = f.asked6()
_ANSWER = ipv4(f.SERVER, f.HOST, 17, udp(443, 40_000, b"world"))


def _each() -> dict[str, bytes]:
    """A question and its answer over IPv4, and a question over IPv6, in each tunnel."""
    made = {}
    for name, header in t.HEADERS.items():
        inner = [_CALLED, _ANSWER, _CALLED6]
        packets = [header.wrap(t.framed(packet) if header.takes == "ethernet" else packet) for packet in inner]
        made[f"tunnel-{name}"] = capture([t.framed(packet) for packet in packets])
    return made


def _links() -> dict[str, tuple[int, Frames]]:
    ppp4, ppp6 = t.ppp(_CALLED), t.ppp(_CALLED6)
    return {
        "link-ppp": (9, [b"\xff\x03" + ppp4, ppp6, b"\xff\x03\x21" + _CALLED, b"\xff\x03\xc0\x21" + bytes(8), b"\xff\x03"]),
        "link-ppp-hdlc": (50, [b"\xff\x03" + ppp4, b"\x0f\x00\x08\x00" + _CALLED]),
        "link-pppoe": (51, [t.pppoe(_CALLED), t.pppoe(_CALLED6)]),
        "link-cisco-hdlc": (
            104,
            [b"\x0f\x00\x08\x00" + _CALLED, b"\x8f\x00\x86\xdd" + _CALLED6, b"\x8f\x00\x80\x35" + bytes(14), b"\x0f"],
        ),
    }


def _between() -> dict[str, Frames]:
    """What stands between Ethernet and IP."""
    wire = t.framed(_CALLED)
    return {
        "pppoe": [ethernet(t.pppoe(packet), 0x8864) for packet in (_CALLED, _CALLED6)] + [ethernet(bytes(20), 0x8863)],
        "mpls": [
            ethernet(t.labels(_CALLED, 100, 200, 300), 0x8847),
            ethernet(t.labels(_CALLED6, 100), 0x8848),
            ethernet(t.labels(wire, 100), 0x8847),
            ethernet(t.labels(bytes(4) + wire, 100), 0x8847),
            ethernet(t.labels(b"\x10" + bytes(20), 13), 0x8847),
            ethernet(t.labels(_CALLED, *range(16, 33)), 0x8847),
        ],
        "llc": [
            t.snap(_CALLED),
            t.snap(_CALLED6, 0xF8),
            t.snap(_CALLED, 0x0C),
            t.llc(_CALLED, 0x06, 0x06, 0x03),
            t.llc(bytes(35), 0x42, 0x42, 0x03),
            t.llc(bytes(35), 0x5E, 0x5E, 0x03),
        ],
        "ethertypes": [ethernet(bytes(46), kind) for kind in (0x88CC, 0x888E, 0x8902, 0x9000, 0x88F7, 0x88B5, 0xD28B, 0x05FF)],
        "service-chain": [ethernet(t.service_chain(_CALLED, 1), 0x894F), ethernet(t.service_chain(wire, 3), 0x894F)],
        "time-stamp": [
            ethernet(struct.pack(">HH8xH", 1, 0x0110, 0x0800) + _CALLED, 0xD28B),
            ethernet(struct.pack(">HH6xHHH", 1, 0x0020, 0x8100, 7, 0x0800) + _CALLED, 0xD28B),
        ],
        "security-tag": [ethernet(b"\1\1\0\1\0\7\x08\0" + _CALLED, 0x8909)],
    }


def _apart() -> Frames:
    """One private address pair in networks, keys and between endpoints that differ: as many flows."""
    wire = t.framed(_CALLED)
    back = t.framed(_ANSWER)
    swapped = ipv4(t.B, t.A, 17, udp(50_001, 4789, struct.pack(">II", 0x0800_0000, 42 << 8) + back))
    other = ipv4(t.A, "203.0.113.3", 17, udp(50_001, 4789, struct.pack(">II", 0x0800_0000, 42 << 8) + wire))
    packets = [
        t.vxlan(wire, 42),
        swapped,
        t.vxlan(wire, 43),
        other,
        t.gre(0x0800, _CALLED, key=1),
        t.gre(0x0800, _CALLED, key=2),
    ]
    packets += [t.gtp(_CALLED, tunnel=7), t.gtp(_ANSWER, tunnel=8), _CALLED]
    return [t.framed(packet) for packet in packets]


def _no_tunnels() -> Frames:
    """Datagrams to a tunnel's port that carry none: they stay datagrams."""
    wire = t.framed(_CALLED)
    head = struct.pack(">II", 0x0800_0000, 42 << 8)
    datagrams = [
        (4789, b"hello"),
        (4789, b"\x0c" + head[1:] + wire),  # a flag that is reserved
        (4789, head + ethernet(bytes(28), 0x0806)),  # ARP: no flow of its own
        (4789, head + wire[:30]),  # the inner header is not whole
        (4789, head + wire[:16] + b"\x40\0" + wire[18:]),  # the inner packet is longer than the datagram
        (6081, b"\x40\0\x65\x58" + bytes(4) + wire),  # version 1
        (6081, b"\x3f\0\x65\x58" + bytes(4) + wire),  # options beyond the end
        (2152, b"\x32\x01" + bytes(10)),  # an echo request
        (2152, b"\x30\xff\xff\xff" + bytes(4) + _CALLED),  # a length beyond the end
        (2152, b"\x34\xff\0\x21" + bytes(4) + b"\0\0\0\x85\0" + _CALLED),  # an extension header without length
        (3544, b"\0\1\xff\xff" + bytes(60)),
        (4754, b"\x10\0\x08\0" + bytes(3)),
        (4754, b"\xff\xff\x08\0" + _CALLED),
        (6635, bytes(40)),
        (1701, b"\xc8\x02\0\x0c" + bytes(8)),  # a control message
        (1701, b"\x40\x02\xff\xff" + bytes(4) + t.ppp(_CALLED)),  # a length beyond the end
        (4790, head + wire),  # no P flag: Ethernet, and a tunnel after all
    ]
    return [t.framed(t.over_udp(port, b"", payload)) for port, payload in datagrams]


def _broken() -> Frames:
    """Tunnels over IP whose contents are broken, unknown, or a part of something: the outer header makes the row."""
    fragment = ipv4(f.HOST, f.SERVER, 17, udp(40_000, 443, bytes(16)), fragment=0x2000)
    later = ipv4(f.HOST, f.SERVER, 17, bytes(16), fragment=0x0003)
    packets = [
        t.ip_in_ip(_CALLED[:12]),
        t.ip_in_ip(b"\x43" + _CALLED[1:]),
        ipv4(t.A, t.B, 4, b""),
        t.ip_in_ip(_CALLED[:24]),
        t.ip_in_ip(fragment),
        t.ip_in_ip(later),
        t.gre(0x0806, bytes(28)),
        t.gre(0, b""),
        t.gre(0x4321, bytes(20)),
        ipv4(t.A, t.B, 47, b"\0\2\x08\0" + _CALLED),
        ipv4(t.A, t.B, 47, b"\0"),
        ipv4(t.A, t.B, 50, bytes(40)),
        ipv4(t.A, t.B, 97, b"\x20\0" + t.framed(_CALLED)),
        ipv4(t.A, t.B, 103, b"\x20\0" + bytes(10)),
        t.pptp(_CALLED)[:32],
    ]
    return [t.framed(packet) for packet in packets]


def _deep(layers: int) -> bytes:
    packet = _CALLED
    for _ in range(layers - 1):
        packet = t.ip_in_ip(packet)
    return t.framed(packet)


CAPTURES: dict[str, bytes] = {
    **_each(),
    **{name: capture(frames, link_type) for name, (link_type, frames) in _links().items()},
    **{f"between-{name}": capture(frames) for name, frames in _between().items()},
    "tunnel-teredo": capture(
        [
            t.framed(t.teredo(_CALLED6, authentication=said, origin=told))
            for said, told in ((False, False), (True, False), (False, True), (True, True))
        ]
    ),
    "tunnel-gre-routed": capture([t.framed(t.gre_routed(_CALLED))]),
    "tunnels-apart": capture(_apart()),
    "tunnels-that-are-none": capture(_no_tunnels()),
    "tunnels-broken": capture(_broken()),
    "tunnels-deep": capture([_deep(layers) for layers in (2, 8, 9, 20)]),
}
