"""One object into one file: gone on with where it broke off, and never a mixture of two states of the object."""

import os
from pathlib import Path

import pytest

from loader.remote.addresses import parse_objects
from loader.remote.fetching import Download
from loader.remote.landing import Landing, give_name
from loader.remote.leaving import Root
from loader.remote.objects import Bucket
from loader.remote.port import Reference, RefusedError, SourceAwayError
from schema.errors import SettingsError

LARGE = os.urandom(5 << 20)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    (tmp_path / "objects").mkdir()
    address = parse_objects(f"file://{tmp_path}/objects")
    return Root(address, Bucket(address.bucket, {}, 5.0))


def reference(root: Root, name: str = "x.pcap", *, size: int | None = None, etag: str | None = None) -> Reference:
    return Reference(
        token=1, root=root.address.url, key=f"objects/{name}", sensor="edge", name=name, told=name, size=size, etag=etag
    )


def put(tmp_path: Path, content: bytes, name: str = "x.pcap", folder: str = "objects") -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / name).write_bytes(content)


def fetch(download: Download, root: Root, *, chunks: int = 1000) -> bool:
    """Whether all of it came; it is stopped after so many chunks."""
    left = [chunks]

    def goes_on(_: int) -> bool:
        left[0] -= 1
        return left[0] > 0

    return download.run({root.address.url: root}, goes_on)


def test_it_goes_on_where_it_broke_off(tmp_path: Path, root: Root) -> None:
    put(tmp_path, LARGE)
    download = Download(reference(root), tmp_path / "part")
    assert not fetch(download, root, chunks=2)
    assert 0 < download.done < len(LARGE)
    assert fetch(download, root)
    assert (tmp_path / "part").read_bytes() == LARGE
    assert fetch(download, root)  # nothing is missing: nothing is asked for


def test_what_was_replaced_meanwhile_is_fetched_anew(tmp_path: Path, root: Root) -> None:
    put(tmp_path, LARGE)
    download = Download(reference(root), tmp_path / "part")
    fetch(download, root, chunks=2)
    put(tmp_path, LARGE[::-1] + b"more")
    with pytest.raises(SourceAwayError, match="replaced"):
        fetch(download, root)
    assert fetch(download, root)
    assert (tmp_path / "part").read_bytes() == LARGE[::-1] + b"more"


def test_what_is_not_what_was_promised_is_refused(tmp_path: Path, root: Root) -> None:
    put(tmp_path, b"content")
    for promise in (reference(root, size=6), reference(root, etag='"other"')):
        with pytest.raises(RefusedError) as refused:
            fetch(Download(promise, tmp_path / "part"), root)
        assert refused.value.reason == "changed"
    assert fetch(Download(reference(root, size=7), tmp_path / "part"), root)


def test_what_is_gone_is_looked_for_in_the_archive(tmp_path: Path, root: Root) -> None:
    with pytest.raises(RefusedError) as refused:
        fetch(Download(reference(root), tmp_path / "part"), root)
    assert refused.value.reason == "missing"
    put(tmp_path, b"content", folder="objects.archive")
    assert fetch(Download(reference(root, etag='"of the first"'), tmp_path / "part"), root)
    with pytest.raises(RefusedError, match="not as long"):
        fetch(Download(reference(root, size=9), tmp_path / "part"), root)


def test_nothing_is_something(tmp_path: Path, root: Root) -> None:
    put(tmp_path, b"")
    assert fetch(Download(reference(root), tmp_path / "part"), root)
    assert (tmp_path / "part").read_bytes() == b""


@pytest.mark.parametrize("options", [{"nonsense": "1"}, {"aws_allow_http": "true"}, {"aws_region": 5, "azure_x": "y"}])
def test_options_that_nobody_knows_are_no_settings(options: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match="objects_options"):
        Bucket("s3://captures", options, 5.0)


def test_a_server_that_is_not_there_is_away() -> None:
    options = {"aws_endpoint": "http://127.0.0.1:1", "aws_access_key_id": "a", "aws_secret_access_key": "b", "aws_region": "x"}
    bucket = Bucket("s3://captures", options, 5.0)
    for ask in (lambda: next(bucket.objects("x/")), lambda: bucket.look("x"), lambda: bucket.read("x", 0)):
        with pytest.raises(SourceAwayError, match="s3://captures"):
            ask()


def landed(landing: Landing, content: bytes, name: str = "x.pcap") -> Path:
    landing.part().write_bytes(content)
    return landing.land(landing.part(), "edge", name)[0]


def test_no_file_that_is_there_is_written_over(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    landing.prepare()
    (tmp_path / "edge").mkdir()
    (tmp_path / "edge" / "x.pcap").write_bytes(b"theirs")
    (tmp_path / "edge" / "x.pcap.1").symlink_to("nowhere")
    assert landed(landing, b"ours").name == "x.pcap.2"
    assert (tmp_path / "edge" / "x.pcap").read_bytes() == b"theirs"
    landing.close()


def test_a_file_that_gets_the_name_in_between_is_not_replaced(tmp_path: Path) -> None:
    part, path = tmp_path / "part", tmp_path / "x.pcap"
    part.write_bytes(b"ours")
    path.write_bytes(b"theirs")  # after the name was found free
    with pytest.raises(FileExistsError):
        give_name(part, path)
    assert (part.read_bytes(), path.read_bytes()) == (b"ours", b"theirs")
    path.unlink()
    give_name(part, path)
    assert (part.exists(), path.read_bytes()) == (False, b"ours")


def test_a_note_that_cannot_be_removed_keeps_nobody_waiting(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    landing.prepare()
    place = landed(landing, b"ours")
    note = tmp_path / ".pcapline" / "fetched" / "edge" / "x.pcap"
    note.unlink()
    note.mkdir()  # cannot be unlinked, whoever tries
    landing.forget(place)
    landing.close()


def test_a_start_removes_what_was_fetched_and_nothing_else(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    landing.prepare()
    ours, changed, replaced = (landed(landing, b"ours", name) for name in ("a", "b", "c"))
    with changed.open("ab") as file:
        file.write(b" and more")
    replaced.rename(tmp_path / "kept")
    replaced.write_bytes(b"ours")
    landing.part().write_bytes(b"half")
    (tmp_path / ".pcapline" / "fetched" / "edge" / "d").write_text("cut")
    with pytest.raises(SettingsError, match="another watch"):
        Landing(tmp_path).prepare()
    landing.close()
    again = Landing(tmp_path)
    again.prepare()
    assert not ours.exists() and not again.part().exists()
    assert changed.exists() and replaced.exists()
    assert not list((tmp_path / ".pcapline" / "fetched").glob("*/*"))
    again.close()
