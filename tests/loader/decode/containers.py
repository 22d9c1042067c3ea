"""Packets in every container that is read, written by hand."""

import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Packet(NamedTuple):
    """A frame of an interface; times in Unix nanoseconds."""

    ts_ns: int
    frame: bytes
    wire: int = 0  # 0: all of it was captured

    @property
    def length(self) -> int:
        return self.wire or len(self.frame)


Packets = Sequence[Packet]
EXTRA_OF_RECORD = {16: b"", 20: b"Noki", 24: struct.pack("<IHBB", 3, 0x0800, 4, 0), 28: bytes(12)}


def pcap(
    packets: Packets,
    *,
    order: str = "<",
    magic: int = 0xA1B2C3D4,
    link_type: int = 1,
    version: tuple[int, int] = (2, 4),
    record_bytes: int = 16,
    behind_header: bytes = b"",
) -> bytes:
    """Classic pcap and its kin; in versions before 2.3 the length on the wire comes first."""
    scale = 1 if magic in (0xA1B23C4D, 0x1C0001AC) else 1000
    parts = [struct.pack(order + "IHHiIII", magic, *version, 0, 0, 262_144, link_type), behind_header]
    for packet in packets:
        seconds, fraction = divmod(packet.ts_ns // scale, 1_000_000_000 // scale)
        lengths = (len(packet.frame), packet.length)
        if version < (2, 3) or version[0] != 2:
            lengths = lengths[::-1]
        parts += [struct.pack(order + "IIII", seconds, fraction, *lengths), EXTRA_OF_RECORD[record_bytes], packet.frame]
    return b"".join(parts)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A pcapng block."""
    body += bytes(-len(body) % 4)
    total = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + total + body + total


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = "<", length: int = -1, options: bytes = b"", minor: int = 0) -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, minor, length) + options, order)


def interface(
    order: str = "<", *, link_type: int = 1, snap: int = 0, resolution: int | None = None, offset: int | None = None
) -> bytes:
    options = b""
    if resolution is not None:
        options += option(9, bytes([resolution]), order)
    if offset is not None:
        options += option(14, struct.pack(order + "q", offset), order)
    return block(1, struct.pack(order + "HHI", link_type, 0, snap) + options, order)


def enhanced(packet: Packet, order: str = "<", *, number: int = 0, units: int | None = None, options: bytes = b"") -> bytes:
    """`units`: the time as the interface counts it; None: microseconds."""
    ticks = packet.ts_ns // 1000 if units is None else units
    head = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFF_FFFF, len(packet.frame), packet.length)
    return block(6, head + packet.frame + bytes(-len(packet.frame) % 4) + options, order)


def obsolete(packet: Packet, order: str = "<", number: int = 0) -> bytes:
    """The packet block that the enhanced one took the place of."""
    ticks = packet.ts_ns // 1000
    head = struct.pack(order + "HHIIII", number, 0xFFFF, ticks >> 32, ticks & 0xFFFF_FFFF, len(packet.frame), packet.length)
    return block(2, head + packet.frame, order)


def simple(packet: Packet, order: str = "<") -> bytes:
    return block(3, struct.pack(order + "I", packet.length) + packet.frame, order)


def statistics(order: str = "<", number: int = 0, **drops: int) -> bytes:
    """Interface statistics: `ifdrop`, `osdrop`."""
    codes = {"ifrecv": 4, "ifdrop": 5, "osdrop": 7}
    options = b"".join(option(codes[name], struct.pack(order + "Q", count), order) for name, count in drops.items())
    return block(5, struct.pack(order + "III", number, 0, 0) + options + option(0, b"", order), order)


def pcapng(
    packets: Packets, *, order: str = "<", resolution: int | None = None, write: Callable[..., bytes] = enhanced
) -> bytes:
    """One section, one interface."""
    if resolution is None:
        return section(order) + interface(order) + b"".join(write(packet, order) for packet in packets)
    blocks = (enhanced(packet, order, units=units_of(packet.ts_ns, resolution)) for packet in packets)
    return section(order) + interface(order, resolution=resolution) + b"".join(blocks)


def units_of(ts_ns: int, resolution: int) -> int:
    """A time as an interface counts it that has this if_tsresol: the first unit that is not before it."""
    per_second = 1 << (resolution & 0x7F) if resolution & 0x80 else 10**resolution
    return -(-ts_ns * per_second // 1_000_000_000)


def mixed(packets: Packets, *, custom: bool = False) -> bytes:
    """Sections in both byte orders, interfaces that count time in different ways, blocks of every kind between."""
    parts = [section(), interface(resolution=9), block(4, bytes(12)), interface(resolution=6, offset=1_000_000)]
    third = len(packets) // 3
    for n, packet in enumerate(packets[:third]):
        units = packet.ts_ns if n % 2 == 0 else packet.ts_ns // 1000 - 1_000_000 * 1_000_000
        parts.append(enhanced(packet, number=n % 2, units=units, options=option(2, b"\1\0\0\0") + option(0, b"")))
        if n == 1:
            parts += [block(0x0BAD, bytes(20)), block(0x40000BAD, bytes(4))] if custom else []
            parts += [
                block(10, struct.pack("<II", 0x544C534B, 5) + b"keys\n"),
                block(77_777, b"whatever"),
                statistics(ifdrop=3),
            ]
    parts += [section(">", length=40, options=option(1, b"a comment", ">")), interface(">")]
    parts += [obsolete(packet, ">") for packet in packets[third : 2 * third]]
    parts += [statistics(">"), section(minor=2), interface(snap=64), interface(resolution=0x80 | 30)]
    parts += [enhanced(packet, number=1, units=units_of(packet.ts_ns, 0x80 | 30)) for packet in packets[2 * third :]]
    return b"".join(parts)


def every_container(packets: Packets) -> dict[str, bytes]:
    """The same packets in each; their times are whole microseconds."""
    made: dict[str, bytes] = {}
    for name, order in (("little", "<"), ("big", ">")):
        made |= {
            f"pcap-us-{name}": pcap(packets, order=order),
            f"pcap-ns-{name}": pcap(packets, order=order, magic=0xA1B23C4D),
            f"pcap-fcs-{name}": pcap(packets, order=order, link_type=0x1400_0001),
            f"pcap-redhat-{name}": pcap(packets, order=order, record_bytes=24),
            f"pcap-nokia-{name}": pcap(packets, order=order, record_bytes=20),
            f"pcap-modified-{name}": pcap(packets, order=order, magic=0xA1B2CD34, record_bytes=24),
            f"pcap-suse-{name}": pcap(packets, order=order, magic=0xA1B2CD34, record_bytes=28),
            f"pcap-ixia-software-{name}": pcap(packets, order=order, magic=0x1C0001AB, behind_header=b"size"),
            f"pcap-ixia-hardware-{name}": pcap(packets, order=order, magic=0x1C0001AC, behind_header=b"size"),
            f"pcap-2.2-{name}": pcap(packets, order=order, version=(2, 2)),
            f"pcap-2.3-{name}": pcap(packets, order=order, version=(2, 3)),
            f"pcap-543-{name}": pcap(packets, order=order, version=(543, 0)),
            f"pcapng-{name}": pcapng(packets, order=order),
            f"pcapng-obsolete-{name}": pcapng(packets, order=order, write=obsolete),
        }
        for resolution in (6, 7, 9, 10, 0x80 | 30, 0x80 | 33):
            made[f"pcapng-{resolution:#x}-{name}"] = pcapng(packets, order=order, resolution=resolution)
    return made | {"pcapng-mixed": mixed(packets), "pcapng-custom": mixed(packets, custom=True)}
