"""QUIC Initial packets of clients (RFC 9000, RFC 9001; version 2: RFC 9369): decrypted and put together to a ClientHello.

Their keys follow from what the packet itself says, so that anyone on the path can read them. Door of `cryptography`, which is
imported with the first Initial; where it is not installed they are counted and the decoder goes on.
"""

import re
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from loader.decode import layout
from loader.decode.assembly import Assembly

MAX_FLOWS = 16_384  # flows remembered, read or not
MAX_BYTES = 8 * 1024 * 1024  # of ClientHellos that are not whole
MAX_DECRYPTIONS = 262_144  # of one capture
MAX_HELD = 64  # CRYPTO frames of one flow that wait for those before them
_TRIES = 8  # packets of one flow
_WIDTH = layout.PACKET_WIDTH
_FRAME_ACK, _FRAME_ACK_ECN, _FRAME_CRYPTO = 2, 3, 6
_SAYS = re.compile(rb"[^\0\1]")  # a frame that is neither PADDING nor PING: a datagram may be full of them
_CLIENT_HELLO = 1


class _Version(NamedTuple):
    salt: bytes
    label: bytes  # what its HKDF labels begin with
    kind: int  # of an Initial, in bits 4 and 5 of the first byte


# RFC 9001 5.2, RFC 9369 3.3; draft-ietf-quic-tls-29 5.2.
VERSIONS = {
    layout.QUIC_DRAFT_29: _Version(bytes.fromhex("afbfec289993d24c9e9786f19c6111e04390a899"), b"quic", 0),
    layout.QUIC_1: _Version(bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a"), b"quic", 0),
    layout.QUIC_2: _Version(bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9"), b"quicv2", 1),
}


class Keys(NamedTuple):
    """What a client's Initial packets are protected with."""

    key: bytes
    iv: bytes
    header: bytes


class Initial(NamedTuple):
    """One Initial within a datagram: `number_at` is the offset of its packet number, which is protected."""

    version: int
    destination_id: bytes
    at: int
    number_at: int
    end: int


class QuicFlow:
    """A direction of a UDP flow that sent an Initial."""

    __slots__ = ("crypto", "done", "origin", "seen", "tries")

    def __init__(self, now: int) -> None:
        self.seen = now  # what the clock said at its last packet
        self.origin: tuple[int, bytes] | None = None  # version and connection id that its keys come from, once they fitted
        self.crypto = Assembly()
        self.tries = 0
        self.done = False


Key = tuple[bytes, int]
_Open = Callable[[Keys, bytes, bytes], bytes | None]


class QuicInitials:
    """Collects CRYPTO frames by flow; the flow silent for longest is forgotten first."""

    def __init__(self, idle_ns: int) -> None:
        self._idle_ns = idle_ns
        self.flows: OrderedDict[Key, QuicFlow] = OrderedDict()
        self._bytes = 0
        self._decryptions = 0
        self.not_read = 0  # Initials that were not looked into: cut, no library, or beyond a bound
        self.undecryptable = 0  # those that the keys did not fit: a server's, or no QUIC at all

    def believe(self, doubted: int, believed: int) -> None:
        """The last packet's time, in doubt until now, is believed: what the clock said at it, and what it would have said."""
        if self.flows:
            flow = self.flows[next(reversed(self.flows))]
            flow.seen = believed if flow.seen == doubted else flow.seen

    def hello(self, buffer: memoryview, packets: memoryview, i: int) -> bytes | None:
        """The ClientHello that packet i, one of words `packets`, completes; None: it completes none."""
        row = packets[i * _WIDTH : (i + 1) * _WIDTH]
        now = row[layout.PACKET_CLOCK]
        addresses = row[layout.PACKET_SRC_HI : layout.PACKET_DPORT + 1]
        tunnel = row[layout.PACKET_TUNNEL]
        if _known(self.flows, (_reversed(addresses), tunnel), now, self._idle_ns):
            return None  # of the server: it answers
        flow = self._flow((addresses.tobytes(), tunnel), now)
        if flow.done:
            return None
        if row[layout.PACKET_KIND] & layout.KIND_CUT or _cipher() is None or self._decryptions >= MAX_DECRYPTIONS:
            self.not_read += 1
            return None
        before = flow.crypto.size
        self._read(flow, bytes(buffer[row[layout.PACKET_PAYLOAD] : row[layout.PACKET_PAYLOAD_END]]))
        hello = _whole(flow.crypto)
        too_much = len(flow.crypto.held) > MAX_HELD or flow.crypto.size > 2 * layout.MAX_HELLO
        self.not_read += hello is None and too_much
        if hello is not None or too_much or flow.tries >= _TRIES:
            flow.done, flow.crypto = True, Assembly()
        self._bytes += flow.crypto.size - before
        while self._bytes > MAX_BYTES:
            self._forget()
        return hello

    def _flow(self, key: Key, now: int) -> QuicFlow:
        flow = self.flows.get(key)
        if flow is not None and now - flow.seen <= self._idle_ns:
            self.flows.move_to_end(key)
            flow.seen = now
            return flow
        if flow is not None:
            self._bytes -= self.flows.pop(key).crypto.size
        return self.adopt(key, QuicFlow(now))

    def adopt(self, key: Key, flow: QuicFlow) -> QuicFlow:
        """Remember a flow from now on."""
        if len(self.flows) >= MAX_FLOWS:
            self._forget()
        self.flows[key] = flow
        self._bytes += flow.crypto.size
        return flow

    def _forget(self) -> None:
        _, flow = self.flows.popitem(last=False)
        self._bytes -= flow.crypto.size
        self.not_read += not flow.done

    def _read(self, flow: QuicFlow, datagram: bytes) -> None:
        """Take the CRYPTO frames of the datagram's Initials (several may share it: RFC 9000 12.2)."""
        initial = initial_at(datagram, 0)
        while initial is not None and flow.tries < _TRIES:
            flow.tries += 1
            self._decryptions += 1
            plain = self._decrypt(flow, datagram, initial)
            if plain is None:
                self.undecryptable += 1
                return
            _add_crypto(flow.crypto, plain)
            initial = initial_at(datagram, initial.end)

    def _decrypt(self, flow: QuicFlow, datagram: bytes, initial: Initial) -> bytes | None:
        """With the keys that fitted before, else with those that its own connection id gives (the first packet, or one after a
        Retry)."""
        own = (initial.version, initial.destination_id)
        for origin in dict.fromkeys([flow.origin or own, own]):
            plain = decrypt(keys_of(*origin), datagram, initial)
            if plain is not None:
                flow.origin = origin
                return plain
        return None


def _reversed(addresses: memoryview) -> bytes:
    """The same words, told from the other end."""
    octets = addresses.tobytes()
    return octets[16:32] + octets[:16] + octets[40:48] + octets[32:40]


def _known(flows: OrderedDict[Key, QuicFlow], key: Key, now: int, idle_ns: int) -> bool:
    """Whether this flow's Initials were read."""
    flow = flows.get(key)
    return flow is not None and flow.origin is not None and now - flow.seen <= idle_ns


def _whole(crypto: Assembly) -> bytes | None:
    """The ClientHello, if all of it is there."""
    data = crypto.data
    size = 4 + int.from_bytes(data[1:4], "big")
    if len(data) < 4 or data[0] != _CLIENT_HELLO or not 38 <= size <= layout.MAX_HELLO or len(data) < size:
        return None
    return bytes(data[:size])


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A variable-length integer (RFC 9000 16) and the offset behind it; beyond the data's end that offset is too."""
    if at >= len(data):
        return 0, len(data) + 1
    size = 1 << (data[at] >> 6)
    value = int.from_bytes(data[at : at + size], "big") & ((1 << (8 * size - 2)) - 1)
    return value, at + size


def initial_at(datagram: bytes, at: int) -> Initial | None:
    """The Initial that begins there (RFC 9000 17.2.2); None: there is none, or its lengths do not add up."""
    if len(datagram) < at + 7:
        return None
    number = int.from_bytes(datagram[at + 1 : at + 5], "big")
    version = VERSIONS.get(number)
    if version is None or datagram[at] >> 4 != 12 | version.kind:
        return None
    id_at = at + 6
    source_at = id_at + datagram[at + 5]
    if datagram[at + 5] > 20 or source_at >= len(datagram) or datagram[source_at] > 20:
        return None
    token, token_at = _varint(datagram, source_at + 1 + datagram[source_at])
    length, number_at = _varint(datagram, token_at + token)
    end = number_at + length
    if length < 20 or end > len(datagram):
        return None
    return Initial(number, datagram[id_at:source_at], at, number_at, end)


def _hmac(key: bytes, message: bytes) -> bytes:
    """HMAC with SHA-256."""
    import hmac  # here: it brings OpenSSL, which takes a tenth of a small capture's time, and most have no Initial

    return hmac.digest(key, message, "sha256")


def _expand(secret: bytes, label: bytes, length: int) -> bytes:
    """HKDF-Expand-Label with an empty context, of at most one block of SHA-256 (RFC 8446 7.1, RFC 5869 2.3)."""
    name = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0"
    return _hmac(secret, info + b"\1")[:length]


def keys_of(version: int, destination_id: bytes) -> Keys:
    """Keys of a client's Initials whose first one went to this connection id (RFC 9001 5.2)."""
    salt, label, _ = VERSIONS[version]
    secret = _expand(_hmac(salt, destination_id), b"client in", 32)
    return Keys(_expand(secret, label + b" key", 16), _expand(secret, label + b" iv", 12), _expand(secret, label + b" hp", 16))


@cache
def _cipher() -> tuple[Callable[[bytes, bytes], bytes], Callable[[bytes, bytes, bytes, bytes], bytes | None]] | None:
    """One block of AES, and AES-GCM opened (None: it does not fit); None: the library is not installed."""
    try:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        return None

    def block(key: bytes, sample: bytes) -> bytes:
        return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(sample)

    def opened(key: bytes, nonce: bytes, sealed: bytes, header: bytes) -> bytes | None:
        try:
            return AESGCM(key).decrypt(nonce, sealed, header)
        except InvalidTag:
            return None

    return block, opened


def decrypt(keys: Keys, datagram: bytes, initial: Initial) -> bytes | None:
    """The frames of an Initial (RFC 9001 5.3 and 5.4); None: the keys do not fit it."""
    cipher = _cipher()
    if cipher is None:
        return None
    block, opened = cipher
    number_at = initial.number_at
    mask = block(keys.header, datagram[number_at + 4 : number_at + 20])
    first = datagram[initial.at] ^ mask[0] & 15
    size = 1 + (first & 3)
    number = bytes(octet ^ other for octet, other in zip(datagram[number_at : number_at + size], mask[1:], strict=False))
    nonce = (int.from_bytes(keys.iv, "big") ^ int.from_bytes(number, "big")).to_bytes(12, "big")
    header = bytes([first]) + datagram[initial.at + 1 : number_at] + number
    return opened(keys.key, nonce, datagram[number_at + size : initial.end], header)


def _add_crypto(crypto: Assembly, plain: bytes) -> None:
    """Take the CRYPTO frames among an Initial's frames (RFC 9000 12.4, 19), until more of them wait than the bound allows."""
    at = 0
    while (frame := _SAYS.search(plain, at)) and len(crypto.held) <= MAX_HELD:
        kind, at = plain[frame.start()], frame.end()
        if kind == _FRAME_CRYPTO:
            offset, at = _varint(plain, at)
            length, at = _varint(plain, at)
            if at + length > len(plain):
                return
            if offset + length <= layout.MAX_HELLO:
                crypto.add(offset, plain[at : at + length])
            at += length
        elif kind in (_FRAME_ACK, _FRAME_ACK_ECN):
            at = _behind_ack(plain, at, kind)
        else:
            return


def _behind_ack(plain: bytes, at: int, kind: int) -> int:
    """Offset behind an ACK frame (RFC 9000 19.3): largest, delay, ranges, first range, the ranges, three counts of ECN."""
    fields = 4
    done = 0
    while done < fields and at < len(plain):
        value, at = _varint(plain, at)
        done += 1
        if done == 3:  # the number of further ranges
            fields += 2 * value + 3 * (kind == _FRAME_ACK_ECN)
    return at
