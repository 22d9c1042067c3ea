"""Small captures made on the spot, and decoding without files."""

import struct
from collections.abc import Iterator

from loader.decode.columns import DecodedBatch, DecodeOptions, DecodeReport
from loader.decode.decoder import CaptureDecoder
from loader.decode.formats import container_of
from loader.decode.walking import Unreadable

SECOND = 1_000_000_000


def pcap_header(link_type: int = 1, magic: int = 0xA1B2C3D4, order: str = "<") -> bytes:
    return struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262_144, link_type)


def record(ts_us: int, frame: bytes, order: str = "<", wire: int | None = None) -> bytes:
    seconds, micros = divmod(ts_us, 1_000_000)
    return struct.pack(order + "IIII", seconds, micros, len(frame), wire or len(frame)) + frame


def ipv4(source: str, destination: str, protocol: int, payload: bytes, *, fragment: int = 0) -> bytes:
    def address(text: str) -> bytes:
        return bytes(map(int, text.split(".")))

    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 1, fragment, 64, protocol, 0)
    return head + address(source) + address(destination) + payload


def ethernet(packet: bytes, ethertype: int = 0x0800, tags: tuple[int, ...] = ()) -> bytes:
    vlan = b"".join(struct.pack(">HH", 0x8100, tag) for tag in tags)
    return bytes(12) + vlan + struct.pack(">H", ethertype) + packet


def udp(sport: int, dport: int, payload: bytes = b"") -> bytes:
    return struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload


def tcp(sport: int, dport: int, flags: int) -> bytes:
    return struct.pack(">HHIIBBHHH", sport, dport, 0, 0, 0x50, flags, 0, 0, 0)


def decode(
    capture: bytes, options: DecodeOptions | None = None, carried: bytes | None = None
) -> tuple[list[DecodedBatch], DecodeReport, bytes]:
    container = container_of(memoryview(capture), final=True)
    assert not isinstance(container, Unreadable)
    decoder = CaptureDecoder(container, options or DecodeOptions(packets=True), carried)
    decoder.feed(memoryview(capture), (container.header_bytes, len(capture)), final=True)
    batches = [*decoder.drain(), *decoder.finish()]
    return batches, decoder.report(), decoder.carried()


def flow_rows(batches: list[DecodedBatch]) -> Iterator[dict[str, object]]:
    names = list(DecodedBatch().flows.as_dict())
    for batch in batches:
        for values in zip(*(getattr(batch.flows, name) for name in names), strict=True):
            yield dict(zip(names, values, strict=True))


def dns_rows(batches: list[DecodedBatch]) -> Iterator[dict[str, object]]:
    names = list(DecodedBatch().dns.as_dict())
    for batch in batches:
        for values in zip(*(getattr(batch.dns, name) for name in names), strict=True):
            yield dict(zip(names, values, strict=True))


def assert_balanced(batches: list[DecodedBatch], report: DecodeReport) -> None:
    packets = sum(sum(b.flows.packets) + sum(b.flows.packets_rev) for b in batches)
    minutes = sum(sum(b.minutes.packets) + sum(b.minutes.packets_rev) for b in batches)
    octets = sum(sum(b.flows.bytes) + sum(b.flows.bytes_rev) for b in batches)
    minute_octets = sum(sum(b.minutes.bytes) + sum(b.minutes.bytes_rev) for b in batches)
    assert packets == minutes == report.flow_packets
    assert octets == minute_octets
    assert report.frames == report.flow_packets + sum(report.non_flow.values())
