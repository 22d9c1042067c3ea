"""What clients say of their destinations, written octet by octet: TLS ClientHellos, HTTP heads, QUIC Initials; and segments."""

import ssl
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from loader.decode.quic import VERSIONS, keys_of

from .captures import ethernet, ipv4, pcap_header, record, udp

CLIENT, SERVER = "192.0.2.10", "198.51.100.80"
SYN, FIN, ACK = 2, 1, 16
START_US = 1_700_000_000_000_000


def _sized(body: bytes, size: int) -> bytes:
    return len(body).to_bytes(size, "big") + body


def extension(kind: int, body: bytes) -> bytes:
    return struct.pack(">H", kind) + _sized(body, 2)


def server_name(name: bytes, kind: int = 0) -> bytes:
    """RFC 6066 3."""
    return extension(0, _sized(bytes([kind]) + _sized(name, 2), 2))


def alpn(*protocols: bytes) -> bytes:
    """RFC 7301 3.1."""
    return extension(16, _sized(b"".join(_sized(protocol, 1) for protocol in protocols), 2))


def padding(size: int) -> bytes:
    """RFC 7685: makes a hello of several segments."""
    return extension(21, bytes(size))


def hello(*extensions: bytes, session: bytes = bytes(32)) -> bytes:
    """A ClientHello with its handshake header (RFC 8446 4.1.2)."""
    body = b"\x03\x03" + bytes(32) + _sized(session, 1) + _sized(b"\x13\x01\x13\x02", 2) + b"\x01\0"
    body += _sized(b"".join(extensions), 2)
    return b"\x01" + _sized(body, 3)


def records(message: bytes, *sizes: int) -> bytes:
    """The message in TLS records, of these sizes as far as they go, the rest in one."""
    made, at = b"", 0
    for size in (*sizes, len(message)):
        if message[at : at + size]:
            made += b"\x16\x03\x01" + _sized(message[at : at + size], 2)
        at += size
    return made


def real_hello(name: str, *protocols: str) -> bytes:
    """As OpenSSL sends it."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(list(protocols))
    out = ssl.MemoryBIO()
    session = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        return out.read()
    raise AssertionError("nobody answered")


def head(host: str | None, target: str = "/index.html", method: str = "GET", *lines: str) -> bytes:
    """An HTTP/1.1 request head."""
    fields = ["User-Agent: test/1 (a; b)", *([f"Host: {host}"] if host is not None else []), *lines]
    return "\r\n".join([f"{method} {target} HTTP/1.1", *fields, "", ""]).encode("latin-1")


def segment(
    payload: bytes, sequence: int = 1, flags: int = ACK, *, sport: int = 40_000, dport: int = 443, back: bool = False
) -> bytes:
    """A frame with a TCP segment of the client, or of the server (`back`)."""
    ports = (dport, sport) if back else (sport, dport)
    tcp = struct.pack(">HHIIBBHHH", *ports, sequence & 0xFFFF_FFFF, 0, 0x50, flags, 0, 0, 0)
    addresses = (SERVER, CLIENT) if back else (CLIENT, SERVER)
    return ethernet(ipv4(*addresses, 6, tcp + payload))


def datagram(payload: bytes, sport: int = 40_000, dport: int = 443, *, back: bool = False) -> bytes:
    ports, addresses = ((dport, sport), (SERVER, CLIENT)) if back else ((sport, dport), (CLIENT, SERVER))
    return ethernet(ipv4(*addresses, 17, udp(*ports, payload)))


def capture_of(frames: list[bytes], step_us: int = 1_000) -> bytes:
    return pcap_header() + b"".join(record(START_US + n * step_us, frame) for n, frame in enumerate(frames))


def varint(value: int) -> bytes:
    """RFC 9000 16, in four octets."""
    return struct.pack(">I", value | 0x8000_0000)


def crypto_frame(offset: int, data: bytes) -> bytes:
    return b"\x06" + varint(offset) + varint(len(data)) + data


def initial(frames: bytes, connection: bytes = b"12345678", *, version: int = 1, keys_from: bytes | None = None) -> bytes:
    """A client's Initial, padded to 1,200 octets (RFC 9000 14.1). `keys_from`: the connection id of its flow's first one."""
    number = b"\0\0\0\2"
    payload = frames + bytes(max(1_162 - len(frames), 0))
    first = 0xC3 | VERSIONS[version].kind << 4
    length = struct.pack(">H", 0x4000 | len(number) + len(payload) + 16)
    front = bytes([first]) + struct.pack(">I", version) + _sized(connection, 1) + b"\0\0" + length
    return protected(front, number, payload, connection if keys_from is None else keys_from, version)


def protected(front: bytes, number: bytes, payload: bytes, connection: bytes, version: int) -> bytes:
    """RFC 9001 5.3 and 5.4."""
    keys = keys_of(version, connection)
    nonce = (int.from_bytes(keys.iv, "big") ^ int.from_bytes(number, "big")).to_bytes(12, "big")
    sealed = AESGCM(keys.key).encrypt(nonce, payload, front + number)
    sample = sealed[4 - len(number) : 20 - len(number)]
    mask = Cipher(algorithms.AES(keys.header), modes.ECB()).encryptor().update(sample)
    hidden = bytes(a ^ b for a, b in zip(number, mask[1:], strict=False))
    return bytes([front[0] ^ mask[0] & 15]) + front[1:] + hidden + sealed
