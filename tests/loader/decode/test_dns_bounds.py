"""The DNS parser within its bounds: any bytes give rows or a counter."""

from hypothesis import given, settings
from hypothesis import strategies as st

from loader.decode.layout import DNS_MAX_JUMPS, DNS_MAX_RECORDS, DNS_MAX_TEXT, DNS_SHOWN_OCTETS
from tests.examples import examples

from . import dns_wire
from .captures import assert_balanced, decode, dns_rows, ethernet, ipv4, pcap_header, record, udp

_FAULTS = ("dns_malformed", "dns_too_large", "dns_other_opcode")
_MAX_UDP = 65_535 - 28


def _capture(*messages: bytes) -> bytes:
    frames = [ethernet(ipv4("10.0.0.53", "10.0.0.1", 17, udp(53, 40_000, message))) for message in messages]
    return pcap_header() + b"".join(record(1_700_000_000_000_000 + n, frame) for n, frame in enumerate(frames))


def _read(*messages: bytes) -> tuple[list[dict[str, object]], dict[str, int]]:
    """Rows and counters; that nobody had asked for these responses is left out."""
    batches, report, _ = decode(_capture(*messages))
    assert_balanced(batches, report)
    return list(dns_rows(batches)), {n: count for n, count in report.counters.items() if n != "dns_unasked_responses"}


def _accounted(message: bytes, rows: list[dict[str, object]], counters: dict[str, int]) -> bool:
    """Whether the message gave rows or was counted; a query is neither."""
    query = len(message) >= 12 and not message[2] & 0x80
    return bool(rows) or query or sum(counters.get(fault, 0) for fault in _FAULTS) == 1


def _text(rows: list[dict[str, object]]) -> int:
    return sum(len(str(row[field])) for row in rows for field in ("rr_name", "rdata") if row[field] is not None)


_pieces = st.one_of(
    st.binary(max_size=70),
    st.sampled_from([b"\xc0\x0c", b"\xc0\x00", b"\xc0\x1d", b"\xff\xff", b"\0", b"\x3f", b"\x40", b"\0\x01\0\x01"]),
    st.builds(lambda owner, data: dns_wire.record(owner, 5, data), st.just(b"\xc0\x0c"), st.binary(max_size=12)),
    st.builds(dns_wire.record, st.just(b"\xc0\x0c"), st.sampled_from(dns_wire.SHAPED), st.binary(max_size=40)),
    st.just(dns_wire.address(b"\xc0\x0c", "192.0.2.1")),
)
_claimed = st.tuples(*[st.sampled_from([0, 1, 2, 40, 65_535])] * 4)
_near_messages = st.builds(
    lambda pieces, counts, flags: dns_wire.message(b"".join(pieces), counts=counts, flags=flags),
    st.lists(_pieces, max_size=30),
    _claimed,
    st.sampled_from([0x8180, 0x8583, 0x8000, 0xA800]),
)


@settings(max_examples=examples(500))
@given(st.one_of(st.binary(max_size=600), _near_messages))
def test_any_bytes_give_rows_or_a_count(message: bytes) -> None:
    rows, counters = _read(message)
    assert _accounted(message, rows, counters)
    assert len(rows) <= DNS_MAX_RECORDS
    assert _text(rows) <= DNS_MAX_TEXT


@settings(max_examples=examples(100))
@given(st.lists(st.one_of(st.binary(max_size=200), _near_messages), max_size=20))
def test_what_one_message_does_to_the_tables_does_not_reach_the_next(messages: list[bytes]) -> None:
    alone = [[{**row, "frame": 0, "ts_ns": 0} for row in _read(message)[0]] for message in messages]
    together, _ = _read(*messages)
    assert [{**row, "frame": 0, "ts_ns": 0} for row in together] == [row for rows in alone for row in rows]


