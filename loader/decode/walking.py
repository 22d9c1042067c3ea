"""How the decoder steps through a container: record by record, over corrupt places, to where the bytes end."""

from collections.abc import Iterator
from typing import Protocol

from loader.decode.record import Record

# Why a walk ended.
WALK_MORE = 0  # the next record is not whole: more bytes are needed, or it is the cut tail
WALK_FULL = 1  # the chunk is full
WALK_CORRUPT = 2  # the next record's header cannot be true

# No capture program writes longer packets (libpcap's MAXIMUM_SNAPLEN): a longer one is a corrupt header.
MAX_PACKET_BYTES = 262_144
# Plausible records in a row that make a position in a corrupt file credible again.
CHAIN_RECORDS = 4
# How far a corrupt place is searched before the rest of the file is given up.
MAX_RESYNC_BYTES = 16 * 1024 * 1024


class Unreadable(Record):
    """Why nothing of a file can be read: a counted word and a sentence for people."""

    reason: str
    detail: str


class Container(Protocol):
    """A file format that holds packets: knows where its records are, not what is in them."""

    @property
    def header_bytes(self) -> int:
        """In front of the first record."""
        ...

    @property
    def corrupt(self) -> str:
        """Damage: what a record that cannot be true is called."""
        ...

    def walk(self, buffer: memoryview, span: tuple[int, int], packets: memoryview, frame: int) -> tuple[int, int, int]:
        """Fill `packets` with the whole records in buffer[span]: (how many, offset behind them, why the walk ended).

        `frame`: number of the first packet.
        """
        ...

    def search(self, buffer: memoryview, span: tuple[int, int], final: bool) -> tuple[bool, int]:
        """The next credible record in buffer[span]: (found, its offset), or (False, where to look on with more bytes)."""
        ...

    def is_cut(self) -> bool:
        """Whether the walk has gone on to somewhere within a record."""
        ...

    def link_types(self) -> tuple[int, ...]:
        """Those of the interfaces that the records so far are of."""
        ...

    def counters(self) -> dict[str, int]:
        """Counts of what the records so far were."""
        ...


class Walker:
    """One container's way through its bytes, piece by piece, and what was wrong with them."""

    def __init__(self, container: Container, packets: memoryview) -> None:
        """`packets`: the chunk to fill."""
        self._container, self._packets = container, packets
        self.frames = 0
        self.damage: dict[str, int] = {}
        self.consumed = container.header_bytes  # offset in the container behind the last whole record
        self.at = 0  # after `chunks`: offset in the buffer from which on the bytes are needed again, before new ones
        self._lost_for = 0  # bytes searched for the next credible record; 0: the walk is in step
        self._given_up = False
        self._told: dict[str, int] = {}  # counts of records walked before the tail

    def chunks(self, buffer: memoryview, span: tuple[int, int], *, final: bool) -> Iterator[int]:
        """Walk buffer[span], whose bytes follow those before: so many packets are in the chunk, again and again.

        `final`: no bytes follow.
        """
        at, end = span
        while not self._given_up:
            if self._lost_for:
                at = self._search(buffer, (at, end), final=final)
                if self._lost_for:
                    break
            count, behind, why = self._container.walk(buffer, (at, end), self._packets, self.frames + 1)
            self.consumed += behind - at
            at = behind
            if count:
                self.frames += count
                yield count
            if why == WALK_MORE and final and self._container.search(buffer, (at + 1, end), final)[0]:
                why = WALK_CORRUPT  # records follow: what ends beyond the file is a length that lies, not a cut
            if why == WALK_CORRUPT:
                self._add_damage(self._container.corrupt, 1)
                self._lost_for = 1
                self._skip(1)
                at += 1
            elif why != WALK_FULL:
                break
        if self._given_up:
            self._skip(end - at)
            at = end
        if final:
            self._end(end - at)
        self.at = at

    def begin_tail(self) -> None:
        """What was walked so far was counted before: count anew, as if from the beginning."""
        self.frames, self.damage, self._told = 0, {}, self._container.counters()
        self._lost_for, self._given_up = 0, False

    def counters(self) -> dict[str, int]:
        """As `Container.counters`, of the records that count."""
        return {name: count - self._told.get(name, 0) for name, count in self._container.counters().items()}

    def link_types(self) -> tuple[int, ...]:
        """As `Container.link_types`."""
        return self._container.link_types()

    def _search(self, buffer: memoryview, span: tuple[int, int], *, final: bool) -> int:
        found, at = self._container.search(buffer, span, final)
        self._skip(at - span[0])
        self._lost_for = 0 if found else self._lost_for + at - span[0]
        self._given_up = self._lost_for > MAX_RESYNC_BYTES
        return at

    def _end(self, left: int) -> None:
        if self._lost_for:
            self._add_damage("skipped_bytes", left)
        elif left or self._container.is_cut():
            self._add_damage("cut_tail", 1)

    def _skip(self, count: int) -> None:
        self.consumed += count
        self._add_damage("skipped_bytes", count)

    def _add_damage(self, reason: str, count: int) -> None:
        if count:
            self.damage[reason] = self.damage.get(reason, 0) + count
