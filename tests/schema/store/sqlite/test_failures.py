"""What goes wrong with a file says what to do, and leaves nothing half committed."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
import pytest

from schema.errors import SchemaMismatchError, SettingsError, StorePermissionError, StoreUnavailableError
from schema.store.sqlite import open_sqlite
from schema.tables import FLOWS
from tests.schema.store.samples import id_of, load, sample, scanned, take
from tests.servers import require


def test_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"mkdir -p {tmp_path}/gone"):
        open_sqlite(tmp_path / "gone" / "store.db")


def test_directory_in_its_place(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is a directory"):
        open_sqlite(tmp_path)


@pytest.mark.parametrize("read_only", [False, True])
def test_nothing_to_read_yet(tmp_path: Path, read_only: bool) -> None:
    with pytest.raises(StoreUnavailableError, match="pcapline load"):
        open_sqlite(tmp_path / "store.db", read_only=read_only, create=False)
    assert not (tmp_path / "store.db").exists()


@pytest.mark.parametrize("read_only", [False, True])
def test_file_of_another_kind_is_left_as_it_is(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "holiday.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0" * 1_000)
    with pytest.raises(SettingsError, match="not a SQLite database"):
        open_sqlite(path, read_only=read_only).health()
    assert path.read_bytes() == b"\xff\xd8\xff\xe0" * 1_000


def test_store_without_a_schema(tmp_path: Path) -> None:
    with closing(open_sqlite(tmp_path / "store.db")) as store:
        assert store.health().schema_version == 0
        for ask in (store.sensors, lambda: store.scan(FLOWS), lambda: take(store), lambda: store.ledger("edge-1")):
            with pytest.raises(SchemaMismatchError, match="pcapline schema apply"):
                ask()
        assert store.apply_schema() == ["0001_base"]
        assert store.sensors() == []


def test_store_of_a_newer_version(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(open_sqlite(path)) as store:
        store.apply_schema()
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("INSERT INTO schema_history VALUES ('9999_later', 9999, 0, '')")
    with closing(open_sqlite(path)) as store:
        assert store.health().schema_version == 9999
        for ask in (store.sensors, store.apply_schema):
            with pytest.raises(SchemaMismatchError, match="update pcapline"):
                ask()


def test_store_with_another_schema_of_the_same_number(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(open_sqlite(path)) as store:
        store.apply_schema()
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("UPDATE schema_history SET checksum = 'another'")
    with closing(open_sqlite(path)) as store, pytest.raises(SchemaMismatchError, match="load into a new store"):
        store.sensors()


def test_neighbour_that_never_stops_writing(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(open_sqlite(path, busy_timeout_s=0.05)) as store, closing(apsw.Connection(str(path))) as neighbour:
        store.apply_schema()
        neighbour.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError, match="another process"):
            take(store)
        assert store.sensors() == []
        neighbour.execute("ROLLBACK")
        load(take(store), sample("a"))


def test_file_opened_to_read_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(open_sqlite(path)) as writer:
        writer.apply_schema()
        load(take(writer), sample("a"))
        with closing(open_sqlite(path, read_only=True)) as reader:
            assert len(scanned(reader, FLOWS)) == 3
            with pytest.raises(StorePermissionError, match="cannot be written"):
                take(reader, "edge-2")


def test_file_removed_while_it_is_open(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(open_sqlite(path)) as store:
        store.apply_schema()
        lease = take(store)
        path.rename(tmp_path / "elsewhere.db")
        with pytest.raises(StoreUnavailableError, match="removed or replaced"):
            load(lease, sample("a"))
        with pytest.raises(StoreUnavailableError, match="removed or replaced"):
            store.ledger("edge-1")


def test_file_removed_during_an_attempt_is_not_committed_to(tmp_path: Path) -> None:
    path, capture = tmp_path / "store.db", sample("a")
    with closing(open_sqlite(path)) as store:
        store.apply_schema()
        lease = take(store)
        with pytest.raises(StoreUnavailableError), lease.begin(capture.claim()) as attempt:  # type: ignore[union-attr]
            attempt.write(capture.batches())
            path.unlink()
            attempt.commit(capture.commit())
        assert lease.head.position.seq == 0


@pytest.fixture
def shelf() -> Iterator[Path]:
    """A directory that every user may read."""
    require(os.geteuid() == 0, "only root may become another user")
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def nobody() -> Iterator[None]:
    """The same process without root's rights."""
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("directory_mode", [0o755, 0o700])
@pytest.mark.parametrize("read_only", [False, True])
def test_store_of_another_user(shelf: Path, directory_mode: int, read_only: bool) -> None:
    with closing(open_sqlite(shelf / "store.db")) as store:
        store.apply_schema()
    shelf.chmod(directory_mode)
    with nobody(), pytest.raises(StorePermissionError, match="give this user write access"):
        open_sqlite(shelf / "store.db", read_only=read_only).sensors()


def test_directory_of_another_user(shelf: Path) -> None:
    with nobody(), pytest.raises(StorePermissionError, match=f"directory {shelf}"):
        open_sqlite(shelf / "store.db")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A directory on a file system of 2 MiB."""
    require(os.geteuid() == 0, "only root may mount a small file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True)
    require(mounted.returncode == 0, f"no file system may be mounted here: {mounted.stderr.decode()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_full_disk(small_disk: Path) -> None:
    with closing(open_sqlite(small_disk / "store.db")) as store:
        store.apply_schema()
        lease = take(store)
        load(lease, sample("a"))
        with pytest.raises(StoreUnavailableError, match="full: free some space"):
            load(lease, sample("too large", flows=20_000))
        assert store.capture(id_of("too large")) is None
        assert store.ledger("edge-1").totals["rows/flows"] == 3
        assert len(scanned(store, FLOWS)) == 3
        subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
        load(lease, sample("too large", flows=20_000))
        assert store.ledger("edge-1").totals["rows/flows"] == 20_003


def test_attempt_does_not_go_on_behind_its_failure(small_disk: Path) -> None:
    with closing(open_sqlite(small_disk / "store.db")) as store:
        store.apply_schema()
        capture = sample("too large", flows=20_000)
        with take(store).begin(capture.claim()) as attempt:  # type: ignore[union-attr]
            with pytest.raises(StoreUnavailableError):
                attempt.write(capture.batches())
                attempt.commit(capture.commit())
            with pytest.raises(StoreUnavailableError):
                attempt.write(sample("a").batches())
                attempt.commit(capture.commit())
        assert scanned(store, FLOWS) == []
        assert store.ledger("edge-1").position.seq == 0
