"""DNS as other projects' tools print it: dnscap's texts (`*.gold`) and ipfixprobe's `passivedns` and `dns` records."""

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from loader.decode.columns import DecodeOptions
from loader.reading.capture import CaptureReading
from pcapline.objects import dns_objects
from tests.loader.decode.oracle_rows import spoken
from tests.shared_captures import SHARED, needs_shared

Row = dict[str, Any]
Record = tuple[object, ...]
_DNSCAP = Path("DNS-OARC__dnscap/src/test")
_PROBE = Path("CESNET__ipfixprobe/tests/functional")
# Each tells messages of one capture or several; some are of two runs over the same one.
_GOLD = ("dns", "edns", "ether_padd", "sll2", "test7", "test8", "test10", "vlan11")
# A segment was not captured: what comes behind it dnscap gives up, the decoder finds.
_HOLES = {"dnso1tcp-bighole.pcap", "dnso1tcp-midmiss.pcap"}
_SECTIONS = ("answer", "authority", "additional")
_MESSAGE = re.compile(
    r"^\[\d+\] (?P<time>[\d-]+ [\d:.]+) \[#\d+ (?P<file>\S+) .*\n"
    r"\t\[(?P<server>[^]]+)\]\.\d+ \[(?P<client>[^]]+)\]\.(?P<port>\d+) +\\\n"
    r"\tdns QUERY,\w+,(?P<id>\d+),qr\S*(?P<body>(?: \\\n\t.*?(?= \\\n|$))*)",
    re.MULTILINE,
)
_COMMA = re.compile(r"(?<!\\),")


def _captures() -> Path:
    assert SHARED is not None
    return SHARED / "captures"


def _rows(capture: Path) -> Iterator[Row]:
    reading = CaptureReading(capture, DecodeOptions(), identify=False)
    for batch in reading.batches():
        for row, latency in zip(dns_objects(batch.dns), batch.dns.latency_us, strict=True):
            yield {**row, "latency_us": latency}


def _microseconds(text: str) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def _name(text: str) -> str:
    return spoken(text).lower().rstrip(".") or "."


def _data(kind: str, values: list[str]) -> str | None:
    """As far as dnscap prints it."""
    if kind in ("A", "AAAA"):
        return values[0]
    if kind == "SOA":
        return " ".join([*map(_name, values[:2]), *values[2:]])
    return _name(values[0]) if kind in ("NS", "PTR", "CNAME") else None


def _told_by_dnscap(text: str) -> Iterator[Record]:
    """The file, then the record."""
    for message in _MESSAGE.finditer(text):
        words = iter(message["body"].replace("\\\n\t", "").split())
        questions = [next(words) for _ in range(int(next(words)))]
        head = (_microseconds(message["time"]), message["server"], message["client"], int(message["port"]), int(message["id"]))
        for section in _SECTIONS:
            for _ in range(int(next(words))):
                owner, kind_class, kind, *values = _COMMA.split(next(words))
                if kind_class == "IN":  # OPT has its size there
                    qname = _name(_COMMA.split(questions[0])[0])
                    yield (message["file"], *head, qname, section, _name(owner), kind, int(values[0]), _data(kind, values[1:]))


def _told_by_us(file: str, row: Row) -> Record:
    head = (file, row["ts_ns"] // 1_000, row["resolver_ip"], row["client_ip"], row["client_port"], row["txid"])
    kind = row["rr_type"]
    data = row["address"] or row["rdata"] if kind in ("A", "AAAA", "NS", "PTR", "CNAME", "SOA") else None
    return (*head, _name(row["qname"]), row["section"], _name(row["rr_name"]), kind, row["rr_ttl"], data)


@needs_shared
@pytest.mark.parametrize("gold", _GOLD)
def test_records_are_those_that_dnscap_prints(gold: str) -> None:
    folder = _captures() / _DNSCAP
    text = (folder / f"{gold}.gold").read_text()
    files = set(re.findall(r" \[#\d+ (\S+)", text))
    ours = {_told_by_us(file, row) for file in files for row in _rows(folder / file) if row["rr_index"] >= 0}
    theirs = set(_told_by_dnscap(text))
    assert theirs <= ours
    assert {record[0] for record in ours - theirs} <= _HOLES
    assert bool(ours) == (gold != "ether_padd")


def _probe_records(name: str) -> Iterator[dict[str, str]]:
    """Lines of an output of ipfixprobe; the last one names the fields."""
    *lines, header = csv.reader((_captures() / _PROBE / "outputs" / name).read_text().splitlines())
    fields = [field.split(" ")[1] for field in header]
    return (dict(zip(fields, line, strict=True)) for line in lines)


@needs_shared
def test_names_and_latencies_are_those_that_ipfixprobe_tells() -> None:
    """`passivedns` has flows of a query and its response: their last packet comes the latency after their first."""
    theirs = set()
    for record in _probe_records("passivedns"):
        if record["DNS_ATYPE"] != "12":
            latency = _microseconds(record["TIME_LAST"]) - _microseconds(record["TIME_FIRST"])
            ends = (record["SRC_IP"], int(record["SRC_PORT"]), record["DST_IP"], int(record["DNS_ID"]))
            theirs.add((*ends, record["DNS_NAME"], record["DNS_IP"], int(record["DNS_RR_TTL"]), latency))
    ours = {
        (row["client_ip"], row["client_port"], row["resolver_ip"], row["txid"], row["rr_name"], row["address"], row["rr_ttl"],
         row["latency_us"])
        for row in _rows(_captures() / _PROBE / "inputs" / "dns.pcap") if row["address"] is not None
    }  # fmt: skip
    assert ours == theirs
    assert len(theirs) == 4


@needs_shared
def test_record_data_reads_as_ipfixprobe_writes_it() -> None:
    first = {
        (row["client_port"], row["txid"]): row
        for row in _rows(_captures() / _PROBE / "inputs" / "dns.pcap")
        if row["rr_index"] == 0
    }
    seen = 0
    for record in _probe_records("dns"):
        text = bytes.fromhex(record["DNS_RDATA"]).decode("ascii")
        if text and "<key>" not in text:
            row = first[int(record["DST_PORT"]), int(record["DNS_ID"])]
            ours = row["address"] or row["rdata"]
            assert (spoken(ours.strip('"')), row["rr_ttl"]) == (text, int(record["DNS_RR_TTL"]))
            seen += 1
    assert seen == 7
