"""`verify` names what was broken by hand, down to the row; `--repair` mends what it may, from the captures."""

import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from loader.archive.kept import note_kept
from loader.reading.capture import file_identity
from pcapline.http.gate import WebGate
from schema.store.sqlite import open_sqlite
from tests.pcapline.captures import START_S, capture, conversation
from tests.pcapline.command import objects, pcapline
from tests.pcapline.test_bad_input import settled
from tests.pcapline.web import Authority, Process, served

HOSTS = ("a.example.com", "b.example.com", "c.example.com")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loaded")
    (folder / "kept").mkdir()
    for number, host in enumerate(HOSTS):
        talk = conversation(host, packets=4 + number, client=f"10.0.0.{number + 1}")
        settled(folder / "kept" / f"{number}.pcap", capture(talk, start_s=START_S + number * 3600))
    assert pcapline("load", "kept", cwd=folder).returncode == 0
    return folder


@pytest.fixture
def folder(loaded: Path, tmp_path: Path) -> Path:
    """Three captures in a directory of their own, loaded."""
    return Path(shutil.copytree(loaded, tmp_path / "folder"))


def change(folder: Path, statement: str) -> None:
    with sqlite3.connect(folder / "pcapline.db") as store:
        assert store.execute(statement).rowcount == 1


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM flows WHERE endpoint = 'b.example.com'", "missing in flows: destination_ip=93.184.216.34"),
        ("UPDATE flows SET packets = 99 WHERE endpoint = 'b.example.com'", ": packets"),
        ("DELETE FROM dns_answers WHERE qname = 'b.example.com'", "missing in dns_answers: qname=b.example.com"),
    ],
)
def test_a_row_is_named_and_put_right(folder: Path, statement: str, said: str) -> None:
    change(folder, statement)
    told = pcapline("verify", cwd=folder)
    assert told.returncode == 1
    assert "1.pcap: which rows cannot be told: its file is not at hand: --archive DIR names where" in told.stdout
    mended = pcapline("verify", "--archive", "kept", "--repair", cwd=folder)
    assert mended.returncode == 0, mended.stdout
    assert said in mended.stdout
    assert "1 row of 1.pcap put right" in mended.stderr
    assert "every identity holds" in mended.stdout


def test_what_no_number_shows_is_seen_by_decoding_every_capture_again(folder: Path) -> None:
    change(folder, "UPDATE flows SET frame = 77 WHERE endpoint = 'b.example.com'")
    change(folder, "UPDATE flows SET protocol = 6 WHERE endpoint = 'c.example.com'")
    assert pcapline("verify", "--archive", "kept", cwd=folder).returncode == 0
    told = pcapline("verify", "--full", "--archive", "kept", cwd=folder)
    assert told.returncode == 1
    assert all(said in told.stdout for said in ("missing in flows", "surplus in flows", ": protocol"))
    assert told.stdout.splitlines()[-1] == "3 of 3 captures counted again: NOT everything adds up"
    assert "every identity holds" not in told.stdout
    unmended = pcapline("verify", "--archive", "kept", "--repair", cwd=folder)
    assert "was not compared, nor mended, --full --archive DIR does it" in unmended.stderr
    assert pcapline("verify", "--full", "--archive", "kept", "--repair", cwd=folder).returncode == 0
    assert "3 captures compared row by row" in pcapline("verify", "--full", "--archive", "kept", cwd=folder).stdout


def test_a_capture_that_cannot_be_compared_is_told(folder: Path) -> None:
    """Rows that nobody could look at are not said to be right by saying nothing."""
    change(folder, "UPDATE captures SET inputs = json_set(inputs, '$.decoder', 'native-0') WHERE file_name = '1.pcap'")
    told = pcapline("verify", "--full", "--archive", "kept", cwd=folder)
    assert told.returncode == 0
    assert "2 captures compared row by row, by decoding its file again; 1 could not be\n" in told.stdout
    assert "1.pcap is not compared: decoder was 'native-0', now it is" in told.stderr


def test_rows_as_objects(folder: Path) -> None:
    change(folder, "DELETE FROM flows WHERE endpoint = 'c.example.com'")
    (row,) = [item for item in objects(pcapline("verify", "--archive", "kept", "--json", cwd=folder)) if "row" in item]
    assert (row["row"], row["table"], row["file"], row["key"]["frame"]) == ("missing", "flows", "2.pcap", 3)
    (part,) = [item for item in objects(pcapline("verify", "--json", cwd=folder)) if "partition" in item]
    assert (part["table"], part["expected"], part["found"]) == ("flows", 1, 0)
    assert part["partition"]["destination_ip"] == "93.184.216.34"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM commit_deltas WHERE seq = 2", "what commit 2 added: 1 against 0"),
        ("DELETE FROM ledger_commits WHERE seq = 2", "commit 2: 1 against 0"),
        ("UPDATE ledger_totals SET value = value + 1 WHERE name = 'frames'", "total frames: 22 against 21"),
    ],
)
def test_the_ledger_is_named_and_never_repaired(folder: Path, statement: str, said: str) -> None:
    change(folder, statement)
    told = pcapline("verify", "--archive", "kept", "--repair", cwd=folder)
    assert told.returncode == 1
    assert said in told.stdout


