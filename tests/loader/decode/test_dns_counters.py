"""Messages are counted: responses by response code under the names that the exporter shows."""

import pytest

from loader.decode.mnemonics import RCODE_TEXT

from . import dns_wire as dns
from .captures import decode, dns_rows, ethernet, ipv4, pcap_header, record, udp

CLIENT, RESOLVER = "10.0.0.1", "10.0.0.53"


def _capture(*messages: bytes) -> bytes:
    frames = [ethernet(ipv4(RESOLVER, CLIENT, 17, udp(53, 40_000, message))) for message in messages]
    return pcap_header() + b"".join(record(1_700_000_000_000_000 + n, frame) for n, frame in enumerate(frames))


@pytest.mark.parametrize("rcode", range(16))
def test_a_response_is_counted_by_its_code(rcode: int) -> None:
    response = dns.message(dns.question(dns.dotted("a.example")), flags=0x8180 | rcode)
    batches, report, _ = decode(_capture(response, response))
    assert report.counters == {f"dns_responses/{RCODE_TEXT[rcode]}": 2, "dns_unasked_responses": 2}
    assert [row["rcode"] for row in dns_rows(batches)] == [rcode, rcode]


@pytest.mark.parametrize(("rcode", "text"), [(16, "BADVERS"), (23, "BADCOOKIE"), (24, "OTHER"), (0xFFF, "OTHER")])
def test_an_opt_record_extends_the_code(rcode: int, text: str) -> None:
    option = dns.record(dns.name(), dns.OPT, b"", ttl=(rcode >> 4) << 24 | 0x8000)
    batches, report, _ = decode(
        _capture(dns.message(dns.question(dns.dotted("a.example")), [option], flags=0x8180 | rcode & 15))
    )
    assert report.counters == {f"dns_responses/{text}": 1, "dns_edns": 1, "dns_edns_do": 1, "dns_unasked_responses": 1}
    assert [(row["rcode"], row["rr_index"]) for row in dns_rows(batches)] == [(rcode, -1)]


def test_a_truncated_response_is_counted() -> None:
    _, report, _ = decode(_capture(dns.message(dns.question(dns.dotted("a.example")), flags=0x8380)))
    assert report.counters == {"dns_responses/NOERROR": 1, "dns_truncated": 1, "dns_unasked_responses": 1}


def test_codes_are_counted_apart_and_queries_by_what_became_of_them() -> None:
    question = dns.question(dns.dotted("a.example"))
    flags = [0x8180, 0x8183, 0x8183, 0x0100]
    _, report, _ = decode(_capture(*(dns.message(question, flags=each) for each in flags)))
    responses = {"dns_responses/NOERROR": 1, "dns_responses/NXDOMAIN": 2, "dns_unasked_responses": 3}
    assert report.counters == responses | {"dns_queries": 1, "dns_unanswered_queries": 1}


def test_a_response_that_breaks_off_is_a_response_too() -> None:
    broken = dns.message(dns.question(dns.dotted("a.example")), [b"\x3f"])
    _, report, _ = decode(_capture(broken))
    assert report.counters == {"dns_malformed": 1, "dns_responses/NOERROR": 1, "dns_unasked_responses": 1}
