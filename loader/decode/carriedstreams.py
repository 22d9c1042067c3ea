"""Texts that flows said, and streams that are not whole, from one capture to the next: their sections of the carried state.

Each is a list of entries in the order in which they are put back. Of what is waited for the newest is kept, within bounds.
"""

import struct
from array import array
from collections.abc import Callable, Iterator

from loader.decode import carried, layout
from loader.decode.assembly import Assembly
from loader.decode.carried import UnreadableState
from loader.decode.dnsstreams import DnsStream
from loader.decode.quic import VERSIONS, QuicFlow
from loader.decode.said import SaidNames

MAX_TEXT_BYTES = 4 * 1024 * 1024
MAX_STREAMS = 4_096  # of each kind
MAX_STREAM_BYTES = 1024 * 1024  # of each kind
_TEXT_BITS = layout.NAME_TEXT_BITS
_TEXT_MASK = (1 << _TEXT_BITS) - 1
_LOOKED_AT = 256  # slots at once
_KEY_BYTES = 48  # of a QUIC flow: addresses and ports, as words of a packet

_COUNT = struct.Struct("<I")
_TEXT = struct.Struct("<H")
_ASSEMBLY = struct.Struct("<QIII")  # start, bytes in order, pieces held, pieces added
_PIECE = struct.Struct("<QI")  # offset, length
_SLOT = struct.Struct("<7Q?")  # words of the slot up to its clock; whether a part came
_DNS = struct.Struct("<6QI?QQ")  # words of the key, base, in step, clock, clock at the hole
_QUIC = struct.Struct(f"<{_KEY_BYTES}sQQIIB")  # key, clock, tries, version, length of the connection id


class CarriedTexts:
    """Gives the texts that are carried numbers of their own, in the order in which they are asked for."""

    def __init__(self, said: SaidNames) -> None:
        self._book = said.book
        self._numbers: dict[int, int] = {}
        self._texts: list[bytes] = []
        self._bytes = 0
        self.refused = 0  # texts for which there was no room

    def word(self, word: int) -> int:
        """What a flow said, with the numbers that its texts have in the next capture; 0 where there is no room for them."""
        name, protocols = self._number(word & _TEXT_MASK), self._number(word >> layout.NAME_ALPN_SHIFT & _TEXT_MASK)
        if not name and not protocols:
            return 0
        return name | protocols << layout.NAME_ALPN_SHIFT | word >> layout.NAME_EVIDENCE_SHIFT << layout.NAME_EVIDENCE_SHIFT

    def _number(self, number: int) -> int:
        if not number or number in self._numbers:
            return self._numbers.get(number, 0)
        text = self._book.octets(number - 1)
        if self._bytes + len(text) > MAX_TEXT_BYTES:
            self._numbers[number] = 0
            self.refused += 1
            return 0
        self._bytes += len(text)
        self._texts.append(text)
        self._numbers[number] = len(self._texts)
        return len(self._texts)

    def encode(self) -> bytes:
        """Their section: to be asked for last."""
        return b"".join(_TEXT.pack(len(text)) + text for text in self._texts)


class _Reader:
    """Takes a section apart; whatever does not fit is an `UnreadableState`."""

    def __init__(self, content: bytes, now: int) -> None:
        self._content, self.now = content, now
        self._at = 0

    @property
    def more(self) -> bool:
        return self._at < len(self._content)

    def fields(self, form: struct.Struct) -> tuple[int, ...]:
        return form.unpack(self.octets(form.size))

    def octets(self, length: int) -> bytes:
        at = self._at
        self._at += length
        if self._at > len(self._content):
            raise UnreadableState("the carried streams are cut")
        return self._content[at : self._at]

    def believed(self, seen: int) -> int:
        """A time of the carried clock: none lies ahead of it."""
        if seen > self.now:
            raise UnreadableState("a carried stream is of a time to come")
        return seen

    def assembly(self, into: Assembly) -> None:
        into.start, length, held, pieces = self.fields(_ASSEMBLY)
        into.data += self.octets(length)
        for _ in range(held):
            offset, size = self.fields(_PIECE)
            if offset < into.behind or (into.held and offset < into.held[-1].end):
                raise UnreadableState("the carried pieces of a stream overlap")
            into.add(offset, self.octets(size))
        into.pieces = pieces


def _assembled(stream: Assembly) -> bytes:
    head = _ASSEMBLY.pack(stream.start, len(stream.data), len(stream.held), stream.pieces)
    return (
        head
        + bytes(stream.data)
        + b"".join(_PIECE.pack(piece.offset, len(piece.octets)) + piece.octets for piece in stream.held)
    )


def _newest(entries: list[bytes]) -> tuple[bytes, int]:
    """The last ones that the bounds have room for, in order; how many there is no room for."""
    kept: list[bytes] = []
    room = MAX_STREAM_BYTES
    for entry in reversed(entries[-MAX_STREAMS:]):
        room -= len(entry)
        if room < 0:
            break
        kept.append(entry)
    return b"".join(reversed(kept)), len(entries) - len(kept)


