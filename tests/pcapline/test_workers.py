"""`watch --workers N`: several loaders as one service, started, used, hurt and ended as a user would."""

import os
import re
import signal
import time
from multiprocessing import Pipe
from pathlib import Path

import pytest

from pcapline.worker import farewell
from schema.errors import CaptureError, LeaseHeldError, PcaplineError, SettingsError, StorePermissionError
from tests.faults.scene import hand_over, sensor_captures
from tests.pcapline.command import pcapline
from tests.pcapline.workers import PATIENCE_S, SETTINGS, group, pid_of
from tests.servers.prometheus import until


def ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def captures(directory: Path, sensors: int) -> list[Path]:
    return [file for number in range(sensors) for file in sensor_captures(directory / f"made/s{number}", number)]


def test_sensors_are_shared_out_counted_once_and_let_go_at_the_end(tmp_path: Path) -> None:
    files = captures(tmp_path, 4)
    with group(tmp_path) as watch:
        hand_over(files, watch.spool)
        watch.until_answered(len(files))
        watch.until(watch.is_fair, "none holds much more than the other")
        for sensor in range(4):
            watch.until(
                lambda sensor=sensor: watch.metric(f'pcapline_loader_files_total{{sensor="s{sensor}",state="loaded"}}') == 3,  # type: ignore[misc]
                f"three files of s{sensor} are counted",
            )
            watch.until(
                lambda sensor=sensor: watch.metric(f'pcapline_captures_pending{{sensor="s{sensor}"}}') == 0,  # type: ignore[misc]
                f"no file of s{sensor} waits",
            )
        watch.process.send_signal(signal.SIGTERM)
        assert watch.process.wait(PATIENCE_S) == 128 + signal.SIGTERM
        assert set(watch.owners().values()) == {""}
    told = watch.log.read_text()
    assert "Traceback" not in told
    assert len(re.findall(r"^loaded ", told, re.MULTILINE)) == len(files)
    assert pcapline("verify", "--store", watch.url, cwd=tmp_path).returncode == 0


def test_a_killed_loader_is_told_counted_and_replaced_and_the_others_take_its_sensors(tmp_path: Path) -> None:
    files = captures(tmp_path, 4)
    first, rest = files[::3], [file for file in files if file not in files[::3]]
    with group(tmp_path, settings=SETTINGS + "lease_s = 3600\n") as watch:
        hand_over(first, watch.spool)
        watch.until_answered(len(first))
        victim = next(filter(None, watch.owners().values()))
        os.kill(pid_of(victim), signal.SIGKILL)
        hand_over(rest, watch.spool)
        watch.until_answered(len(files))  # though the lease of the dead would be good for an hour
        assert victim not in watch.owners().values()
        watch.until(lambda: watch.metric('pcapline_loader_worker_ends_total{how="killed"}') == 1, "its end is counted")
        number = victim.rpartition(".")[2]
        watch.until(lambda: watch.metric(f'pcapline_loader_worker_up{{worker="{number}"}}') == 1, "it runs again")
        assert f"loader {number} (process {pid_of(victim)}) was killed (SIGKILL)" in watch.log.read_text()
        states = ("loaded", "already_loaded")  # one that was killed behind its commit has not counted it
        lines = [f'pcapline_loader_files_total{{sensor="s{n}",state="{state}"}}' for n in range(4) for state in states]
        watch.until(lambda: sum(map(watch.metric, lines)) >= len(files), "what the dead had counted is still there")
    assert pcapline("verify", "--store", watch.url, cwd=tmp_path).returncode == 0


def test_sensors_come_back_to_a_loader_that_began_again(tmp_path: Path) -> None:
    files = captures(tmp_path, 4)
    with group(tmp_path) as watch:
        hand_over(files[::3], watch.spool)
        watch.until_answered(4)
        os.kill(pid_of(next(filter(None, watch.owners().values()))), signal.SIGKILL)
        hand_over(files[1::3], watch.spool)
        watch.until_answered(8)
        watch.until(watch.is_fair, "who has too many lets some go")
        hand_over(files[2::3], watch.spool)
        watch.until_answered(12)
        watch.until(watch.is_fair, "each has some")
        assert sum(watch.held()) >= 2
    assert pcapline("verify", "--store", watch.url, cwd=tmp_path).returncode == 0


def test_loaders_end_in_good_order_when_their_parent_is_killed(tmp_path: Path) -> None:
    files = captures(tmp_path, 2)
    with group(tmp_path) as watch:
        hand_over(files, watch.spool)
        watch.until_answered(len(files))
        pids = [pid_of(owner) for owner in watch.owners().values()]
        watch.process.kill()
        watch.process.wait(PATIENCE_S)
        until(lambda: all(map(ended, pids)), "they have ended", PATIENCE_S)
        assert set(watch.owners().values()) == {""}


def test_a_second_signal_does_not_wait_for_a_loader_that_hangs(tmp_path: Path) -> None:
    with group(tmp_path) as watch:
        hand_over(captures(tmp_path, 1), watch.spool)
        watch.until_answered(3)
        pid = pid_of(watch.owners()["s0"])
        os.kill(pid, signal.SIGSTOP)
        watch.process.send_signal(signal.SIGINT)
        time.sleep(1)  # the first asks: it waits for the one that does not answer
        assert watch.process.poll() is None
        watch.process.send_signal(signal.SIGINT)
        assert watch.process.wait(PATIENCE_S) == 128 + signal.SIGINT
        until(lambda: ended(pid), "it was killed", PATIENCE_S)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--workers", "0"], "give 1 to 64"),
        (["--workers", "two"], "--workers"),
        (["--workers", "2", "--from", "s3://bucket/prefix"], "directory of its own"),
    ],
)
def test_what_cannot_be(arguments: list[str], says: str, tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    done = pcapline("watch", "spool", *arguments, "--web.listen-address", "127.0.0.1:0", cwd=tmp_path)
    assert done.returncode == 3
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "error",
    [LeaseHeldError("s0", "me", 1), CaptureError("bad", "words"), SettingsError("words"), StorePermissionError("words")],
)
def test_every_error_of_a_loader_reaches_its_parent(error: PcaplineError) -> None:
    ours, theirs = Pipe()
    theirs.send(farewell(error))
    assert ours.recv() == (str(error), error.exit_code)
