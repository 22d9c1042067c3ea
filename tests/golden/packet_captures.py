"""Links, IP, transport, and containers with faults, each in a capture of its own."""

import struct

from tests.golden import frames as f
from tests.golden.writing import START_US, Frames, capture
from tests.loader.decode.captures import ethernet, ipv4, pcap_header, record, tcp, udp

_LOOPBACK_FAMILIES = (2, 10, 24, 28, 30)


def _ethernet() -> Frames:
    return [
        ethernet(f.asked()),
        ethernet(f.asked6(), 0x86DD),
        ethernet(ipv4(f.HOST, f.SERVER, 6, tcp(40_001, 443, 0x02))),
        ethernet(ipv4(f.SERVER, f.HOST, 6, tcp(443, 40_001, 0x12))),
        ethernet(ipv4(f.HOST, f.SERVER, 6, tcp(40_001, 443, 0x04))),
        ethernet(bytes(28), 0x0806),
        ethernet(bytes(40), 38),
        ethernet(bytes(40), 0x88CC),
        ethernet(f.asked6(), 0x0800),
        ethernet(ipv4(f.HOST, f.SERVER, 132, bytes(12))),
        ethernet(ipv4(f.HOST, f.SERVER, 47, bytes(12))),
        bytes(9),
    ]


def _tags() -> Frames:
    service = bytes(12) + struct.pack(">HHHHH", 0x88A8, 0x6000 | 300, 0x8100, 7, 0x0800) + f.asked()
    return [ethernet(f.asked(), tags=tags) for tags in ((1,), (4095, 2), (1, 2, 3, 4), (1, 2, 3, 4, 5))] + [service]


def _extension_headers() -> Frames:
    datagram = udp(40_000, 443, b"hello")
    chains = [
        (0, f.extension(17) + datagram),
        (0, f.extension(43) + f.extension(60) + f.extension(17, bytes(14)) + datagram),
        (51, f.authentication(17) + datagram),
        (44, f.fragment_header(17, 0, True) + datagram),
        (44, f.fragment_header(17, 1, False) + datagram),
        (44, f.fragment_header(17, 0, False) + datagram),
        (60, f.extension(60) * 39 + f.extension(17) + datagram),
        (59, b""),
        (0, b"\x11\xff" + bytes(6)),
    ]
    return [ethernet(f.ipv6(f.HOST6, f.SERVER6, kind, payload), 0x86DD) for kind, payload in chains]


def _icmp() -> Frames:
    there = [(f.HOST, f.SERVER, 8, 0), (f.SERVER, f.HOST, 0, 0), (f.HOST, f.SERVER, 13, 0), (f.SERVER, f.HOST, 14, 0)]
    one_way = [(f.SERVER, f.HOST, 3, 1), (f.HOST, f.SERVER, 3, 1), (f.SERVER, f.HOST, 11, 0), (f.SERVER, f.HOST, 5, 1)]
    there6 = [(f.HOST6, f.SERVER6, 128, 0), (f.SERVER6, f.HOST6, 129, 0), (f.HOST6, f.SERVER6, 135, 0)]
    there6 += [(f.SERVER6, f.HOST6, 136, 0), (f.SERVER6, f.HOST6, 1, 4), (f.HOST6, f.SERVER6, 1, 4)]
    frames = [ethernet(ipv4(a, b, 1, f.icmp(kind, code))) for a, b, kind, code in there + one_way]
    return frames + [ethernet(f.ipv6(a, b, 58, f.icmp(kind, code)), 0x86DD) for a, b, kind, code in there6]


def _mapped() -> Frames:
    """The same flow in both forms of its addresses."""
    return [ethernet(f.asked()), ethernet(f.ipv6(f.MAPPED_SERVER, f.MAPPED_HOST, 17, udp(443, 40_000, b"hello")), 0x86DD)]


def _initiators() -> Frames:
    """The first packet of UDP, SCTP, DCCP and UDP-Lite flows: to and from a well-known port, between two, between none."""
    ports = [(40_000, 443), (443, 40_001), (80, 443), (40_002, 40_003)]
    return [
        ethernet(ipv4(f.HOST, f.SERVER, protocol, struct.pack(">HHHH", *pair, 8, 0) + bytes(16)))
        for protocol in (17, 132, 33, 136)
        for pair in ports
    ]


def _fragments() -> Frames:
    return [
        ethernet(ipv4(f.HOST, f.SERVER, 17, udp(40_000, 443, bytes(16)), fragment=0x2000)),
        ethernet(ipv4(f.HOST, f.SERVER, 17, bytes(16), fragment=0x2003)),
        ethernet(ipv4(f.HOST, f.SERVER, 17, bytes(16), fragment=0x0005)),
    ]


