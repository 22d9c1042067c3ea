"""DNS messages of one batch: owns the DNS kernel's arrays and gives their rows as columns."""

from array import array
from collections.abc import Callable, Sequence

from loader.decode import layout
from loader.decode.columns import DnsColumns
from loader.decode.dns import DnsKernel
from loader.decode.lazy import AddressBook, Item, LazyColumn
from loader.decode.mnemonics import RCODE_TEXT, type_text
from loader.decode.querytable import QueryTable
from loader.decode.tables import table_of, zeroed
from schema.coded import CodedColumn, Parts

_MESSAGES = 16_384
_RECORDS = 32_768
_NAMES = 65_536
_ARENA = 1_048_576

_KIND_TEXT = ("dns", "mdns", "llmnr")
_TRANSPORT_TEXT = ("udp", "tcp")
_SECTION_TEXT = (None, "answer", "authority", "additional")
_ADDRESS_TYPES = (1, 28)


class DnsTable:
    """Messages, records and names since the last `take`, and the queries that wait for their response."""

    def __init__(self) -> None:
        self.words = array("Q", bytes(8 * layout.DNS_WIDTH))
        self._messages = table_of(_MESSAGES, layout.MESSAGE_WIDTH)
        self._records = table_of(_RECORDS, layout.RECORD_WIDTH)
        self._spans = table_of(_NAMES, 3)
        self._arena = zeroed(_ARENA)
        index = zeroed(4 * 2 * _NAMES).cast("I")
        memo = memoryview(array("Q", bytes(8 * 32)))
        tables = (self._messages, self._records, self._spans)
        # The seed differs from process to process, so that nobody can make names that all collide.
        seed = hash("dns") & 0xFFFF_FFFF_FFFF_FFFF
        self._kernel = DnsKernel(tables, self._arena, index, self.words, memo, seed)
        self.queries = QueryTable(tables, self._arena, self.words, seed)

    def read(
        self, buffer: memoryview | bytes, packets: memoryview, span: tuple[int, int], make_room: Callable[[], None]
    ) -> None:
        """Read the messages among packets[first:last], whose payloads are in `buffer`; `make_room` has to `take` the rows."""
        at, last = span
        while True:
            first = self.words[layout.DNS_MESSAGES]
            at = self._kernel.read(buffer, packets, at, last)
            self.queries.kernel.match(first, self.words[layout.DNS_MESSAGES])
            self._emit(make_room)
            if at == last:
                return
            make_room()

    def finish(self, make_room: Callable[[], None]) -> None:
        """The capture stands alone and is over: queries that wait will not be answered."""
        self.queries.kernel.end()
        self._emit(make_room)

    def _emit(self, make_room: Callable[[], None]) -> None:
        while self.queries.kernel.emit():
            make_room()

    def counters(self) -> dict[str, int]:
        """What was seen so far: responses by response code, queries by what became of them, messages by what is wrong."""
        word = self.words
        counts = {
            "dns_queries": word[layout.DNS_QUERIES],
            "dns_multicast_queries": word[layout.DNS_MULTICAST_QUERIES],
            "dns_truncated": word[layout.DNS_TRUNCATED],
            "dns_edns": word[layout.DNS_EDNS],
            "dns_edns_do": word[layout.DNS_EDNS_DO],
            "dns_malformed": word[layout.DNS_MALFORMED],
            "dns_malformed_rdata": word[layout.DNS_MALFORMED_RDATA],
            "dns_too_large": word[layout.DNS_TOO_LARGE],
            "dns_cut": word[layout.DNS_CUT],
            "dns_other_opcode": word[layout.DNS_OTHER_OPCODE],
        }
        counts |= self.queries.counters()
        return counts | {f"dns_responses/{text}": word[layout.DNS_RCODES + n] for n, text in enumerate(RCODE_TEXT)}

    def take(self, book: AddressBook) -> DnsColumns:
        """All rows since the last call."""
        messages, records = self.words[layout.DNS_MESSAGES], self.words[layout.DNS_RECORDS]
        if not messages:
            return DnsColumns()
        rows = _Rows(
            _copied(self._messages, messages),
            _copied(self._records, records),
            _copied(self._spans, self.words[layout.DNS_NAMES]),
            bytes(self._arena[: self.words[layout.DNS_ARENA]]),
        )
        self._kernel.forget()
        return rows.columns(book) if records else DnsColumns()


def _copied(table: memoryview, count: int) -> memoryview:
    """The words of a table's first rows."""
    width: int = table.shape[1]  # type: ignore[index]
    return memoryview(bytes(table.cast("B")[: count * width * 8])).cast("Q")


