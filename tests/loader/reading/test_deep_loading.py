"""Captures of link types that only the deep decoder reads, into a real store: what is named, carried, recorded."""

import shutil
from pathlib import Path

import pytest

from loader.settings import LoaderSettings
from schema.store.sqlite import open_sqlite
from schema.store.writing import Store
from schema.tables import DNS_ANSWERS, FLOWS, PACKETS
from tests.e2e.loading import assert_balance, contents, load_all, totals
from tests.golden.deep_captures import CAPTURES, IPV4, frame_relay
from tests.golden.frames import HOST, SERVER
from tests.golden.writing import capture
from tests.loader.decode.captures import ipv4, tcp
from tests.servers import require

FRAME_RELAY = 107
SENSOR = "edge-1"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = open_sqlite(tmp_path / "store.db")
    made.apply_schema()
    return made


@pytest.fixture
def tshark() -> None:
    require(shutil.which("tshark") is not None, "tshark is not here")


def _files(folder: Path, *captures: bytes) -> list[Path]:
    paths = [folder / f"part-{number:03d}.pcap" for number in range(len(captures))]
    for path, content in zip(paths, captures, strict=True):
        path.write_bytes(content)
    return paths


def _deep_inputs(store: Store) -> list[str]:
    return [record.inputs["deep"] for record in store.captures()]


def test_its_rows_are_written_and_named_like_any_other(tshark: None, store: Store, tmp_path: Path) -> None:
    outcomes = load_all(store, _files(tmp_path, CAPTURES["deep-radiotap"]), SENSOR, LoaderSettings(packets=True))
    assert_balance(outcomes)
    assert (outcomes[0].packets, outcomes[0].flow_packets) == (10, 5)
    rows = contents(store)
    flows = [dict(zip(FLOWS.names, row, strict=True)) for row in rows[FLOWS.name]]
    assert {flow["frame"]: flow["endpoint"] for flow in flows}[3] == "www.example.com"
    assert sorted(row[PACKETS.index("frame")] for row in rows[PACKETS.name]) == list(range(1, 9))
    assert {row[DNS_ANSWERS.index("qname")] for row in rows[DNS_ANSWERS.name]} == {"www.example.com"}
    counts = totals(store, SENSOR)[1]
    assert (counts["frames"], counts["flow_packets"], counts["deep_asked"], counts["deep_answered"]) == (10, 5, 10, 8)
    (deep,) = _deep_inputs(store)
    assert deep.startswith("tshark ")


def test_what_is_open_at_its_end_is_not_carried(tshark: None, store: Store, tmp_path: Path) -> None:
    segments = [frame_relay(IPV4, ipv4(HOST, SERVER, 6, tcp(40_001, 443, flags))) for flags in (0x10, 0x18)]
    load_all(store, _files(tmp_path, *(capture([segment], FRAME_RELAY) for segment in segments)), SENSOR)
    flows = [dict(zip(FLOWS.names, row, strict=True)) for row in contents(store)[FLOWS.name]]
    assert [flow["initiator"] == "carried" for flow in flows] == [False, False]


def test_where_it_is_not_wanted_or_not_there_the_inputs_say_so(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third needs none."""
    paths = _files(tmp_path, CAPTURES["deep-radiotap"], CAPTURES["deep-frame-relay"], capture([b""], 1))
    monkeypatch.setenv("PATH", "")
    outcomes = load_all(store, paths[:1], SENSOR, LoaderSettings(deep=False)) + load_all(store, paths[1:], SENSOR)
    assert [outcome.non_flow.get("unsupported_link_type") for outcome in outcomes] == [10, 10, None]
    assert sorted(_deep_inputs(store)) == ["absent", "off", "unneeded"]
    assert totals(store, SENSOR)[1]["deep_absent"] == 10
