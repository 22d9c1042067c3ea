"""Frames to captures: a second apart, from one moment on."""

from tests.loader.decode.captures import pcap_header, record

Frames = list[bytes]
START_US = 1_700_000_000_123_456


def capture(frames: Frames, link_type: int = 1, *, magic: int = 0xA1B2C3D4, order: str = "<") -> bytes:
    records = (record(START_US + n * 1_000_000, frame, order) for n, frame in enumerate(frames))
    return pcap_header(link_type, magic, order) + b"".join(records)
