"""The golden captures are what `make` writes, and decode to the rows beside them."""

import json
import shutil

import pytest

from tests.golden.make import CAPTURES, DEEP, FOLDER, golden_lines
from tests.servers import require


@pytest.mark.parametrize("name", CAPTURES)
def test_a_golden_capture_gives_its_golden_rows(name: str) -> None:
    require(name not in DEEP or shutil.which("tshark") is not None, "tshark is not here")
    path = FOLDER / f"{name}.pcap"
    assert path.read_bytes() == CAPTURES[name]
    assert golden_lines(path) == path.with_suffix(".jsonl").read_text(encoding="ascii").splitlines()


@pytest.mark.parametrize("name", CAPTURES)
def test_golden_rows_balance(name: str) -> None:
    rows = [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text().splitlines()]
    report = rows[-1]
    flows = [row for row in rows if row["record"] == "flow"]
    packets = [row for row in rows if row["record"] == "packet"]
    assert report["frames"] == len(packets) == report["flow_packets"] + sum(report["non_flow"].values())
    assert report["flow_packets"] == sum(row["packets"] + row["packets_rev"] for row in flows)
    assert report["flow_packets"] == sum(row["reason"] is None for row in packets)


def test_nothing_lies_beside_them() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == CAPTURES.keys()
