"""Which container a capture is in: told by its first bytes, never by its name."""

from loader.decode.pcap import is_pcap, open_pcap
from loader.decode.pcapng import is_pcapng, open_pcapng
from loader.decode.walking import Container, Unreadable

_CONVERT = "convert it with `editcap -F pcapng IN OUT`"
_DECOMPRESS = "decompress it first"
_OTHER_FORMATS = (
    (b"snoop\0", "snoop", _CONVERT),
    (b"btsnoop\0", "btsnoop", _CONVERT),
    (b"RTSS", "Microsoft Network Monitor 1", _CONVERT),
    (b"GMBU", "Microsoft Network Monitor 2", _CONVERT),
    (b"TRSNIFF data", "Sniffer", _CONVERT),
    (b"XCP\0", "NetXRay", _CONVERT),
    (b"\x7fver", "EtherPeek", _CONVERT),
    (b"\xa1\x2b\x3c\x4d", "pcap as Navtel writes it", "capture it with another program"),
    (b"\x4d\x3c\x2b\xa1", "pcap as Navtel writes it", "capture it with another program"),
    (b"\xa1\xb2\x34\xcd", "pcap as patched by F. Mesquita", "capture it with another program"),
    (b"\xcd\x34\xb2\xa1", "pcap as patched by F. Mesquita", "capture it with another program"),
    (b"\x1f\x9d", "compress", _DECOMPRESS),
    (b"PK\x03\x04", "zip", _DECOMPRESS),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip", _DECOMPRESS),
    (b"\x02\x21\x4c\x18", "lz4 in its legacy frames", _DECOMPRESS),
)
_NESTED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh", b"\x04\x22\x4d\x18")


def container_of(head: memoryview, *, final: bool) -> Container | Unreadable:
    """The container that begins with these bytes (a mebibyte holds the records that tell kin apart), or why there is none;
    `final`: no others follow."""
    magic = bytes(head[:16])
    if is_pcap(magic):
        return open_pcap(head, final)
    if is_pcapng(magic):
        return open_pcapng(head)
    for start, name, way_out in _OTHER_FORMATS:
        if magic.startswith(start):
            return Unreadable("unsupported_format", f"{name} is not read: {way_out}")
    if magic.startswith(_NESTED):
        return Unreadable("unsupported_format", "it is compressed more than once: decompress it down to one compression")
    return Unreadable("not_a_capture", "the first bytes are not those of a packet capture")
