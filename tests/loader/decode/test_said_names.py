"""What a packet says of its destination, where it says so whole: ClientHellos, HTTP heads, and what is neither."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loader.decode.columns import DecodeOptions, DecodeReport
from tests.examples import examples

from .captures import assert_balanced, decode, flow_rows, pcap_header, record
from .said_wire import (
    FIN,
    START_US,
    SYN,
    alpn,
    capture_of,
    extension,
    head,
    hello,
    padding,
    real_hello,
    records,
    segment,
    server_name,
)

Said = tuple[object, object, object]


def said_of(payload: bytes, **how: int) -> tuple[Said, DecodeReport]:
    batches, report, _ = decode(capture_of([segment(payload, **how)]))
    assert_balanced(batches, report)
    (row,) = flow_rows(batches)
    return (row["said_name"], row["said_by"], row["alpn"]), report


@pytest.mark.parametrize("port", [443, 8443, 22, 40_001])
def test_a_hello_as_openssl_sends_it(port: int) -> None:
    assert said_of(real_hello("Www.Example.COM", "h2", "http/1.1"), dport=port)[0] == ("www.example.com", "sni", "h2,http/1.1")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"www.example.com.", "www.example.com"),
        (b"xn--bcher-kva.example", "xn--bcher-kva.example"),
        (b"b\xc3\xbccher.example", r"b\195\188cher.example"),
        (b"sp ace\\.example", r"sp\032ace\\.example"),
        (b"1.2.3.example4", "1.2.3.example4"),
        (b"_other", "_other"),
        (b"a" * 63 + b".example", "a" * 63 + ".example"),
        (b"a" * 64 + b".example", None),  # a label of 64
        (b".".join([b"abcd"] * 51), ".".join(["abcd"] * 51)),
        (b".".join([b"abcd"] * 52), None),  # longer than a name can be
        (b"", None),
        (b".", None),
        (b"a..example", None),
        (b"192.0.2.1", None),  # addresses are no names (RFC 6066 3)
        (b"2001:db8::1", None),
    ],
)
def test_names_are_spelt_as_those_of_dns(name: bytes, shown: str | None) -> None:
    assert said_of(records(hello(server_name(name))))[0][0] == shown


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("www.Example.com", "www.example.com"),
        ("www.example.com:8080", "www.example.com"),
        (" www.example.com\t", "www.example.com"),
        ("user@www.example.com:80", "www.example.com"),
        ("192.0.2.1:8080", None),
        ("[2001:db8::1]:80", None),
        ("[2001:db8::1]", None),
        ("", None),
        (None, None),
    ],
)
def test_the_host_of_a_head(host: str | None, shown: str | None) -> None:
    said, report = said_of(head(host))
    assert said == (shown, "http" if shown else None, None)
    assert report.counters["http_heads"] == 1
    assert report.counters.get("http_heads_unnamed", 0) == (shown is None)


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (head("proxy.example", "http://www.example.com/a?b"), "www.example.com"),
        (head("proxy.example", "HTTPS://user:x@Www.example.com:8443"), "www.example.com"),
        (head("www.example.com:443", "www.example.com:443", "CONNECT"), "www.example.com"),
        (head("tv.example", "*", "M-SEARCH"), "tv.example"),
        (head("www.example.com", "*", "OPTIONS"), "www.example.com"),
        (b"GET / HTTP/1.0\nhOsT:www.example.com\n\n", "www.example.com"),
        (b"GET / HTTP/1.1\r\nX-Host: no.example\r\nHost: www.example.com\r\nHost: second.example\r\n\r\n", "www.example.com"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", None),
        (b"EHLO www.example.com\r\nHost: no.example\r\n\r\n", None),
        (b"GET /\r\nHost: no.example\r\n\r\n", None),
        (b"get / HTTP/1.1\r\nHost: no.example\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nHost: no.example\r\n\r\n", None),
        (b"GET  HTTP/1.1\r\nHost: no.example\r\n\r\n", None),
        (b"A" * 21 + b" / HTTP/1.1\r\nHost: no.example\r\n\r\n", None),
    ],
)
def test_heads_and_what_is_none(content: bytes, shown: str | None) -> None:
    assert said_of(content)[0][0] == shown


def test_a_name_whose_head_goes_on_is_known_at_once() -> None:
    assert said_of(b"GET / HTTP/1.1\r\nHost: www.example.com\r\nCookie: and so on")[0][0] == "www.example.com"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (hello(), (None, None, None)),
        (hello(alpn(b"h2", b"a,b\\", b"\xda\xda")), (None, None, r"h2,a\,b\\,\218\218")),
        (hello(server_name(b"first.example"), server_name(b"second.example")), ("first.example", "sni", None)),
        (hello(server_name(b"odd.example", kind=7)), (None, None, None)),
        (hello(extension(0xFE0D, bytes(40)), server_name(b"outer.example")), ("outer.example", "sni", None)),
        (hello(extension(0, b"\0\3\0")), (None, None, None)),
        (hello(extension(16, b"\0\5\2h2\4h"), server_name(b"www.example")), ("www.example", "sni", None)),
        (hello(server_name(b"www.example"), session=b""), ("www.example", "sni", None)),
        (b"\x01" + (len(hello()) - 6).to_bytes(3, "big") + hello()[4:-2], (None, None, None)),
    ],
)
def test_hellos_odd_and_broken(message: bytes, said: Said) -> None:
    shown, report = said_of(
        records(message) if message != hello()[:-2] else records(b"\x01" + len(message[4:]).to_bytes(3) + message[4:])
    )
    assert shown == said
    assert report.counters["tls_hellos"] == 1
    assert report.counters.get("tls_hellos_unnamed", 0) == (said[0] is None)


def test_encrypted_client_hello_is_counted() -> None:
    """Its outer name may be the provider's, and may be the true one beside a decoy: nobody on the path can tell."""
    _, report = said_of(records(hello(extension(0xFE0D, bytes(40)), server_name(b"outer.example"))))
    assert report.counters["tls_hellos_ech"] == 1


