"""Commands over a store that `load` made: status, verify, schema, doctor, exporter."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from loader.reading.capture import file_identity
from schema.objects import uuid_text
from schema.records import CaptureFacts
from schema.store.sqlite import open_sqlite
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


def test_status_counts(folder: Path) -> None:
    items = objects(pcapline("status", "--json", cwd=folder))
    sensor = next(item for item in items if item["record"] == "sensor")
    assert (sensor["captures"], sensor["packets"], sensor["flows"]) == (3, 21, 6)
    assert sensor["newest_packet_ts_ns"] == (START_S + 7200) * 10**9 + 7 * 10**6
    assert [item for item in items if item["record"] == "quarantined"] == []  # who named it was told
    (folder / "here").mkdir()
    (folder / "here" / "0.pcap").hardlink_to(folder / "0.pcap")
    assert "0.pcap: nobody watches this directory" in pcapline("status", "here", cwd=folder).stdout
    lying = {Path(item["file"]).name for item in objects(pcapline("status", ".", "--json", cwd=folder)) if "file" in item}
    assert "0.pcap" in lying and not any(name.startswith("pcapline.db") for name in lying)
    with sqlite3.connect(folder / "pcapline.db") as store:
        store.execute("SELECT count(*) FROM flows").fetchall()
        size = sum((folder / name).stat().st_size for name in ("pcapline.db", "pcapline.db-wal"))
        assert f"{size:,} bytes" in pcapline("status", cwd=folder).stdout


def test_a_name_whose_files_were_all_loaded_before_is_no_sensor(folder: Path) -> None:
    before = objects(pcapline("status", "--json", cwd=folder))
    again = pcapline("load", "0.pcap", "--sensor", "edge", cwd=folder)
    assert (again.returncode, again.stdout) == (0, "already_loaded  0.pcap  as 0.pcap of sensor standalone\n")
    assert pcapline("load", "0.pcap", cwd=folder).stdout == "already_loaded  0.pcap\n"
    after = objects(pcapline("status", "--json", cwd=folder))
    names = ([item["sensor"] for item in items if item["record"] == "sensor"] for items in (before, after))
    assert list(names) == [["standalone"], ["standalone"]]


def test_a_file_that_stays_where_it_is_is_refused_and_not_quarantined(folder: Path) -> None:
    told = pcapline("load", "no.pcap", cwd=folder)
    assert (told.returncode, told.stdout.split()[:2]) == (1, ["refused", "no.pcap"])
    assert told.stderr.splitlines()[-1] == "pcapline: 1 file: 1 refused"
    as_json = pcapline("load", "no.pcap", "--json", cwd=folder)
    assert [item["state"] for item in objects(as_json)] == ["quarantined"]


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


@pytest.mark.parametrize("page", ["", "<html>hello</html>\nhello world\n", "pcapline_captures_total 3\n"])
def test_another_page_than_the_exporters_is_not_passed(folder: Path, page: str) -> None:
    (folder / "page").write_text(page)
    done = pcapline("verify", "--scrape", f"file://{folder}/page", cwd=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert "is it the exporter's page?" in done.stderr
    assert done.stderr.count("\n") == 1


def test_metrics_of_one_sensor_are_not_checked_and_that_is_told(folder: Path) -> None:
    (folder / "page").write_text(pcapline("exporter", "--once", cwd=folder).stdout)
    page = ("--scrape", f"file://{folder}/page")
    whole = pcapline("verify", *page, cwd=folder)
    assert (whole.returncode, whole.stderr.count("\n")) == (0, 1)
    assert "what is written in rows that count right was not compared" in whole.stderr
    assert "metrics" in whole.stdout
    one = pcapline("verify", *page, "--sensor", "standalone", cwd=folder)
    assert one.returncode == 0
    last = one.stderr.splitlines()[-1]
    assert last == "pcapline: metrics were not checked; the page has sums over all sensors: leave out --sensor"


def test_load_of_nothing_makes_no_store_and_the_stores_own_files_are_no_captures(tmp_path: Path) -> None:
    assert pcapline("load", "nothere.pcap", cwd=tmp_path).returncode == 1
    assert pcapline("load", ".", cwd=tmp_path).returncode == 0
    assert list(tmp_path.iterdir()) == []
    settled(tmp_path / "a.pcap", capture(conversation()))
    assert pcapline("load", ".", cwd=tmp_path).returncode == 0
    with sqlite3.connect(tmp_path / "pcapline.db") as store:  # -wal and -shm are there beside it
        store.execute("SELECT count(*) FROM flows").fetchall()
        again = pcapline("load", ".", "--json", cwd=tmp_path)
    assert [(item["file"], item["state"]) for item in objects(again)] == [("a.pcap", "already_loaded")]
    watched = pcapline("watch", ".", cwd=tmp_path)
    assert watched.returncode == 3
    assert "would be in the watched directory" in watched.stderr


def test_a_demo_needs_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "captures").touch()
    for place in ("file", "out", "/proc/x"):
        done = pcapline("demo", "--once", "--out", place, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1), done.stderr
        assert done.stderr.startswith("pcapline: --out")


def test_doctor_reads_the_whole_file_of_an_embedded_store(folder: Path) -> None:
    whole = [item for item in objects(pcapline("doctor", "--json", cwd=folder)) if "the file is whole" in item["text"]]
    assert [item["level"] for item in whole] == ["ok"]
    with sqlite3.connect(folder / "pcapline.db") as store:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = store.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'flows'").fetchone()[0]
        size = store.execute("PRAGMA page_size").fetchone()[0]
    content = bytearray((folder / "pcapline.db").read_bytes())
    content[(page - 1) * size + 8 : page * size] = bytes(size - 8)
    (folder / "pcapline.db").write_bytes(content)
    done = pcapline("doctor", "--json", cwd=folder)
    assert done.returncode == 1
    damaged = [item for item in objects(done) if "is damaged" in item["text"]]
    assert [item["level"] for item in damaged] == ["FAIL"]
    assert "restore" in damaged[0]["fix"]


@pytest.mark.parametrize("url", ["foo", "", "http://[::1", "127.0.0.1:10110/metrics"])
def test_a_page_without_an_address_is_told_before_anything_is_read(folder: Path, url: str) -> None:
    done = pcapline("verify", "--scrape", url, cwd=folder)
    assert done.returncode == 2
    like = "" if url == "127.0.0.1:10110/metrics" else "an address like "
    assert f"give {like}http://127.0.0.1:10110/metrics;" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_load_tries_what_is_in_quarantine_again(folder: Path) -> None:
    aside = folder / "spool" / ".pcapline" / "quarantine" / "office"
    aside.mkdir(parents=True)
    settled(aside / "mended.pcap", capture(conversation("d.example.com", packets=9)))
    settled(aside / "still.pcap", b"words")
    done = pcapline("load", "--retry", "spool", "--json", cwd=folder)
    assert done.returncode == 1
    assert {Path(item["file"]).name: item["state"] for item in objects(done)} == {
        "mended.pcap": "loaded",
        "still.pcap": "quarantined",
    }
    assert [path.name for path in (folder / "spool" / "office").iterdir()] == ["mended.pcap"]
    assert pcapline("load", "--retry", "0.pcap", cwd=folder).returncode == 3
    assert pcapline("load", "--retry", "--sensor", "x", "spool", cwd=folder).returncode == 3
    assert (folder / "0.pcap").exists()


def test_what_is_in_quarantine_is_told_until_somebody_dismisses_it(folder: Path) -> None:
    aside = folder / "spool" / ".pcapline" / "quarantine" / "office"
    aside.mkdir(parents=True)
    for name in ("a.pcap", "b.pcap", "c.pcap"):
        settled(aside / name, f"words of {name}".encode())
    assert pcapline("load", "--retry", "spool", cwd=folder).returncode == 1

    def told(*directory: str) -> dict[str, str]:
        items = objects(pcapline("status", *directory, "--json", cwd=folder))
        return {Path(item["file"]).name: item["capture_id"] for item in items if item["record"] == "quarantined"}

    ids = told()
    assert list(ids) == ["a.pcap", "b.pcap", "c.pcap"]
    assert told("spool") == ids
    assert f"pcapline store dismiss {ids['a.pcap']}\n" in (aside / "a.pcap.reason.txt").read_text()
    (aside / "a.pcap").unlink()
    done = pcapline("store", "dismiss", ids["a.pcap"], cwd=folder)
    assert (done.returncode, done.stdout) == (0, f"dismissed  a.pcap  {ids['a.pcap']}\n"), done.stderr
    assert "a.pcap" not in told() | told("spool")
    shown = pcapline("status", "spool", cwd=folder)
    assert f"{aside.relative_to(folder)}/b.pcap (sensor office, capture {ids['b.pcap']}): not_a_capture: " in shown.stdout
    assert shown.stderr.startswith("pcapline: 2 quarantined: once mended, pcapline load --retry spool; of no use: ")
    (aside / "b.pcap").rename(folder / "elsewhere")
    assert "b.pcap (sensor office" in (told_of := pcapline("status", "spool", cwd=folder).stdout)
    assert "no file in quarantine in spool is known to hold it" in told_of
    (folder / "elsewhere").rename(aside / "b.pcap")
    again = pcapline("store", "dismiss", ids["a.pcap"], ids["b.pcap"], "--json", cwd=folder)
    assert (again.returncode, [item["file"] for item in objects(again)]) == (6, ["b.pcap"])
    assert "1 of 2 dismissed before" in again.stderr and "not quarantined" not in again.stderr
    assert list(told("spool")) == ["c.pcap"]
    shown = pcapline("status", "spool", cwd=folder)
    path = f"{aside.relative_to(folder)}/b.pcap"  # it lies there still
    assert f"\ndismissed    {path} (sensor office, capture {ids['b.pcap']}): not_a_capture: " in shown.stdout
    assert "1 quarantined: once mended" in shown.stderr and "1 dismissed, and in quarantine still: delete" in shown.stderr
    settled(aside / "b.pcap", b"words that nobody has looked at")
    assert told("spool") == {"b.pcap": None, "c.pcap": ids["c.pcap"]}
    shown = pcapline("status", "spool", cwd=folder)
    assert "1 quarantined that the store does not know: " in shown.stderr
    nobodys = pcapline("store", "dismiss", "0" * 32, cwd=folder)
    assert (nobodys.returncode, "1 of 1 not quarantined" in nobodys.stderr) == (6, True)
    assert pcapline("store", "dismiss", "--all", cwd=folder).stdout.split()[:2] == ["dismissed", "c.pcap"]
    nothing = pcapline("store", "dismiss", "--all", cwd=folder)
    assert (nothing.returncode, nothing.stderr.count("\n")) == (0, 1)
    assert nothing.stderr.startswith("pcapline: the store has nothing in quarantine; ")


def test_each_of_several_files_of_one_name_is_told_with_its_own_capture(folder: Path) -> None:
    aside = folder / "spool" / ".pcapline" / "quarantine" / "office"
    aside.mkdir(parents=True)
    words = {"a.pcap": b"one", "a.pcap.1": b"two", "a.pcap.2": b"three"}
    for name, content in words.items():
        settled(aside / name, content)
    settled(folder / "gone.pcap", b"four")
    with closing(open_sqlite(folder / "pcapline.db", time.time)) as store:
        lease = store.take_sensor("office", "lan", "h:1:x", int(time.time() * 1000) + 60_000)
        for path in (aside / "a.pcap.2", aside / "a.pcap", folder / "gone.pcap", aside / "a.pcap.1"):
            at = path.stat()
            facts = CaptureFacts(
                capture_id=file_identity(path),
                file_name="a.pcap",  # as the watch found each of them
                file_id=f"{at.st_dev}:{at.st_ino}",
                size_bytes=at.st_size,
            )
            lease.quarantine(facts, "not_a_capture", "words", 1)
        lease.release()
    items = [item for item in objects(pcapline("status", "spool", "--json", cwd=folder)) if item["record"] == "quarantined"]
    here = {Path(item["file"]).name: item["capture_id"] for item in items if "/" in item["file"]}
    assert here == {name: uuid_text(file_identity(aside / name)) for name in words}
    (elsewhere,) = (item for item in items if "/" not in item["file"])
    assert elsewhere["capture_id"] == uuid_text(file_identity(folder / "gone.pcap"))
    assert elsewhere["reason"].endswith("no file in quarantine in spool is known to hold it")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("dismiss", "or --all"),
        ("dismiss --all " + "0" * 32, "or --all"),
        ("dismiss a.pcap", "a.pcap is no capture"),
        ("dismiss --all --to sqlite:x", "--store URL alone"),
        ("reopen --all", "takes no captures"),
    ],
)
def test_a_dismissal_that_means_nothing_is_wrong_usage(tmp_path: Path, arguments: str, words: str) -> None:
    done = pcapline("store", *arguments.split(), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
