"""A file that grew after it was loaded: each of its parts is made again, and whatever goes on from them."""

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from loader.review.recheck import Fault
from loader.review.then import Then
from schema.records import STANDALONE_SENSOR
from schema.tables import FLOWS
from tests.e2e.loading import contents, load_all
from tests.loader.review.desk import PARTS, SETTINGS, Desk, faults
from tests.loader.review.test_openflows import Otherwise

_PCAP_HEADER = 24
Pack = Callable[[bytes], bytes]


def grow(desk: Desk, sensor: str, name: str, pack: Pack) -> Path:
    """A file that is loaded, grows by the next capture's packets, and is loaded again, but for the last capture, which has a
    file of its own."""
    desk.sensor = sensor
    *grown, last = sorted(desk.directory.glob("part-*.pcap"))
    path = desk.directory / name
    for number, part in enumerate(grown):
        with path.open("ab") as file:
            file.write(pack(part.read_bytes()[_PCAP_HEADER if number else 0 :]))
        part.unlink()
        (outcome,) = load_all(desk.store, [path], sensor, SETTINGS)
        assert outcome.state == "loaded"
    load_all(desk.store, [last], sensor, SETTINGS)
    return path


def thens(desk: Desk) -> list[Then]:
    commits = list(desk.store.commits(desk.sensor, 0, deltas=True))
    records = [desk.store.capture(commit.capture_id) for commit in commits]
    return [Then(record=record, commit=commit) for record, commit in zip(records, commits, strict=True) if record]


@pytest.mark.parametrize(("name", "pack"), [("grown.pcap", bytes), ("grown.pcap.gz", gzip.compress)])
@pytest.mark.parametrize("sensor", ["edge", STANDALONE_SENSOR])
def test_each_part_is_made_again_and_put_right(desk: Desk, sensor: str, name: str, pack: Pack) -> None:
    grow(desk, sensor, name, pack)
    before, parts = contents(desk.store), thens(desk)
    assert len({then.record.facts.capture_id for then in parts}) == len(parts) == PARTS
    for then in parts:
        assert faults(desk.examined(0, then)) == []
        capture_id = then.record.facts.capture_id
        row = next(row for row in sorted(desk.store.scan(FLOWS), key=repr) if row[FLOWS.index("capture_id")] == capture_id)
        lease = desk.lease()
        with lease.rewrite(capture_id) as rewriting:
            rewriting.delete(FLOWS, [row[: len(FLOWS.key)]])
        lease.release()
        found = desk.examined(0, then)
        assert faults(found) == [(Fault.MISSING, "flows", row[: len(FLOWS.key)], ())]
        assert desk.repaired(found) == 1
        assert contents(desk.store) == before


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_a_file_with_another_name_is_found_for_its_last_part_alone(desk: Desk) -> None:
    """The others' contents are no file's: by its name a file is looked at for what it began with."""
    grow(desk, "edge", "grown.pcap", bytes).rename(desk.directory / "renamed.pcap")
    first, _, last, behind = thens(desk)
    assert desk.examined(0, first).inexact == "its file is not at hand"
    for then, back in ((last, "2 captures"), (behind, "3 captures")):
        assert f"{back} before it: its file is not at hand" in desk.examined(0, then).inexact


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_what_nobody_knows_of_a_part_is_told(desk: Desk) -> None:
    path = grow(desk, "edge", "grown.pcap", bytes)
    first, then, *_ = thens(desk)
    for after, said in (("", "not known"), ("odd", "cannot be read"), ("00" * 16, "not known")):
        other = replace(then, record=replace(then.record, inputs={**then.inputs, "after": after}))
        assert said in desk.examined(0, other).inexact
    odd = desk.decoding(Otherwise(desk.store, "grown.pcap", {**first.inputs, "prefix": "odd"}))
    assert "or those of the part before it, cannot be read" in desk.examined(0, then, odd).inexact
    content = bytearray(path.read_bytes())
    content[first.record.facts.content_bytes + 20] ^= 1
    path.write_bytes(content)
    assert faults(desk.examined(0, first)) == []
    assert desk.examined(0, then).inexact == "its file is not at hand"