def _lying_lengths() -> Frames:
    whole = ethernet(f.asked())

    def with_bytes(at: int, *values: int) -> bytes:
        return whole[:at] + bytes(values) + whole[at + len(values) :]

    return [
        with_bytes(14, 0x44),  # header of 16 octets
        with_bytes(14, 0x4F),  # header longer than the packet
        with_bytes(16, 0, 19),  # total length within the header
        with_bytes(16, 0, 24),  # total length within the UDP header
        with_bytes(16, 0xFF, 0xFF),  # total length beyond the frame
        with_bytes(16, 0, 0),  # total length 0: segmentation offload
        with_bytes(14, 0x65),  # version 6 under the EtherType of IPv4
        ethernet(f.ipv6(f.HOST6, f.SERVER6, 17, udp(40_000, 443), length=0), 0x86DD),
        ethernet(f.ipv6(f.HOST6, f.SERVER6, 17, udp(40_000, 443), length=4), 0x86DD),
        whole + bytes(20),  # padding behind the packet
    ]


def _snap_cuts() -> bytes:
    """One datagram and one segment cut at every border."""
    frames = [ethernet(f.asked()), ethernet(ipv4(f.HOST, f.SERVER, 6, tcp(40_001, 443, 0x02)))]
    cuts = [(frame, cut) for frame in frames for cut in (0, 6, 13, 14, 20, 33, 34, 38, 42, 47, 48, 54) if cut <= len(frame)]
    records = (record(START_US + n, frame[:cut], wire=len(frame)) for n, (frame, cut) in enumerate(cuts))
    return pcap_header() + b"".join(records)


def _records(count: int, first: int = 0) -> bytes:
    return b"".join(record(START_US + n * 1_000, ethernet(f.asked(40_000 + n))) for n in range(first, first + count))


def _lying_record() -> bytes:
    """One that says it is longer than the file."""
    whole = record(START_US, ethernet(f.asked()))
    return whole[:8] + struct.pack("<II", 200_000, 200_000) + whole[16:]


def _dated_2100() -> bytes:
    return record(4_102_444_800_000_000, ethernet(f.asked()))


_LINKS: dict[str, tuple[int, Frames]] = {
    "link-ethernet": (1, _ethernet()),
    "link-null": (0, [f.family(2, f.asked(), order) for order in "<>"] + [f.family(7, f.asked()), b"\2\0"]),
    "link-null-ipv6": (0, [f.family(number, f.asked6()) for number in _LOOPBACK_FAMILIES]),
    "link-loop": (108, [f.family(2, f.asked(), ">"), f.family(30, f.asked6(), ">")]),
    "link-raw": (101, [f.asked(), f.asked6(), b"\x50" + bytes(30), b""]),
    "link-raw-12": (12, [f.asked()]),
    "link-raw-14": (14, [f.asked6()]),
    "link-ipv4": (228, [f.asked(), f.asked6()]),
    "link-ipv6": (229, [f.asked6(), f.asked()]),
    "link-cooked": (113, [f.cooked(f.asked()), f.cooked(f.asked6(), 0x86DD), f.cooked(bytes(28), 0x0806), bytes(15)]),
    "link-cooked-2": (276, [f.cooked2(f.asked()), f.cooked2(f.asked6(), 0x86DD), f.cooked2(bytes(28), 0x0806), bytes(19)]),
    "link-unsupported": (147, [f.asked()]),
    "vlan": (1, _tags()),
    "ipv6-extension-headers": (1, _extension_headers()),
    "ipv6-mapped": (1, _mapped()),
    "icmp": (1, _icmp()),
    "initiators": (1, _initiators()),
    "fragments": (1, _fragments()),
    "lying-lengths": (1, _lying_lengths()),
}
_MAGICS = {
    "magic-us-little": (0xA1B2C3D4, "<"),
    "magic-us-big": (0xA1B2C3D4, ">"),
    "magic-ns-little": (0xA1B23C4D, "<"),
    "magic-ns-big": (0xA1B23C4D, ">"),
}

CAPTURES: dict[str, bytes] = {
    **{name: capture(frames, link_type) for name, (link_type, frames) in _LINKS.items()},
    **{name: capture(_ethernet()[:4], magic=magic, order=order) for name, (magic, order) in _MAGICS.items()},
    "cut-in-record-header": pcap_header() + _records(3) + bytes(15),
    "cut-in-packet": pcap_header() + _records(3)[:-1],
    "corrupt-first-record": pcap_header() + b"\xff" * 60 + _records(6),
    "corrupt-first-length": pcap_header() + _lying_record() + _records(6),
    "corrupt-behind-a-wrong-date": pcap_header() + _records(2) + _dated_2100() + b"\xff" * 60 + _records(6, 2),
    "corrupt-then-on": pcap_header() + _records(2) + b"\xff" * 100 + _records(6, 2),
    "corrupt-to-the-end": pcap_header() + _records(2) + b"\xff" * 100,
    "corrupt-last-chain-is-short": pcap_header() + _records(2) + b"\xff" * 33 + _records(2, 2),
    "snap-cuts": _snap_cuts(),
    "empty": pcap_header(),
}
