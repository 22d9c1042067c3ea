"""DNS responses of one batch: owns the DNS kernel's arrays and gives their rows as columns."""

from array import array
from collections.abc import Callable, Sequence
from typing import TypeVar

from loader.decode import layout
from loader.decode.columns import DnsColumns
from loader.decode.dns import DnsKernel
from loader.decode.lazy import AddressBook, Item, LazyColumn
from loader.decode.tables import table_of, zeroed

_MESSAGES = 16_384
_RECORDS = 16_384
_NAMES = 65_536
_ARENA = 1_048_576

_KIND_TEXT = ("dns", "mdns", "llmnr")
_SECTION_TEXT = (None, "answer", "authority", "additional")
# Mnemonics of the IANA registry; a type without one is TYPEn (RFC 3597 5).
TYPE_TEXT = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 10: "NULL", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV",
    35: "NAPTR", 39: "DNAME", 41: "OPT", 43: "DS", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 50: "NSEC3", 52: "TLSA",
    64: "SVCB", 65: "HTTPS", 249: "TKEY", 250: "TSIG", 252: "AXFR", 255: "ANY", 257: "CAA",
}  # fmt: skip

RCODE_TEXT = (
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE",
    "DSOTYPENI", "RCODE12", "RCODE13", "RCODE14", "RCODE15",
)  # fmt: skip

_Value = TypeVar("_Value")


class DnsTable:
    """Messages, records and names since the last `take`."""

    def __init__(self) -> None:
        self.words = array("Q", bytes(8 * layout.DNS_WIDTH))
        self._messages = table_of(_MESSAGES, layout.MESSAGE_WIDTH)
        self._records = table_of(_RECORDS, layout.RECORD_WIDTH)
        self._spans = table_of(_NAMES, 3)
        self._arena = zeroed(_ARENA)
        self._index = zeroed(4 * 2 * _NAMES)
        self._no_index = bytes(4 * 2 * _NAMES)
        tables = (self._messages, self._records, self._spans)
        self.kernel = DnsKernel(tables, self._arena, self._index.cast("I"), self.words)

    def counters(self) -> dict[str, int]:
        """What was seen so far: responses by response code, and messages by what is wrong with them."""
        faults = {
            "dns_malformed": self.words[layout.DNS_MALFORMED],
            "dns_too_large": self.words[layout.DNS_TOO_LARGE],
            "dns_cut": self.words[layout.DNS_CUT],
            "dns_other_opcode": self.words[layout.DNS_OTHER_OPCODE],
        }
        return faults | {f"dns_responses/{text}": self.words[layout.DNS_RCODES + n] for n, text in enumerate(RCODE_TEXT)}

    def take(self, book: AddressBook) -> DnsColumns:
        """All rows since the last call."""
        count = self.words[layout.DNS_RECORDS]
        rows = _Rows(
            _column_major(self._messages, self.words[layout.DNS_MESSAGES]),
            _column_major(self._records, count),
            _column_major(self._spans, self.words[layout.DNS_NAMES]),
            bytes(self._arena[: self.words[layout.DNS_ARENA]]),
        )
        for word in (layout.DNS_MESSAGES, layout.DNS_RECORDS, layout.DNS_NAMES, layout.DNS_ARENA):
            self.words[word] = 0
        if rows.any_names:
            self._index[:] = self._no_index
        return rows.columns(book) if count else DnsColumns()


def _column_major(table: memoryview, count: int) -> "list[array[int]]":
    """The first rows of a table, as one array a column."""
    width: int = table.shape[1]  # type: ignore[index]
    flat = array("Q")
    flat.frombytes(table.cast("B")[: count * width * 8])
    return [flat[column::width] for column in range(width)]


