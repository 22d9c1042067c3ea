"""One direction of a byte stream put in order: segments of TCP, or CRYPTO frames of QUIC."""

from bisect import bisect_right
from operator import attrgetter
from typing import NamedTuple

from loader.decode import layout


class Piece(NamedTuple):
    """Octets that lie ahead. `origin`: words of the packet that brought them, of which each part of a piece has a copy."""

    offset: int
    octets: bytes
    origin: bytes

    @property
    def end(self) -> int:
        """Offset behind it."""
        return self.offset + len(self.octets)

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return len(self.octets) + len(self.origin) + layout.PIECE_COST


class Assembly:
    """Bytes in order from `start` on, and the pieces that lie ahead of them. The first copy of a byte stands.

    A piece costs as much as it covers, not as much as is held; how many are held is for the owner to bound.
    """

    __slots__ = ("_ahead", "data", "held", "pieces", "start")

    def __init__(self, start: int = 0, data: bytes = b"") -> None:
        self.start = start  # offset in the stream of the first byte in `data`
        self.data = bytearray(data)
        self.held: list[Piece] = []  # in order, none overlapping
        self.pieces = 0  # added so far
        self._ahead = 0  # bytes of memory that `held` takes

    @property
    def behind(self) -> int:
        """Offset of the byte that is waited for."""
        return self.start + len(self.data)

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return len(self.data) + self._ahead + layout.PIECE_COST

    @property
    def octets(self) -> int:
        """Octets of the stream that are here, in order or ahead."""
        return len(self.data) + sum(len(piece.octets) for piece in self.held)

    def add(self, offset: int, octets: bytes, origin: bytes | memoryview = b"") -> bool:
        """Take a piece; whether there is more in order now."""
        behind = self.behind
        self.pieces += 1
        if offset < behind:
            octets = octets[behind - offset :]
            offset = behind
        if not octets:
            return False
        if offset == behind and not self.held:
            self.data += octets
            return True
        self._hold(Piece(offset, octets, bytes(origin)))
        return self._join()

    def take_held(self) -> list[Piece]:
        """The pieces that lie ahead, which are held no more."""
        held, self.held, self._ahead = self.held, [], 0
        return held

    def _hold(self, piece: Piece) -> None:
        """Keep what of the piece is not held yet."""
        held, offset = self.held, piece.offset
        at = bisect_right(held, offset, key=attrgetter("offset"))
        if at:
            offset = max(offset, held[at - 1].end)
        while offset < piece.end:
            limit = min(held[at].offset, piece.end) if at < len(held) else piece.end
            if offset < limit:
                fresh = Piece(offset, piece.octets[offset - piece.offset : limit - piece.offset], piece.origin)
                held.insert(at, fresh)
                self._ahead += fresh.size
            else:
                limit = held[at].end
            offset = limit
            at += 1

    def _join(self) -> bool:
        """Put what is held and next in line behind the bytes in order."""
        joined = 0
        behind = self.behind
        for piece in self.held:
            if piece.offset != behind:
                break
            self.data += piece.octets
            self._ahead -= piece.size
            behind = piece.end
            joined += 1
        del self.held[:joined]
        return joined > 0
