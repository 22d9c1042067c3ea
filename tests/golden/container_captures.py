"""Containers other than plain pcap, each with what sets it apart. Their names end in .pcap too: names tell nothing."""

from tests.golden import frames as f
from tests.golden.writing import START_US
from tests.loader.decode.captures import ethernet, ipv4, tcp, udp
from tests.loader.decode.containers import (
    Packet,
    block,
    enhanced,
    every_container,
    interface,
    mixed,
    obsolete,
    section,
    simple,
    statistics,
)

_FRAMES = [
    ethernet(f.asked()),
    ethernet(ipv4(f.SERVER, f.HOST, 17, udp(443, 40_000, bytes(100)))),
    ethernet(ipv4(f.HOST, f.SERVER, 6, tcp(40_001, 443, 0x02))),
    ethernet(bytes(28), 0x0806),
]
_PACKETS = [Packet(START_US * 1_000 + n * 1_000_000_000, _FRAMES[n % 4]) for n in range(9)]
_MADE = every_container(_PACKETS)
_KIN = ("redhat", "nokia", "modified", "suse", "ixia-software", "ixia-hardware", "2.2", "2.3", "543")
_RAW = Packet(_PACKETS[5].ts_ns, f.asked6())


def _links() -> bytes:
    """An interface each; the second counts nanoseconds."""
    described = interface() + interface(link_type=101, resolution=9) + interface(link_type=147)
    packets = [enhanced(_PACKETS[0]), enhanced(_RAW, number=1, units=_RAW.ts_ns), enhanced(_PACKETS[6], number=2)]
    return section() + described + b"".join(packets) + enhanced(_PACKETS[7])


def _odd_times() -> bytes:
    """Before 1970 and after 2262."""
    described = interface() + interface(offset=-(1 << 40)) + interface(resolution=0)
    odd = [enhanced(_PACKETS[1], number=1), enhanced(_PACKETS[2], number=2, units=(1 << 64) - 1)]
    return section() + described + enhanced(_PACKETS[0]) + b"".join(odd) + enhanced(_PACKETS[3])


def _without_time() -> bytes:
    return section() + interface(snap=40) + b"".join(simple(packet) + enhanced(packet) for packet in _PACKETS[:3])


def _unknown_interface() -> bytes:
    described_late = simple(_PACKETS[0]) + interface() + enhanced(_PACKETS[1]) + enhanced(_PACKETS[2], number=5)
    return section(">") + section() + described_late + obsolete(_PACKETS[3], number=1)


def _corrupt() -> bytes:
    """A block that does not end with the length it begins with, then an interface that has none."""
    good = b"".join(map(enhanced, _PACKETS[:4]))
    broken = enhanced(_PACKETS[4])[:-4] + bytes(4)
    nameless = interface()[:4] + bytes(4) + interface()[8:]
    on_second = b"".join(enhanced(packet, number=n % 2) for n, packet in enumerate(_PACKETS[4:]))
    return section() + interface() + good + broken + good + nameless + on_second


CAPTURES: dict[str, bytes] = {
    **{f"pcap-{kin}": _MADE[f"pcap-{kin}-{order}"] for kin, order in zip(_KIN, ["little", "big"] * 5, strict=False)},
    "pcapng-little": _MADE["pcapng-little"],
    "pcapng-big": _MADE["pcapng-obsolete-big"],
    "pcapng-sections": mixed(_PACKETS),
    "pcapng-links": _links(),
    "pcapng-drops": section() + interface() + enhanced(_PACKETS[0]) + statistics(ifdrop=7, osdrop=2) + enhanced(_PACKETS[1]),
    "pcapng-cut": mixed(_PACKETS)[:-30],
    "pcapng-empty": section() + interface() + statistics(),
    "odd-custom-blocks": mixed(_PACKETS, custom=True),
    "odd-times": _odd_times(),
    "odd-without-time": _without_time(),
    "odd-unknown-interface": _unknown_interface(),
    "odd-unknown-blocks": section() + block(77_777, bytes(8)) + interface() + block(0, b"") + enhanced(_PACKETS[0]),
    "corrupt-block": _corrupt(),
}