class _Rows:
    """The words of a batch's records, made into Python values column by column when they are asked for."""

    def __init__(
        self, messages: "list[array[int]]", records: "list[array[int]]", spans: "list[array[int]]", arena: bytes
    ) -> None:
        self._messages, self._records, self._spans, self._arena = messages, records, spans, arena
        self._of = records[layout.RECORD_MESSAGE]
        self._names: list[str] | None = None

    @property
    def any_names(self) -> bool:
        """Whether the kernel's index has entries."""
        return bool(self._spans[0])

    def names(self) -> list[str]:
        """All names, by number."""
        if self._names is None:
            text = self._arena.decode("ascii")
            self._names = [text[at : at + length] for at, length in zip(self._spans[0], self._spans[1], strict=True)]
        return self._names

    def _lazy(self, make: Callable[[], list[Item]]) -> LazyColumn[Item]:
        return LazyColumn(len(self._of), make)

    def _per_message(self, field: int) -> Sequence[int]:
        values = self._messages[field]
        return self._lazy(lambda: [values[message] for message in self._of])

    def _text(self, words: "array[int]") -> list[str | None]:
        names: list[str | None] = [None, *self.names()]
        return [names[number] for number in words]

    def _qnames(self) -> list[str]:
        """The first question's name; a message without questions (mDNS) speaks of each record's own name."""
        numbers, own = self._messages[layout.MESSAGE_QNAME], self._records[layout.RECORD_NAME]
        names = [".", *self.names()]
        return [names[numbers[message] or own[row]] for row, message in enumerate(self._of)]

    def columns(self, book: AddressBook) -> DnsColumns:
        """As `DnsColumns`."""
        record, message = self._records, self._messages
        shown = record[layout.RECORD_SECTION]
        kinds, section = record[layout.RECORD_TYPE], _SECTION_TEXT
        client_hi, client_lo = message[layout.MESSAGE_CLIENT_HI], message[layout.MESSAGE_CLIENT_LO]
        server_hi, server_lo = message[layout.MESSAGE_RESOLVER_HI], message[layout.MESSAGE_RESOLVER_LO]
        message_kind = message[layout.MESSAGE_KIND]
        high, low = record[layout.RECORD_HI], record[layout.RECORD_LO]

        def where_shown(make: Callable[[int], _Value]) -> LazyColumn[_Value | None]:
            return self._lazy(lambda: [make(row) if shown[row] else None for row in range(len(shown))])

        return DnsColumns(
            frame=self._per_message(layout.MESSAGE_FRAME),
            ts_ns=self._per_message(layout.MESSAGE_TS),
            client_ip=self._lazy(lambda: [book.address(client_hi[m], client_lo[m]) for m in self._of]),
            client_port=self._per_message(layout.MESSAGE_CLIENT_PORT),
            resolver_ip=self._lazy(lambda: [book.address(server_hi[m], server_lo[m]) for m in self._of]),
            transport=self._lazy(lambda: ["udp"] * len(self._of)),
            kind=self._lazy(lambda: [_KIND_TEXT[message_kind[m]] for m in self._of]),
            txid=self._per_message(layout.MESSAGE_TXID),
            rcode=self._per_message(layout.MESSAGE_RCODE),
            qname=self._lazy(self._qnames),
            qtype=self._per_message(layout.MESSAGE_QTYPE),
            section=self._lazy(lambda: [section[number] for number in shown]),
            rr_index=self._lazy(lambda: [i if s else -1 for i, s in zip(record[layout.RECORD_INDEX], shown, strict=True)]),
            rr_name=self._lazy(lambda: self._text(record[layout.RECORD_NAME])),
            rr_type=where_shown(lambda row: TYPE_TEXT.get(kinds[row]) or f"TYPE{kinds[row]}"),
            rr_ttl=where_shown(lambda row: record[layout.RECORD_TTL][row]),
            address=self._lazy(
                lambda: [book.address(high[row], low[row]) if kinds[row] in (1, 28) else None for row in range(len(kinds))]
            ),
            rdata=self._lazy(lambda: self._text(record[layout.RECORD_TARGET])),
            names=self._lazy(lambda: self._text(record[layout.RECORD_NAMES])),
        )
