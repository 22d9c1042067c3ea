"""Bad input through the real command: its state, a line that says what to do, the exit code; neighbours still load."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pcapline.captures import HEADER, capture, conversation, record, udp
from tests.pcapline.command import clean_environment, command_line, objects, pcapline
from tests.servers import require


@pytest.fixture
def neighbour(tmp_path: Path) -> Path:
    """A good capture, older than any settling time."""
    return settled(tmp_path / "neighbour.pcap", capture(conversation()))


def settled(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def load(*paths: Path, cwd: Path) -> tuple[dict[str, dict[str, Any]], subprocess.CompletedProcess[str]]:
    """What became of each file, by its base name."""
    before = {path: path.read_bytes() for path in paths if path.is_file()}
    done = pcapline("load", "--json", *paths, cwd=cwd)
    assert {path: path.read_bytes() for path in before} == before, "nothing is deleted"
    assert "Traceback" not in done.stderr
    return {Path(item["file"]).name: item for item in objects(done)}, done


@pytest.mark.parametrize(
    ("content", "state", "exit_code", "words"),
    [
        (b"this is no capture\n", "quarantined", 1, "not_a_capture"),
        (b"", "empty", 0, "no packets"),
        (HEADER, "empty", 0, "no packets"),
        (HEADER[:10], "quarantined", 1, ""),
        (HEADER + b"\xff" * 16, "quarantined", 1, "corrupt"),
    ],
    ids=["text", "0 bytes", "header only", "half a header", "lengths that lie"],
)
def test_a_file_without_packets(
    tmp_path: Path, neighbour: Path, content: bytes, state: str, exit_code: int, words: str
) -> None:
    files, done = load(settled(tmp_path / "bad.pcap", content), neighbour, cwd=tmp_path)
    assert files["bad.pcap"]["state"] == state
    assert words in files["bad.pcap"]["reason"]
    assert files["bad.pcap"]["reason"]
    assert files["neighbour.pcap"]["state"] == "loaded"
    assert done.returncode == exit_code


def test_a_tail_cut_mid_record_keeps_what_came_before_it(tmp_path: Path, neighbour: Path) -> None:
    files, done = load(settled(tmp_path / "cut.pcap", capture(conversation())[:-1]), neighbour, cwd=tmp_path)
    cut = files["cut.pcap"]
    assert (cut["state"], cut["packets"]) == ("loaded", 4)
    assert cut["damage"] == {"cut_tail": 1}
    assert cut["packets"] == cut["flow_packets"] + sum(cut["non_flow"].values())
    assert (files["neighbour.pcap"]["state"], done.returncode) == ("loaded", 0)


def test_a_cut_tail_is_told_with_how_the_rest_is_loaded(tmp_path: Path) -> None:
    settled(tmp_path / "cut.pcap", capture(conversation())[:-1])
    done = pcapline("load", "cut.pcap", cwd=tmp_path)
    assert "when the rest comes, load it in place, at this path" in done.stdout
    settled(tmp_path / "cut.pcap", capture(conversation()))
    assert "1 packet  " in pcapline("load", "cut.pcap", cwd=tmp_path).stdout


def test_a_note_beside_a_capture_names_the_sensor_that_is_not_given(tmp_path: Path, neighbour: Path) -> None:
    neighbour.with_name("neighbour.pcap.json").write_text('{"sensor": "lan", "sequence": 1}')
    for name, note in (("a.pcap", "[]"), ("b.pcap", "{"), ("c.pcap", '{"sensor": "no/name"}'), ("d.pcap", '{"sensor": 7}')):
        settled(tmp_path / name, capture(conversation(name)))
        (tmp_path / f"{name}.json").write_text(note)
    done = pcapline("load", "--store", "sqlite:guessed.db", ".", cwd=tmp_path)
    hint = "neighbour.pcap was captured by sensor lan, as the note beside it says; it is loaded as that sensor's only with"
    assert (done.returncode, done.stderr.count("the note beside it")) == (0, 1)
    assert hint in done.stderr
    assert (
        "the note beside it" not in pcapline("load", "--sensor", "lan", "--store", "sqlite:told.db", ".", cwd=tmp_path).stderr
    )


def test_a_file_that_is_not_there(tmp_path: Path, neighbour: Path) -> None:
    files, done = load(tmp_path / "gone.pcap", neighbour, cwd=tmp_path)
    assert list(files) == ["neighbour.pcap"]
    assert done.stderr == f"pcapline: {tmp_path / 'gone.pcap'}: no such file\n"
    assert (files["neighbour.pcap"]["state"], done.returncode) == ("loaded", 1)


def test_the_same_content_again_and_under_another_name(tmp_path: Path, neighbour: Path) -> None:
    load(neighbour, cwd=tmp_path)
    files, done = load(neighbour, settled(tmp_path / "twin.pcap", neighbour.read_bytes()), cwd=tmp_path)
    assert {item["state"] for item in files.values()} == {"already_loaded"}
    assert done.returncode == 0


def test_a_file_that_grew_after_it_was_loaded(tmp_path: Path) -> None:
    whole = capture(conversation(packets=9))
    path = settled(tmp_path / "grows.pcap", whole[: len(capture(conversation(packets=3)))])
    first, _ = load(path, cwd=tmp_path)
    with path.open("ab") as file:
        file.write(whole[path.stat().st_size :])
    os.utime(path, (1_700_000_100, 1_700_000_100))
    second, done = load(path, cwd=tmp_path)
    assert first["grows.pcap"]["packets"] == 5
    assert (second["grows.pcap"]["state"], second["grows.pcap"]["packets"]) == ("loaded", 6)
    assert first["grows.pcap"]["capture_id"] != second["grows.pcap"]["capture_id"]
    assert done.returncode == 0
    assert pcapline("verify", cwd=tmp_path).returncode == 0


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[Path]:
    """A file that somebody goes on writing to."""
    path = tmp_path / "growing.pcap"
    path.write_bytes(HEADER)
    frame = record(udp("10.0.0.1", "10.0.0.2", (1, 2)), 1_700_000_000, 0)
    code = f"import time\nwith open({str(path)!r}, 'ab', 0) as f:\n while f.write({frame!r}): time.sleep(0.02)"
    writer = subprocess.Popen(["python3", "-c", code])
    size = path.stat().st_size
    while path.stat().st_size == size:
        time.sleep(0.01)
    yield path
    writer.kill()
    writer.wait()


def test_a_file_that_still_grows_waits(tmp_path: Path, growing: Path, neighbour: Path) -> None:
    done = pcapline("load", "--json", growing, neighbour, cwd=tmp_path)
    files = {Path(item["file"]).name: item for item in objects(done)}
    assert files["growing.pcap"]["state"] == "waiting"
    assert "growing" in files["growing.pcap"]["reason"]
    assert (files["neighbour.pcap"]["state"], done.returncode) == ("loaded", 5)


def test_a_directory_without_captures(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    done = pcapline("load", tmp_path / "none", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"pcapline: nothing to load in {tmp_path / 'none'}\n"


@pytest.mark.parametrize(
    ("url", "exit_code"),
    [
        ("cassandra://127.0.0.1:1/pcapline", 5),
        ("sqlite:/nowhere/at/all.db", 3),
        ("sqlite:neighbour.pcap", 3),
        ("mysql:x", 3),
    ],
)
def test_a_store_that_is_not_there(tmp_path: Path, neighbour: Path, url: str, exit_code: int) -> None:
    done = pcapline("load", "--json", neighbour, "--store", url, cwd=tmp_path)
    assert done.returncode == exit_code
    assert "Traceback" not in done.stderr
    if exit_code == 5:
        (item,) = objects(done)
        assert item["state"] == "waiting"
        assert item["reason"]
    asked = pcapline("query", "10.0.0.1", "--store", url, cwd=tmp_path)
    assert asked.returncode == exit_code
    assert asked.stderr.startswith("pcapline: ")
    assert asked.stderr.count("\n") == 1


def test_a_full_disk(tmp_path: Path) -> None:
    require(os.geteuid() == 0, "a small file system needs root")
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", small], capture_output=True, text=True)
    require(mounted.returncode == 0, f"no tmpfs can be mounted: {mounted.stderr.strip()}")
    try:
        frames = [udp("10.0.0.1", f"10.1.{n >> 8}.{n & 255}", (1, 2)) for n in range(20_000)]
        big = settled(tmp_path / "big.pcap", capture(frames))
        done = pcapline("load", "--json", big, "--store", f"sqlite:{small}/pcapline.db", cwd=tmp_path)
        (item,) = objects(done)
        assert (item["state"], done.returncode) == ("waiting", 5)
        assert "full" in item["reason"] or "space" in item["reason"]
        assert big.exists()
        assert "Traceback" not in done.stderr
    finally:
        subprocess.run(["umount", small], check=True)


def test_two_writers_on_one_sqlite_file_take_turns(tmp_path: Path) -> None:
    folders = []
    for writer in range(2):
        folder = tmp_path / f"of{writer}"
        folder.mkdir()
        folders.append(folder)
        for number in range(20):
            client = f"10.{writer}.{number}.7"
            settled(folder / f"{number}.pcap", capture(conversation(packets=50, client=client)))
    running = [
        subprocess.Popen(
            command_line("load", "--json", folder),
            cwd=tmp_path,
            env=clean_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for folder in folders
    ]
    outputs = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0, 0], outputs
    assert sum(out.count('"state":"loaded"') for out, _ in outputs) == 40
    assert pcapline("verify", cwd=tmp_path).returncode == 0


def test_a_signal_ends_between_files(tmp_path: Path) -> None:
    for number in range(2_000):
        settled(tmp_path / f"{number:04d}.pcap", capture(conversation(client=f"10.{number >> 8}.{number & 255}.7")))
    process = subprocess.Popen(
        command_line("load", "--json", tmp_path),
        cwd=tmp_path,
        env=clean_environment({"PYTHONUNBUFFERED": "1"}),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 143
    assert (first + rest).endswith("}\n")
    assert pcapline("verify", cwd=tmp_path).returncode == 0


@pytest.fixture
def locked(neighbour: Path) -> Path:
    """A capture that nobody may read but a root who may do everything."""
    require(os.geteuid() == 0 and shutil.which("setpriv") is not None, "dropping rights needs root and setpriv (util-linux)")
    path = settled(neighbour.with_name("locked.pcap"), neighbour.read_bytes())
    path.chmod(0)
    return path


def as_anybody(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command for which the modes of files count, as they do not for root."""
    command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command_line(*arguments)]
    return subprocess.run(command, cwd=cwd, env=clean_environment(), capture_output=True, text=True, timeout=120)


