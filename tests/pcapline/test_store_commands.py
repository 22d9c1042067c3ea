"""Commands over a store that `load` made: query, status, verify, schema, doctor, exporter."""

import sqlite3
from pathlib import Path

import pytest

from tests.pcapline.captures import START_S, capture, conversation
from tests.pcapline.command import objects, pcapline
from tests.pcapline.test_bad_input import settled

HOSTS = ("a.example.com", "b.example.com", "c.example.com")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three captures, loaded: three names at one address, each with its own client."""
    for number, host in enumerate(HOSTS):
        talk = conversation(host, packets=4 + number, client=f"10.0.0.{number + 1}")
        settled(tmp_path / f"{number}.pcap", capture(talk, start_s=START_S + number * 3600))
    (tmp_path / "no.txt").write_text("no capture\n")
    settled(tmp_path / "no.pcap", b"no capture at all, only words\n")
    done = pcapline("load", *sorted(tmp_path.glob("*.pcap")), cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    return tmp_path


def test_query_by_address_is_newest_first(folder: Path) -> None:
    flows = objects(pcapline("query", "93.184.216.34", "--json", cwd=folder))
    assert [flow["endpoint"] for flow in flows] == list(reversed(HOSTS))
    assert [flow["packets"] for flow in flows] == [6, 5, 4]


def test_query_by_name_leaves_out_other_names_at_the_address(folder: Path) -> None:
    flows = objects(pcapline("query", "B.example.com.", "--json", cwd=folder))
    assert [(flow["endpoint"], flow["source_ip"]) for flow in flows] == [("b.example.com", "10.0.0.2")]


def test_query_bounds(folder: Path) -> None:
    assert len(objects(pcapline("query", "93.184.216.34", "--json", "--limit", "2", cwd=folder))) == 2
    by_client = objects(pcapline("query", "93.184.216.34", "--json", "--source", "10.0.0.1", cwd=folder))
    assert [flow["endpoint"] for flow in by_client] == ["a.example.com"]
    assert pcapline("query", "93.184.216.34", "--last", "1h", cwd=folder).returncode == 6
    assert len(objects(pcapline("query", "93.184.216.34", "--last", "9000w", "--json", cwd=folder))) == 3
    assert pcapline("query", "93.184.216.34", "--last", "soon", cwd=folder).returncode == 2
    assert pcapline("query", "93.184.216.34", "--source", "here", cwd=folder).returncode == 2


@pytest.mark.parametrize("what", ["192.0.2.1", "nobody.example.com"])
def test_query_that_finds_nothing_is_6(folder: Path, what: str) -> None:
    done = pcapline("query", what, cwd=folder)
    assert (done.returncode, done.stdout) == (6, "")
    assert what in done.stderr


def test_query_shows_the_statements_it_ran(folder: Path) -> None:
    done = pcapline("query", "93.184.216.34", "--cql", cwd=folder)
    statement = done.stderr
    assert "FROM flows" in statement
    store = sqlite3.connect(folder / "pcapline.db")
    assert len(store.execute(statement).fetchall()) == 3


def test_status_counts(folder: Path) -> None:
    items = objects(pcapline("status", "--json", cwd=folder))
    sensor = next(item for item in items if item["record"] == "sensor")
    assert (sensor["captures"], sensor["packets"], sensor["flows"]) == (3, 21, 6)
    assert sensor["newest_packet_ts_ns"] == (START_S + 7200) * 10**9 + 7 * 10**6
    assert [item["file"] for item in items if item["record"] == "quarantined"] == ["no.pcap"]
    assert "no.pcap" in pcapline("status", cwd=folder).stdout


def test_verify_holds_then_names_the_capture_that_lost_a_row(folder: Path) -> None:
    done = pcapline("verify", "--json", cwd=folder)
    assert done.returncode == 0
    assert {item["identity"]: item["difference"] for item in objects(done)} == {"packets": 0, "rows": 0, "totals": 0}
    with sqlite3.connect(folder / "pcapline.db") as store:
        deleted = store.execute("DELETE FROM flows WHERE endpoint = 'b.example.com'").rowcount
    assert deleted == 1
    done = pcapline("verify", "--json", cwd=folder)
    assert done.returncode == 1
    differing = [item for item in objects(done) if "differs" in item]
    assert {item["file"] for item in differing} == {"1.pcap"}
    assert {item["differs"] for item in differing} == {"rows", "packets"}
    told = pcapline("verify", cwd=folder)
    assert told.returncode == 1
    assert differing[0]["capture_id"] in told.stdout


def test_the_exporter_shows_it_once(folder: Path) -> None:
    done = pcapline("exporter", "--once", cwd=folder)
    assert done.returncode == 0
    for host in HOSTS:
        assert f'pcapline_endpoint_writes_total{{network="default",server_address="{host}"}} 1.0' in done.stdout


def test_schema_shows_and_applies(folder: Path) -> None:
    assert "CREATE TABLE" in pcapline("schema", "show", cwd=folder).stdout
    cql = pcapline("schema", "show", "--store", "cassandra://h/k", cwd=folder).stdout
    assert "CREATE TABLE" in cql
    assert "PRIMARY KEY ((destination_ip" in cql
    fresh = pcapline("schema", "apply", "--store", "sqlite:new.db", cwd=folder)
    assert fresh.returncode == 0
    assert "applied 0001_base" in fresh.stdout
    again = pcapline("schema", "apply", "--store", "sqlite:new.db", cwd=folder)
    assert (again.returncode, again.stdout) == (0, "")


def test_doctor_has_a_fix_for_what_it_finds(folder: Path) -> None:
    lines = pcapline("doctor", cwd=folder).stdout.splitlines()
    assert {line.split()[0] for line in lines} <= {"ok", "warn", "FAIL"}
    assert all("Fix: " in line for line in lines if not line.startswith("ok"))
    away = pcapline("doctor", "--json", "--store", "cassandra://127.0.0.1:1/k", cwd=folder)
    assert away.returncode == 1
    assert [item["level"] for item in objects(away) if item["text"].startswith("store")] == ["FAIL"]


def test_verify_of_nothing_is_not_passed(folder: Path) -> None:
    unknown = pcapline("verify", "--sensor", "nosuch", cwd=folder)
    assert (unknown.returncode, unknown.stdout) == (6, "")
    assert "standalone" in unknown.stderr
    assert pcapline("verify", "--sensor", "standalone", cwd=folder).returncode == 0
    pcapline("schema", "apply", "--store", "sqlite:new.db", cwd=folder)
    empty = pcapline("verify", "--store", "sqlite:new.db", cwd=folder)
    assert (empty.returncode, empty.stdout) == (0, "")
    assert "nothing to verify" in empty.stderr


def test_query_tells_when_the_newest_row_was(folder: Path) -> None:
    done = pcapline("query", "93.184.216.34", "--last", "1h", cwd=folder)
    assert done.returncode == 6
    assert "the newest row is of 20" in done.stderr


@pytest.mark.parametrize("what", ["http://www.example.com/", "10.0.0.0/8", "999.1.2.3", "two words", "10.0.0.1:443"])
def test_query_of_nonsense_is_wrong_usage(folder: Path, what: str) -> None:
    assert pcapline("query", what, cwd=folder).returncode == 2