def test_a_capture_whose_file_is_another_is_left_alone(folder: Path) -> None:
    change(folder, "DELETE FROM flows WHERE endpoint = 'b.example.com'")
    settled(folder / "kept" / "1.pcap", (folder / "kept" / "2.pcap").read_bytes())
    told = pcapline("verify", "--archive", "kept", "--repair", cwd=folder)
    assert told.returncode == 1
    assert "1.pcap is not repaired: its file is not at hand: kept does not have it" in told.stderr


def test_a_sensor_that_somebody_loads_is_left_alone_and_one_without_a_record_is_told(folder: Path) -> None:
    change(folder, "DELETE FROM flows WHERE endpoint = 'b.example.com'")
    with closing(open_sqlite(folder / "pcapline.db")) as store:
        store.take_sensor("standalone", "default", "elsewhere:1:x", int(time.time() + 600) * 1000)
    told = pcapline("verify", "--archive", "kept", "--repair", cwd=folder)
    assert told.returncode == 1
    assert "1.pcap is not repaired: elsewhere:1:x loads sensor standalone; stop that loader first" in told.stderr
    change(folder, "DELETE FROM captures WHERE file_name = '1.pcap'")
    told = pcapline("verify", "--archive", "kept", cwd=folder)
    assert told.returncode == 1
    assert "has no record of its own" in told.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--repair",), "--repair needs --archive"), (("--archive", "nowhere"), "is no directory")],
)
def test_what_cannot_be_meant(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    done = pcapline("verify", *arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_the_archive_of_a_watched_directory_is_held_against_the_ledger(folder: Path) -> None:
    archive = folder / "kept" / ".pcapline" / "archive" / "edge"
    archive.mkdir(parents=True)
    for number in range(3):
        place = archive / f"{number}.pcap"
        (folder / "kept" / place.name).rename(place)
        note_kept(place, file_identity(place), START_S * 1000)
    held = pcapline("verify", "--full", "--archive", "kept", cwd=folder)
    assert held.returncode == 0
    assert "3 of 3 read" in held.stdout
    (archive / "0.pcap").unlink()
    settled(archive / "1.pcap", (archive / "2.pcap").read_bytes())
    told = pcapline("verify", "--full", "--archive", "kept", cwd=folder)
    assert told.returncode == 1
    assert "DIFFERS  archive: sensor edge: 0.pcap: missing (capture " in told.stdout
    assert "DIFFERS  archive: sensor edge: 1.pcap: other content (capture " in told.stdout
    items = objects(pcapline("verify", "--full", "--archive", "kept", "--json", cwd=folder))
    assert [item["difference"] for item in items if item.get("identity") == "archive"] == [2]
    assert {item["file"]: item["archived"] for item in items if "archived" in item} == {
        "0.pcap": "missing",
        "1.pcap": "other content",
    }


def test_a_page_that_cannot_be_had_is_told_with_what_mends_it(folder: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.sign("server")
    web = tmp_path / "web.yml"
    web.write_text(
        f"tls_server_config: {{cert_file: {certificate}, key_file: {key}}}\nbasic_auth_users: {{a: {'$2y$04$' + 'a' * 53}}}"
    )

    def told(url: str, *flags: str | Path) -> str:
        done = pcapline("verify", "--scrape", f"{url}/telemetry", *flags, cwd=folder)
        assert (done.returncode, done.stderr.count("\n")) == (5, 1), done.stderr
        return done.stderr

    with served(Process().face()) as plain, served(replace(Process().face(), gate=WebGate(web))) as guarded:
        assert "--scrape-ca-file FILE" in told(guarded)
        assert "--scrape-token-file FILE" in told(guarded, "--scrape-ca-file", authority.file)
        assert "is it http:, not https:?" in told(plain.replace("http:", "https:"))
        assert "is it https:, not http:?" in told(guarded.replace("https:", "http:"))


@pytest.mark.parametrize("flags", [(), ("--full",)])
def test_a_directory_that_has_nothing_of_a_sensor_is_told(folder: Path, flags: tuple[str, ...]) -> None:
    (folder / "empty").mkdir()
    settled(folder / "empty" / "hosts", b"no capture")
    told = pcapline("verify", *flags, "--archive", "empty", cwd=folder)
    assert told.returncode == 1
    assert "archive: sensor standalone: no file of its newest 3 captures is in empty" in told.stdout
    items = objects(pcapline("verify", *flags, "--archive", "empty", "--json", cwd=folder))
    assert [item["captures"] for item in items if item.get("archived") == "absent"] == [3]
    for number, file in enumerate((folder / "kept").iterdir()):  # the content is enough
        settled(folder / "empty" / f"renamed-{number}", file.read_bytes())
    assert pcapline("verify", *flags, "--archive", "empty", cwd=folder).returncode == 0


def test_of_two_sensors_the_one_that_was_moved_away_is_told(folder: Path) -> None:
    (folder / "lan").mkdir()
    settled(folder / "lan" / "lan.pcap", capture(conversation("lan.example.com"), start_s=START_S))
    assert pcapline("load", "lan", "--sensor", "lan", cwd=folder).returncode == 0
    told = pcapline("verify", "--archive", "kept", cwd=folder)
    assert (told.returncode, told.stdout.count("DIFFERS")) == (1, 1)
    assert "archive: sensor lan: no file of its newest 1 capture is in kept" in told.stdout
    assert pcapline("verify", "--archive", "kept", "--sensor", "standalone", cwd=folder).returncode == 0
    assert pcapline("verify", "--archive", "lan", cwd=folder).returncode == 0, "what was loaded by hand is nobody's to keep"
