"""One direction of a byte stream put in order: segments of TCP, or CRYPTO frames of QUIC."""

_PIECE_COST = 256  # bytes that holding a piece costs besides its own, about


class Assembly:
    """Bytes in order from `start` on, and the pieces that lie ahead of them. The first copy of a byte stands."""

    __slots__ = ("data", "held", "pieces", "start")

    def __init__(self, start: int = 0, data: bytes = b"") -> None:
        self.start = start  # offset in the stream of the first byte in `data`
        self.data = bytearray(data)
        self.held: list[tuple[int, bytes]] = []  # offset and bytes, in order, none overlapping
        self.pieces = 0  # added so far

    @property
    def behind(self) -> int:
        """Offset of the byte that is waited for."""
        return self.start + len(self.data)

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        held = sum(len(piece) + _PIECE_COST for _, piece in self.held) if self.held else 0
        return len(self.data) + held + _PIECE_COST

    def add(self, offset: int, piece: bytes) -> bool:
        """Take a piece; whether there is more in order now."""
        behind = self.behind
        self.pieces += 1
        if offset < behind:
            piece = piece[behind - offset :]
            offset = behind
        if not piece:
            return False
        if offset == behind and not self.held:
            self.data += piece
            return True
        self._hold(offset, piece)
        return self._join()

    def _hold(self, offset: int, piece: bytes) -> None:
        """Keep what of the piece is not held yet."""
        end = offset + len(piece)
        fresh = []
        for begin, held in self.held:
            if begin >= end:
                break
            if offset < begin:
                fresh.append((offset, piece[offset - end : begin - end]))
            offset = max(offset, begin + len(held))
        if offset < end:
            fresh.append((offset, piece[offset - end :]))
        self.held = sorted(self.held + fresh)

    def _join(self) -> bool:
        """Put what is held and next in line behind the bytes in order."""
        joined = 0
        behind = self.behind
        for offset, piece in self.held:
            if offset != behind:
                break
            self.data += piece
            behind += len(piece)
            joined += 1
        del self.held[:joined]
        return joined > 0