def test_what_may_not_be_read(tmp_path: Path, locked: Path, neighbour: Path) -> None:
    loaded = as_anybody("load", "--json", locked, neighbour, cwd=tmp_path)
    states = {Path(item["file"]).name: item["state"] for item in objects(loaded)}
    assert states == {"locked.pcap": "quarantined", "neighbour.pcap": "loaded"}, loaded.stderr
    assert loaded.returncode == 1
    shown = as_anybody("read", "--json", locked, neighbour, cwd=tmp_path)
    assert (len(objects(shown)), shown.returncode, shown.stderr.count("\n")) == (2, 4, 1)
    assert "read access" in shown.stderr
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    for command in ("load", "watch"):
        refused = as_anybody(command, closed, cwd=tmp_path)
        assert (refused.returncode, refused.stderr.count("\n")) == (4, 1), refused.stderr


def test_a_folder_that_may_not_be_read_hides_no_other(tmp_path: Path, locked: Path, neighbour: Path) -> None:
    assert pcapline("load", neighbour, cwd=tmp_path).returncode == 0
    for kind in ("archive", "quarantine"):
        for sensor in ("edge", "office", "roof"):
            folder = tmp_path / "spool" / ".pcapline" / kind / sensor
            (folder / "folder.pcap").mkdir(parents=True)
            (folder / "file.pcap").write_bytes(b"words")
            folder.chmod(0 if sensor == "office" else 0o755)
    told = as_anybody("status", "spool", "--json", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    files = {
        (item["record"], str(Path(item["file"]).relative_to("spool/.pcapline"))) for item in objects(told) if "file" in item
    }
    quarantined = {("quarantined", f"quarantine/{sensor}/file.pcap") for sensor in ("edge", "roof")}
    assert files == {*quarantined, ("archived", "archive/edge"), ("archived", "archive/roof")}


@pytest.mark.parametrize("command", [("exporter", "--once"), ("verify",), ("status",), ("query", "10.0.0.1")])
def test_who_reads_makes_no_store(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = pcapline(*command, "--store", "sqlite:none.db", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (5, "")
    missing = tmp_path / "none.db"
    assert done.stderr == f"pcapline: there is no store at {missing} yet: load something first (pcapline load FILE)\n"
    (tmp_path / "none.db").touch()
    assert pcapline(*command, "--store", "sqlite:none.db", cwd=tmp_path).returncode == 3


@pytest.mark.parametrize("what", ["300.1.1.1", "10.0.0.0/8"])
def test_what_is_neither_address_nor_name_is_so_without_a_store_too(tmp_path: Path, neighbour: Path, what: str) -> None:
    without = pcapline("query", what, cwd=tmp_path)
    assert (without.returncode, without.stdout) == (2, "")
    assert pcapline("load", neighbour, cwd=tmp_path).returncode == 0
    with_one = pcapline("query", what, cwd=tmp_path)
    assert (with_one.returncode, with_one.stderr) == (2, without.stderr)


def test_nobody_reads_on(tmp_path: Path, neighbour: Path) -> None:
    frames = [udp("10.0.0.1", "10.0.0.2", (1, 2))] * 5_000
    big = settled(tmp_path / "big.pcap", capture(frames))
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        command = command_line("read", "--packets", neighbour, big)
        done = subprocess.run(command, env=clean_environment(), stdout=closed, stderr=subprocess.PIPE, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (141, "")
