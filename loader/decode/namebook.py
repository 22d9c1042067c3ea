"""The texts that flows said of their destinations, numbered for the whole capture: host names and lists of ALPN protocols."""

from array import array
from collections.abc import Sequence

from loader.decode import layout
from loader.decode.evidence import EvidenceKernel
from loader.decode.lazy import LazyColumn
from loader.decode.tables import enlarged, table_of, zeroed

_FIRST_TEXTS = 1_024
_FIRST_BYTES = 32_768
_TEXT_MASK = (1 << layout.NAME_TEXT_BITS) - 1
_EVIDENCE_TEXT = {layout.SAID_SNI: "sni", layout.SAID_QUIC: "quic", layout.SAID_HTTP: "http"}


class NameBook:
    """Owns the arrays in which the kernel keeps texts, and reads them. Bounded in texts and in bytes."""

    def __init__(self) -> None:
        self._arena = zeroed(_FIRST_BYTES)
        self._spans = table_of(_FIRST_TEXTS, 3)
        self._known: dict[int, str] = {}

    def attach(self, kernel: EvidenceKernel) -> None:
        """Hand the arrays to the kernel."""
        kernel.attach(self._arena, self._spans, zeroed(4 * 2 * len(self._spans)).cast("I"))

    def make_room(self, kernel: EvidenceKernel) -> None:
        """Double what is within its bound, so that the kernel has room for another hello or never will."""
        while not kernel.has_room():
            if len(self._spans) < layout.MAX_SAID_TEXTS:
                self._spans = enlarged(self._spans, 2 * len(self._spans))
            if len(self._arena) < layout.MAX_SAID_BYTES:
                old, self._arena = self._arena, zeroed(2 * len(self._arena))
                self._arena[: len(old)] = old
            self.attach(kernel)

    def text(self, number: int) -> str:
        """A text by its number."""
        known = self._known.get(number)
        if known is None:
            known = self._known[number] = self.octets(number).decode("ascii")
        return known

    def octets(self, number: int) -> bytes:
        """A text by its number, as the kernel keeps it."""
        start = self._spans[number, 0]
        return bytes(self._arena[start : start + self._spans[number, 1]])

    def _texts(self, numbers: Sequence[int]) -> list[str | None]:
        return [self.text(number - 1) if number else None for number in numbers]

    def said(self, word: int) -> tuple[str | None, str | None]:
        """Name of a word as packets carry it, and who says so."""
        number = word & _TEXT_MASK
        return (self.text(number - 1), _evidence(word)) if number else (None, None)

    def columns(self, words: "array[int]") -> tuple[LazyColumn[str | None], LazyColumn[str | None], LazyColumn[str | None]]:
        """Names, who says so, and ALPN lists, of a column of words as packets and flows carry them."""
        shift = layout.NAME_ALPN_SHIFT
        return (
            LazyColumn(len(words), lambda: self._texts([word & _TEXT_MASK for word in words])),
            LazyColumn(len(words), lambda: [_evidence(word) for word in words]),
            LazyColumn(len(words), lambda: self._texts([word >> shift & _TEXT_MASK for word in words])),
        )


def is_word(word: int, texts: int) -> bool:
    """Whether this is a word as packets and flows carry it, if there are so many texts."""
    if not word:
        return True
    name, protocols = word & _TEXT_MASK, word >> layout.NAME_ALPN_SHIFT & _TEXT_MASK
    return name <= texts and protocols <= texts and word >> layout.NAME_EVIDENCE_SHIFT in _EVIDENCE_TEXT


def _evidence(word: int) -> str | None:
    """Who says the name; None where there is none."""
    return _EVIDENCE_TEXT[word >> layout.NAME_EVIDENCE_SHIFT] if word & _TEXT_MASK else None