def test_only_the_initiators_word_counts_and_the_first_one_stands() -> None:
    frames = [
        segment(b"", 0, SYN),
        segment(head("server.example"), 1, back=True),
        segment(head("first.example"), 1),
        segment(head("second.example"), 2_000),
        segment(b"", 3_000, FIN | 16),
    ]
    batches, _, _ = decode(capture_of(frames))
    assert [row["said_name"] for row in flow_rows(batches)] == ["first.example"]


def test_what_the_snap_length_leaves_of_a_hello_is_read() -> None:
    whole = segment(records(hello(server_name(b"www.example"), padding(400), alpn(b"h2"))))
    batches, report, _ = decode(pcap_header() + record(START_US, whole[:200], wire=len(whole)))
    assert [(row["said_name"], row["alpn"]) for row in flow_rows(batches)] == [("www.example", None)]
    assert "tls_hellos_malformed" not in report.counters


@settings(max_examples=examples(60))
@given(
    st.binary(min_size=1, max_size=300), st.sampled_from([b"", b"\x16\x03\x01", b"GET / HTTP/1.", b"\x16\x03\x01\x01\x00\x01"])
)
def test_any_payload_balances(payload: bytes, front: bytes) -> None:
    said_of(front + payload)


@settings(max_examples=examples(60))
@given(st.data())
def test_a_hello_with_any_octets_changed_is_harmless(data: st.DataObject) -> None:
    payload = bytearray(records(hello(server_name(b"www.example"), alpn(b"h2", b"http/1.1"))))
    for at, octet in data.draw(st.lists(st.tuples(st.integers(0, len(payload) - 1), st.integers(0, 255)), max_size=5)):
        payload[at] = octet
    said_of(bytes(payload))


def test_a_book_of_names_grows() -> None:
    names = [f"host-{n}.example" for n in range(3_000)]
    frames = [segment(head(name), sport=20_000 + n) for n, name in enumerate(names)]
    batches, report, _ = decode(capture_of(frames), DecodeOptions())
    assert sorted(str(row["said_name"]) for row in flow_rows(batches)) == sorted(names)
    assert "said_names_not_kept" not in report.counters


def test_the_packet_in_which_a_hello_ends_says_its_name() -> None:
    """In order, and in segments of which the last comes first."""
    whole = records(hello(server_name(b"whole.example")))
    parts = records(hello(server_name(b"parts.example"), padding(600)))
    frames = [segment(whole, sport=41_000), segment(b"", 0, SYN), segment(parts[400:], 401), segment(parts[:400], 1)]
    batches, report, _ = decode(capture_of([*frames, segment(b"more", 1 + len(parts))]))
    assert_balanced(batches, report)
    packets = [batch.packets for batch in batches]
    said = [pair for columns in packets for pair in zip(columns.said_name, columns.said_by, strict=True)]
    nothing = (None, None)
    assert said == [("whole.example", "sni"), nothing, nothing, ("parts.example", "sni"), nothing]
