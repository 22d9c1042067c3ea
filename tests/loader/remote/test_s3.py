"""Captures in a real S3 server, killed while they are fetched: 0 lost, 0 doubled."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.loader.remote.fed import FedWatch, assert_same, balance, calm, ended, made_captures, until
from tests.servers.s3 import S3Server

CAPTURES = int(os.environ.get("REMOTE_TEST_CAPTURES", "12"))  # of each sensor
KILLS = int(os.environ.get("REMOTE_TEST_KILLS", "2"))
SENSORS = ("edge", "office")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[S3Server]:
    server = S3Server(tmp_path / "s3")
    server.start()
    yield server
    server.kill()


def put(server: S3Server, files: list[Path], folder: str = "incoming") -> None:
    """Objects as an uploader leaves them: there at once, complete."""
    for file in files:
        place = server.root / "captures" / folder / file.parent.name / file.name
        place.parent.mkdir(parents=True, exist_ok=True)
        part = server.root / f"{file.name}.part"
        shutil.copy(file, part)
        part.rename(place)


def settings(server: S3Server, directory: Path, **more: str) -> str:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "objects.toml").write_text(server.options(**more))
    return 'objects_options = "objects.toml"\n'


@pytest.mark.timeout(300 + 20 * KILLS)
def test_a_server_killed_in_mid_stream_loses_and_doubles_nothing(tmp_path: Path, server: S3Server) -> None:
    files = made_captures(tmp_path / "made", SENSORS, CAPTURES)
    expected, store = calm(tmp_path, files), f"sqlite:{tmp_path / 'fed.db'}"
    watch = FedWatch(tmp_path / "watch", store, "s3://captures/incoming", settings(server, tmp_path / "watch"))
    behind, share = list(files), len(files) // (KILLS + 1)
    with ended(watch):
        for number in range(KILLS):
            put(server, behind[:share])
            del behind[:share]
            watch.until_it_says("\nloaded ", number * share + 1)  # the others are on their way
            server.kill()
            watch.until_it_says("nothing is lost", number + 1)
            server.start()
        put(server, behind)
        until(lambda: watch.counts().get('acknowledged_total{fate="done"}') == len(files), lambda: watch.said()[-3000:])
        counts = watch.counts()
        watch.stop()
    assert_same(store, expected)
    captures = server.root / "captures"
    assert not list((captures / "incoming").rglob("*.pcap"))
    assert sorted(file.name for file in (captures / "incoming.archive").rglob("*.pcap")) == sorted(file.name for file in files)
    assert balance(counts) == 0


def test_wrong_credentials_are_told_and_waited_for(tmp_path: Path, server: S3Server) -> None:
    files = made_captures(tmp_path / "made", SENSORS, 1)
    put(server, files)
    store, directory = f"sqlite:{tmp_path / 'fed.db'}", tmp_path / "watch"
    watch = FedWatch(directory, store, "s3://captures/incoming", settings(server, directory, secret="wrong"))
    with ended(watch):
        watch.until_it_says("403")
        assert watch.said().count("403") == 1
        assert watch.counts()["up"] == 0
        watch.stop()
    watch = FedWatch(directory, store, "s3://captures/incoming", settings(server, directory))
    with ended(watch):
        until(lambda: not list((server.root / "captures" / "incoming").rglob("*.pcap")), lambda: watch.said()[-2000:])
        watch.stop()
    assert_same(store, calm(tmp_path, files))


def test_a_bucket_that_is_not_there_is_told(tmp_path: Path, server: S3Server) -> None:
    watch = FedWatch(
        tmp_path / "watch", f"sqlite:{tmp_path / 'x.db'}", "s3://nobody/here", settings(server, tmp_path / "watch")
    )
    with ended(watch):
        watch.until_it_says("404")
        watch.stop()