class _Rows:
    """The words of a batch's records, made into Python values column by column when they are asked for."""

    def __init__(self, messages: memoryview, records: memoryview, spans: memoryview, arena: bytes) -> None:
        self._messages, self._records, self._spans, self._arena = messages, records, spans, arena
        self._size = len(records) // layout.RECORD_WIDTH
        self._message_numbers: list[int] = []
        self._name_texts: list[str | None] = []

    def _message(self, field: int) -> list[int]:
        """A word of all messages."""
        return self._messages[field :: layout.MESSAGE_WIDTH].tolist()

    def _record(self, field: int) -> list[int]:
        """A word of all records."""
        return self._records[field :: layout.RECORD_WIDTH].tolist()

    @property
    def _of(self) -> list[int]:
        """The message of each record."""
        if not self._message_numbers:
            self._message_numbers = self._record(layout.RECORD_MESSAGE)
        return self._message_numbers

    def _names(self) -> list[str | None]:
        """All names, by number plus one; none has number 0."""
        if not self._name_texts:
            text = self._arena.decode("latin-1")
            starts, lengths = self._spans[0::3].tolist(), self._spans[1::3].tolist()
            self._name_texts = [None, *(text[at : at + length] for at, length in zip(starts, lengths, strict=True))]
        return self._name_texts

    def _lazy(self, make: Callable[[], list[Item]]) -> LazyColumn[Item]:
        return LazyColumn(self._size, make)

    def _per_message(self, make: Callable[[], Sequence[Item]]) -> CodedColumn[Item]:
        """A value of the message, for each of its records."""
        return CodedColumn(self._size, lambda: (self._of, make()))

    def _ends(self, shift: int, mask: int) -> list[int]:
        return [word >> shift & mask for word in self._message(layout.MESSAGE_ENDS)]

    def _per_message_address(self, book: AddressBook, high: int) -> CodedColumn[bytes]:
        return self._per_message(lambda: [*map(book.address, self._message(high), self._message(high + 1))])

    def _named(self, field: int) -> CodedColumn[str | None]:
        return CodedColumn(self._size, lambda: (self._record(field), self._names()))

    def _qnames(self) -> Parts[str]:
        """The first question's name; a message without questions (mDNS) speaks of each record's own name."""
        numbers, own = self._message(layout.MESSAGE_QNAME), self._record(layout.RECORD_NAME)
        codes = [numbers[message] or name for message, name in zip(self._of, own, strict=True)]
        return codes, [name or "." for name in self._names()]

    def _indices(self) -> list[int]:
        pairs = zip(self._record(layout.RECORD_SECTION), self._record(layout.RECORD_INDEX), strict=True)
        return [index if section else -1 - index for section, index in pairs]

    def _where_shown(self, field: int, make: Callable[[int], Item]) -> LazyColumn[Item | None]:
        """Of a record's word; None for a message without records."""

        def made() -> list[Item | None]:
            pairs = zip(self._record(layout.RECORD_SECTION), self._record(field), strict=True)
            return [make(word) if section else None for section, word in pairs]

        return self._lazy(made)

    def _addresses(self, book: AddressBook) -> list[bytes | None]:
        fields = (layout.RECORD_TYPE, layout.RECORD_DATA, layout.RECORD_HI, layout.RECORD_LO)
        return [
            book.address(high, low) if data and kind in _ADDRESS_TYPES else None
            for kind, data, high, low in zip(*map(self._record, fields), strict=True)
        ]

    def _rdata(self) -> list[str | None]:
        from loader.decode.recorddata import data_text  # here: what only counts needs no text

        names = self._names()
        fields = (layout.RECORD_TYPE, layout.RECORD_DATA, layout.RECORD_TARGET, layout.RECORD_SECOND)
        return [
            data_text(kind, self._octets(data), names[first] or "", names[second] or "")
            if data and kind not in _ADDRESS_TYPES
            else None
            for kind, data, first, second in zip(*map(self._record, fields), strict=True)
        ]

    def _octets(self, data: int) -> bytes:
        at = data & ((1 << layout.DATA_LENGTH_SHIFT) - 1)
        return self._arena[at : at + (data >> layout.DATA_LENGTH_SHIFT) - 1]

    def columns(self, book: AddressBook) -> DnsColumns:
        """As `DnsColumns`."""
        return DnsColumns(
            frame=self._per_message(lambda: [*map(_signed, self._message(layout.MESSAGE_FRAME))]),
            ts_ns=self._per_message(lambda: self._message(layout.MESSAGE_TS)),
            client_ip=self._per_message_address(book, layout.MESSAGE_CLIENT_HI),
            client_port=self._per_message(lambda: self._ends(0, 0xFFFF)),
            resolver_ip=self._per_message_address(book, layout.MESSAGE_RESOLVER_HI),
            transport=self._per_message(lambda: [_TRANSPORT_TEXT[n] for n in self._ends(layout.ENDS_TRANSPORT_SHIFT, 0xFF)]),
            kind=self._per_message(lambda: [_KIND_TEXT[n] for n in self._ends(layout.ENDS_KIND_SHIFT, 0xFF)]),
            txid=self._per_message(lambda: self._ends(layout.ENDS_TXID_SHIFT, 0xFFFF)),
            rcode=self._per_message(lambda: [*map(_rcode, self._message(layout.MESSAGE_RCODE))]),
            qname=CodedColumn(self._size, self._qnames),
            qtype=self._per_message(lambda: self._message(layout.MESSAGE_QTYPE)),
            latency_us=self._per_message(lambda: [*map(_latency_us, self._message(layout.MESSAGE_LATENCY))]),
            section=CodedColumn(self._size, lambda: (self._record(layout.RECORD_SECTION), _SECTION_TEXT)),
            rr_index=self._lazy(self._indices),
            rr_name=self._named(layout.RECORD_NAME),
            rr_type=self._where_shown(layout.RECORD_TYPE, type_text),
            rr_ttl=self._where_shown(layout.RECORD_TTL, int),
            address=self._lazy(lambda: self._addresses(book)),
            rdata=self._lazy(self._rdata),
            names=self._named(layout.RECORD_NAMES),
        )


def _signed(word: int) -> int:
    return word if word < 1 << 63 else word - (1 << 64)


def _rcode(word: int) -> int | None:
    return None if word == layout.NO_RCODE else word


def _latency_us(word: int) -> int | None:
    return (word - 1) // 1000 if word else None