def encode_streams(said: SaidNames, now: int) -> tuple[dict[bytes, bytes], int]:
    """The sections of what is not whole, and how many streams they have no room for. Those silent by `now`, as the clock
    has it, are given up."""
    said.give_up_silent(now)
    made = {
        carried.STARTS: _newest(_starts(said, now)),
        carried.DNS_STREAMS: _newest(_dns(said)),
        carried.QUIC: _newest(_quic(said)),
    }
    sections = {tag: content for tag, (content, _) in made.items()}
    return sections, sum(dropped for _, dropped in made.values())


def restore_said(said: SaidNames, sections: dict[bytes, bytes], now: int) -> None:
    """Put texts and streams into an empty `SaidNames`; `now`: what the clock says. Raises `UnreadableState` for bytes that were
    not made here."""
    restores: dict[bytes, Callable[[SaidNames, _Reader], None]] = {
        carried.TEXTS: _restore_text,
        carried.STARTS: _restore_start,
        carried.DNS_STREAMS: _restore_dns,
        carried.QUIC: _restore_quic,
    }
    for tag, restore in restores.items():
        reader = _Reader(sections.get(tag, b""), now)
        while reader.more:
            restore(said, reader)


def _restore_text(said: SaidNames, reader: _Reader) -> None:
    text = reader.octets(reader.fields(_TEXT)[0])
    if len(text) > 4 * layout.MAX_SAID_TEXT or not text.isascii():
        raise UnreadableState("a carried text is none")
    said.book.make_room(said.kernel)
    said.kernel.put(memoryview(text))


def _starts(said: SaidNames, now: int) -> list[bytes]:
    """The slots in the order in which they were filled, but for those that have been silent for too long."""
    slots, entries = said.slots, []
    filled = sorted((slots[slot, layout.SLOT_SERIAL], slot) for slot in _used(said.tags))
    for serial, slot in filled:
        words = [slots[slot, word] for word in range(layout.SLOT_SERIAL)]
        if said.silent(slot, now):
            continue
        entry = _SLOT.pack(*words, serial & layout.SLOT_OPEN)
        entries.append(entry + _assembled(said.halves.streams[slot]) if serial & layout.SLOT_OPEN else entry)
    return entries


def _used(tags: memoryview) -> Iterator[int]:
    """Slots that have a tag. Few do: where none of many has one, that is seen at once."""
    octets, nothing = tags.tobytes(), bytes(_LOOKED_AT * tags.itemsize)
    for first in range(0, len(tags), _LOOKED_AT):
        behind = min(first + _LOOKED_AT, len(tags))
        if octets[first * tags.itemsize : behind * tags.itemsize] != nothing:
            yield from (slot for slot in range(first, behind) if tags[slot])


def _restore_start(said: SaidNames, reader: _Reader) -> None:
    *words, is_open = reader.fields(_SLOT)
    packet = _packet(words)
    packet[layout.PACKET_CLOCK] = reader.believed(words[layout.SLOT_SEEN])
    touched = said.words[layout.SAID_TOUCHED]
    slot = said.kernel.fill(packet, words[layout.SLOT_PORTS] >> 32, bool(is_open))
    if words[layout.SLOT_SEEN] < reader.now:  # not at the last packet, whose time may be in doubt
        said.words[layout.SAID_TOUCHED] = touched
    if is_open:
        stream = Assembly()
        reader.assembly(stream)
        said.halves.adopt(slot, stream)


def _packet(key: list[int]) -> memoryview:
    """Words of a packet with this key of a stream: two addresses, ports, tunnel."""
    packet = memoryview(array("Q", bytes(8 * layout.PACKET_WIDTH)))
    *addresses, ports, packet[layout.PACKET_TUNNEL] = key[: layout.SLOT_TUNNEL + 1]
    packet[layout.PACKET_SRC_HI : layout.PACKET_DST_LO + 1] = array("Q", addresses)
    packet[layout.PACKET_SPORT], packet[layout.PACKET_DPORT] = ports >> 16 & 0xFFFF, ports & 0xFFFF
    return packet


def _dns(said: SaidNames) -> list[bytes]:
    return [
        _DNS.pack(*key, stream.base, stream.in_step, seen, stream.hole_seen) + _assembled(stream)
        for key, stream, seen in said.dns.entries()
    ]


def _restore_dns(said: SaidNames, reader: _Reader) -> None:
    *key, base, in_step, seen, hole_seen = _DNS.unpack(reader.octets(_DNS.size))
    stream = DnsStream(base, in_step=in_step)
    stream.hole_seen = reader.believed(hole_seen)
    reader.assembly(stream)
    said.dns.adopt(_packet(key), stream, reader.believed(seen))


def _quic(said: SaidNames) -> list[bytes]:
    entries = []
    for (addresses, tunnel), flow in said.quic.flows.items():
        if flow.origin is not None and not flow.done:
            version, connection = flow.origin
            head = _QUIC.pack(addresses, tunnel, flow.seen, flow.tries, version, len(connection))
            entries.append(head + connection + _assembled(flow.crypto))
    return entries


def _restore_quic(said: SaidNames, reader: _Reader) -> None:
    addresses, tunnel, seen, tries, version, length = _QUIC.unpack(reader.octets(_QUIC.size))
    if version not in VERSIONS:
        raise UnreadableState("a carried QUIC flow is of no known version")
    flow = QuicFlow(reader.believed(seen))
    flow.origin, flow.tries = (version, reader.octets(length)), tries
    reader.assembly(flow.crypto)
    said.quic.adopt((addresses, tunnel), flow)
