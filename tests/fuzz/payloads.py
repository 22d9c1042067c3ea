"""What decoders look for in payloads, made nearly right: DNS messages, ClientHellos, HTTP heads, QUIC Initials that decrypt."""

import struct
from random import Random

from tests.loader.decode import said_wire as said

_RECORD = b"\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\4\x0a\0\0\1"
_PIECES = (b"\xc0\x0c", _RECORD, _RECORD, b"\3www\0", b"\xc0\x00", b"\x3f", b"\0", b"\xff" * 4)
_NAMES = (b"example.com", b"a.b", b"", b"x" * 300, b"EXAMPLE\0.com", b"\xff\xfe", b"192.0.2.1", b".")


def damaged(rng: Random, content: bytes) -> bytes:
    """Bytes flipped, cut, put in, taken out, copied over, or repeated."""
    if not content:
        return rng.randbytes(rng.randrange(20))
    at, kind = rng.randrange(len(content)), rng.randrange(7)
    size = rng.choice((1, 1, 2, 4, 8, 30))
    if kind < 2:
        return content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :]
    if kind == 2:
        return content[:at] + rng.choice((b"\0", b"\xff", b"\xc0", rng.randbytes(1))) * size + content[at + size :]
    if kind == 3:
        return content[:at]
    if kind == 4:
        return content[:at] + rng.randbytes(size) + content[at:]
    if kind == 5:
        return content[:at] + content[at + size :]
    return content[:at] + content[at : at + 4 * size] + content[at:]


def _perhaps(rng: Random, content: bytes) -> bytes:
    return damaged(rng, content) if rng.random() < 0.5 else content


def dns(rng: Random) -> bytes:
    """A message of pieces, whose counts are right or not."""
    counts = struct.pack(">4H", *(rng.choice((0, 1, 1, 2, 40, 65_535)) for _ in range(4)))
    head = rng.choice((b"\0\7\x81\x80", b"\0\7\1\0", b"\0\7\x85\x83"))
    question = b"\3www\7example\3com\0\0\1\0\1" if rng.random() < 0.6 else b""
    return head + counts + question + b"".join(rng.choices(_PIECES, k=rng.randrange(40)))


def hello(rng: Random) -> bytes:
    """A ClientHello with its handshake header."""
    name = rng.choice(_NAMES)
    extensions = [said.server_name(name), said.alpn(b"h2", name[:255]), said.padding(rng.choice((0, 500, 3_000)))]
    extensions.append(said.extension(rng.choice((0xFE0D, 0, 16, 43)), rng.randbytes(8)))
    rng.shuffle(extensions)
    return _perhaps(rng, said.hello(*extensions[: rng.randrange(5)]))


def tls(rng: Random) -> bytes:
    """A hello in one record or more."""
    return _perhaps(rng, said.records(hello(rng), *rng.choice(((), (), (5,), (1, 1, 1), (100, 0, 100)))))


def http(rng: Random) -> bytes:
    """A request's head."""
    host = rng.choice((None, *(name.decode("latin-1") for name in _NAMES), "[2001:db8::1]:80", "a" * 20_000))
    return _perhaps(rng, said.head(host, rng.choice(("/", "http://example.com/x", "*")), rng.choice(("GET", "CONNECT", "G"))))


def quic(rng: Random) -> bytes:
    """A datagram with an Initial whose frames decrypt, in order or not."""
    message, frames = hello(rng), []
    step = max(len(message) // rng.choice((1, 2, 5)), 1)
    for at in range(0, min(len(message), 1_000), step):
        frames.append(said.crypto_frame(at, message[at : at + step][:900]))
    frames += rng.choices((b"\0", b"\1", b"\2\0\0\0\0", b"\3\5\0\2\0\1\0\1\1\1\1", b"\x1c\0"), k=rng.randrange(4))
    rng.shuffle(frames)
    version = rng.choice((1, 1, 0x6B33_43CF))
    made = said.initial(_perhaps(rng, b"".join(frames)), rng.choice((b"12345678", b"", b"x" * 20)), version=version)
    return damaged(rng, made) if rng.random() < 0.2 else made


def stream(rng: Random) -> bytes:
    """What one end of a TCP connection says."""
    kind = rng.randrange(3)
    if kind == 0:
        return tls(rng)
    if kind == 1:
        return http(rng)
    messages = [dns(rng) for _ in range(rng.choice((1, 2, 5)))]
    return b"".join(struct.pack(">H", max(len(each) + rng.choice((0, 0, 0, 1, -1)), 0) & 0xFFFF) + each for each in messages)


def datagram(rng: Random) -> bytes:
    """What one UDP datagram says."""
    return rng.choice((dns, dns, quic))(rng) if rng.random() < 0.9 else rng.randbytes(rng.randrange(200))
