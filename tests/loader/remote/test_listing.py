"""A prefix of a bucket that is a local folder: what lands, what is refused, and what becomes of the objects."""

import os
import signal
from pathlib import Path

import pytest

from tests.loader.remote.fed import FedWatch, assert_same, balance, calm, ended, made_captures, until


class Bucket:
    """A folder, a watch that is fed from it, and captures that were made for it."""

    def __init__(self, directory: Path, captures: int = 3) -> None:
        self.directory, self.objects = directory, directory / "objects"
        self.objects.mkdir()
        self.store = f"sqlite:{directory / 'fed.db'}"
        self.files = made_captures(directory / "made", ("edge",), captures)

    def put(self, content: bytes, below: str) -> Path:
        place = self.objects / below
        place.parent.mkdir(parents=True, exist_ok=True)
        part = self.directory / "part"
        part.write_bytes(content)
        return part.rename(place)

    def put_all(self) -> list[Path]:
        return [self.put(file.read_bytes(), f"edge/{file.name}") for file in self.files]

    def watch(self, settings: str = "", *, grace_s: int = 0, loader_after: str = "archive") -> FedWatch:
        loader = f'grace_s = {grace_s}\nafter = "{loader_after}"\n'
        return FedWatch(self.directory / "w", self.store, f"file://{self.objects}", settings, loader=loader)


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return Bucket(tmp_path)


def settled(watch: FedWatch, references: int) -> None:
    def is_settled() -> bool:
        counts = watch.counts()
        return counts["references_total"] == references and not any(
            counts.get(f'held{{stage="{s}"}}') for s in ("waiting", "fetched", "settled")
        )

    until(is_settled, lambda: watch.said()[-3000:])


def test_hostile_objects_are_counted_and_stay(bucket: Bucket) -> None:
    bucket.put_all()
    hostile = [
        bucket.put(b"x", below)
        for below in ("edge/deep/er.pcap", "-edge/x.pcap", "edge/" + "x" * 201, "edge/a\u202eb.pcap", "edge/a\u0085b")
    ]
    passed_over = [bucket.put(b"x", below) for below in ("edge/.hidden", "edge/x.part", "edge/x.pcap.json", ".own/x.pcap")]
    junk = bucket.put(b"this is no capture", "edge/junk.pcap")
    watch = bucket.watch()
    with ended(watch):
        watch.until_it_says("\nloaded ", len(bucket.files))
        settled(watch, len(bucket.files) + len(hostile) + 1)
        counts = watch.counts()
        watch.stop()
    assert_same(bucket.store, calm(bucket.directory, bucket.files))
    assert all(place.exists() for place in (*hostile, *passed_over))
    assert not junk.exists()
    assert (bucket.directory / "objects.quarantine" / "edge" / "junk.pcap").exists()
    assert [counts[f'dropped_total{{reason="{reason}"}}'] for reason in ("nested", "bad_sensor", "bad_name")] == [1, 1, 3]
    assert counts['acknowledged_total{fate="quarantined"}'] == 1
    assert balance(counts) == 0
    assert "\u202e" not in watch.said()


def test_a_key_that_cannot_be_listed_is_told_and_waited_for(bucket: Bucket) -> None:
    bucket.put_all()
    odd = bucket.put(b"x", "edge/a\x1b[2Jb.pcap")
    watch = bucket.watch()
    with ended(watch):
        watch.until_it_says("rename or remove it")
        assert "\x1b" not in watch.said()
        odd.unlink()
        watch.until_it_says("\nloaded ", len(bucket.files))
        watch.stop()


@pytest.mark.parametrize("after", ["archive", "delete", "keep"])
def test_what_becomes_of_objects(bucket: Bucket, after: str) -> None:
    places = bucket.put_all()
    watch = bucket.watch(f'after = "{after}"\n')
    with ended(watch):
        watch.until_it_says("\nloaded ", len(places))
        settled(watch, len(places))
        watch.stop()
    assert [place.exists() for place in places] == [after == "keep"] * len(places)
    archived = list((bucket.directory / "objects.archive").rglob("*.pcap"))
    assert len(archived) == (len(places) if after == "archive" else 0)
    assert_same(bucket.store, calm(bucket.directory, bucket.files))