def test_a_datagram_of_pointers_to_a_long_name_is_bounded_and_counted() -> None:
    """255 octets, each escaped to four characters, named again by every record."""
    owner = dns_wire.name(*[b"\xff" * 63] * 3, b"\xff" * 61)
    answers = [dns_wire.record(dns_wire.pointer(12), dns_wire.TXT, b"")] * 5_000
    message = dns_wire.message(dns_wire.question(owner), answers)
    assert len(message) < _MAX_UDP
    rows, counters = _read(message)
    assert counters == {"dns_too_large": 1, "dns_responses/NOERROR": 1}
    assert 0 < _text(rows) <= DNS_MAX_TEXT


def test_more_records_than_the_bound_are_counted() -> None:
    answers = [dns_wire.record(b"\0", dns_wire.TXT, b"")] * (DNS_MAX_RECORDS + 1)
    rows, counters = _read(dns_wire.message(dns_wire.question(b"\0"), answers))
    assert (len(rows), counters["dns_too_large"]) == (DNS_MAX_RECORDS, 1)
    rows, counters = _read(dns_wire.message(dns_wire.question(b"\0"), answers[1:]))
    assert (len(rows), counters) == (DNS_MAX_RECORDS, {"dns_responses/NOERROR": 1})


def _pointers_to_pointers(count: int) -> bytes:
    """The second record's owner is the root, told by so many pointers, each to the one before."""
    at = 12 + 5 + 11  # header, question of the root, owner and fixed part of the first record
    chain = b"\0" + dns_wire.pointer(at) + b"".join(dns_wire.pointer(at + 1 + 2 * n) for n in range(count - 2))
    hidden = dns_wire.record(b"\0", 65_000, chain)
    last = dns_wire.pointer(at + 1 + 2 * (count - 2))
    return dns_wire.message(dns_wire.question(b"\0"), [hidden, dns_wire.address(last, "192.0.2.1")])


def test_pointers_to_pointers_are_followed_as_often_as_a_name_has_labels() -> None:
    rows, counters = _read(_pointers_to_pointers(DNS_MAX_JUMPS))
    assert ([row["rr_name"] for row in rows], counters) == ([".", "."], {"dns_responses/NOERROR": 1})
    rows, counters = _read(_pointers_to_pointers(DNS_MAX_JUMPS + 1))
    assert ([row["rr_name"] for row in rows], counters) == (["."], {"dns_malformed": 1, "dns_responses/NOERROR": 1})


def _strings(size: int) -> bytes:
    return b"".join(bytes([255]) + b"\x07" * 255 for _ in range(size))


def test_record_data_is_bounded_as_text_and_not_as_octets() -> None:
    """Every octet of it is written as four characters."""
    rows, counters = _read(dns_wire.message(dns_wire.question(b"\0"), [dns_wire.record(b"\0", dns_wire.TXT, _strings(63))]))
    assert (len(rows), counters["dns_responses/NOERROR"], len(counters)) == (1, 1, 1)
    rows, counters = _read(dns_wire.message(dns_wire.question(b"\0"), [dns_wire.record(b"\0", dns_wire.TXT, _strings(65))]))
    assert (rows, counters["dns_too_large"]) == ([], 1)


def test_data_of_an_unknown_type_is_shown_to_a_bound() -> None:
    rows, _ = _read(dns_wire.message(dns_wire.question(b"\0"), [dns_wire.record(b"\0", 65_000, b"\xab" * 40_000)]))
    assert [row["rdata"] for row in rows] == ["\\# 40000 " + "ab" * DNS_SHOWN_OCTETS + "..."]


def test_pointers_of_every_record_to_one_chain_cost_it_once() -> None:
    """A bomb of pointers: each of 1,024 owners points at the name of 127 labels, which costs its text each time."""
    long_name = dns_wire.name(*["x"] * 127)
    answers = [dns_wire.address(dns_wire.pointer(12), "192.0.2.1")] * DNS_MAX_RECORDS
    rows, counters = _read(dns_wire.message(dns_wire.question(long_name), answers))
    assert counters == {"dns_too_large": 1, "dns_responses/NOERROR": 1}
    assert DNS_MAX_TEXT - 1_100 < _text(rows) <= DNS_MAX_TEXT