def test_an_object_that_cannot_be_moved_holds_up_no_other(bucket: Bucket) -> None:
    places = bucket.put_all()
    in_the_way = bucket.directory / "objects.archive" / "edge" / places[0].name
    (in_the_way / "x").mkdir(parents=True)
    watch = bucket.watch()
    with ended(watch):
        until(lambda: [place.exists() for place in places] == [True, False, False], lambda: watch.said()[-3000:])
        watch.until_it_says("cannot be taken away")
        until(lambda: watch.counts()["stuck_total"] >= 2, lambda: "it is tried again")
        assert watch.counts()['held{stage="settled"}'] == 1
        (in_the_way / "x").rmdir()
        in_the_way.rmdir()
        until(lambda: not places[0].exists(), lambda: watch.said()[-3000:])
        settled(watch, len(places))
        assert balance(watch.counts()) == 0
        watch.stop()
    assert watch.said().count("cannot be taken away") == 1


def test_what_a_killed_watch_had_fetched_comes_again_and_files_of_others_stay(bucket: Bucket) -> None:
    """With a long grace period all that is loaded is in the directory still when the watch is killed."""
    bucket.put_all()
    watch = bucket.watch(grace_s=3600)
    spool = bucket.directory / "w" / "spool"
    with ended(watch):
        watch.until_it_says("\nloaded ", len(bucket.files))
        watch.stop(signal.SIGKILL)
    fetched = sorted((spool / "edge").iterdir())
    assert [file.name for file in fetched] == [file.name for file in bucket.files]
    os.utime(fetched[0])  # not the file that was fetched any more: somebody else's, and not ours to remove
    fetched[1].unlink()
    watch = bucket.watch()
    with ended(watch):
        until(lambda: not list((spool / "edge").iterdir()), lambda: watch.said()[-3000:])
        until(lambda: not list(bucket.objects.rglob("*.pcap")), lambda: watch.said()[-3000:])
        watch.stop()
    assert_same(bucket.store, calm(bucket.directory, bucket.files))
    assert watch.said().count("\nalready_loaded ") == len(bucket.files) + 1
    assert not list((spool / ".pcapline" / "fetched").glob("*/*"))


def test_a_directory_is_fed_by_one_watch(bucket: Bucket) -> None:
    first = bucket.watch()
    with ended(first):
        first.until_it_says("watching")
        second = bucket.watch()
        with ended(second):
            assert second.process.wait(60) == 3
        assert "another watch fetches into" in first.said()
        first.stop()


def test_a_file_that_somebody_removed_is_fetched_again(bucket: Bucket) -> None:
    bucket.put_all()
    watch = bucket.watch(grace_s=3600)
    edge = bucket.directory / "w" / "spool" / "edge"
    with ended(watch):
        watch.until_it_says("\nloaded ", len(bucket.files))
        gone = sorted(edge.iterdir())[0]
        gone.unlink()
        watch.until_it_says("\nalready_loaded ")
        assert gone.exists()
        watch.stop()


def test_an_object_that_is_replaced_after_it_was_fetched_is_loaded_too(bucket: Bucket) -> None:
    first, second = bucket.files[:2]
    bucket.put(first.read_bytes(), "edge/x.pcap")
    watch = bucket.watch(grace_s=3)
    with ended(watch):
        watch.until_it_says("\nloaded ")
        bucket.put(second.read_bytes(), "edge/x.pcap")
        watch.until_it_says("was replaced after it was fetched, and stays")
        watch.until_it_says("\nloaded ", 2)
        until(lambda: not list(bucket.objects.rglob("*.pcap")), lambda: watch.said()[-3000:])
        watch.stop()
    assert len(list((bucket.directory / "objects.archive").rglob("x.pcap"))) == 1


def test_a_directory_whose_files_are_kept_cannot_be_fed(bucket: Bucket) -> None:
    watch = bucket.watch(loader_after="keep")
    with ended(watch):
        assert watch.process.wait(60) == 3
    assert "--after keep would never empty it" in watch.said()
