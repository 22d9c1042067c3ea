"""What became of captures: loaded ones in the order of their sensor's ledger, others by their ids."""

from collections.abc import Iterator
from heapq import nsmallest
from itertools import islice
from uuid import UUID

from exporter.api.answers import Capture, Captures
from exporter.api.problems import NOT_FOUND, ProblemError, bad_parameter
from exporter.api.questions import CaptureQuestion, CapturesQuestion
from exporter.api.values import Seq, cursor_place, cursor_text
from exporter.api.world import World
from schema.objects import uuid_text
from schema.records import CaptureRecord, CommitRecord
from schema.store.reading import StoreReader


def captures(world: World, asked: CapturesQuestion) -> Captures:
    """Those in one state."""
    if asked.since is not None and (asked.sensor is None or asked.state != "loaded"):
        remedy = "name the sensor, and ask for loaded ones: each sensor's ledger has numbers of its own"
        raise bad_parameter("since", "since is a number in one sensor's ledger", remedy)
    return _loaded(world, asked) if asked.state == "loaded" else _unloaded(world, asked)


def capture(world: World, asked: CaptureQuestion) -> Capture:
    """One of them."""
    try:
        capture_id = UUID(asked.capture_id).bytes
    except ValueError as error:
        raise bad_parameter("capture_id", f"{asked.capture_id!r} is no id", "give the 32 hexadecimal digits") from error
    with world.store() as reader:
        record = reader.capture(capture_id)
        if record is None:
            raise ProblemError(NOT_FOUND, f"no capture {asked.capture_id} was ever claimed", "/captures has those that were")
        return _told(record, _commit_of(reader, record))


def _loaded(world: World, asked: CapturesQuestion) -> Captures:
    sensor, seq = ("", 0) if asked.cursor is None else cursor_place("cursor", asked.cursor, tuple[str, Seq])
    with world.store() as reader:
        names = [asked.sensor] if asked.sensor is not None else sorted(record.sensor for record in reader.sensors())
        starts = [(name, max(asked.since or 0, seq if name == sensor else 0)) for name in names if name >= sensor]
        commits = list(islice(_commits(reader, starts), asked.limit + 1))
        page = commits[: asked.limit]
        records = [(reader.capture(commit.capture_id), commit) for commit in page]
    told = [_told(record, commit) for record, commit in records if record is not None]
    more = len(commits) > asked.limit
    return Captures(captures=told, next=cursor_text((page[-1].sensor, page[-1].position.seq)) if more else None)


def _unloaded(world: World, asked: CapturesQuestion) -> Captures:
    after = "" if asked.cursor is None else cursor_place("cursor", asked.cursor, str)
    with world.scanned() as reader:
        records = reader.captures(asked.sensor, asked.state)
        behind = (record for record in records if record.facts.capture_id.hex() > after)
        page = nsmallest(asked.limit + 1, behind, key=_id_of)
    told = [_told(record, None) for record in page[: asked.limit]]
    return Captures(captures=told, next=cursor_text(_id_of(page[asked.limit - 1])) if len(page) > asked.limit else None)


def _commits(reader: StoreReader, starts: list[tuple[str, int]]) -> Iterator[CommitRecord]:
    for sensor, seq in starts:
        yield from reader.commits(sensor, seq)


def _commit_of(reader: StoreReader, record: CaptureRecord) -> CommitRecord | None:
    """The commit of a capture, where its ledger still tells it."""
    if record.position is None:
        return None
    found = next(islice(reader.commits(record.sensor, record.position.seq - 1), 1), None)
    return found if found is not None and found.capture_id == record.facts.capture_id else None


def _id_of(record: CaptureRecord) -> str:
    return record.facts.capture_id.hex()


def _told(record: CaptureRecord, commit: CommitRecord | None) -> Capture:
    facts = record.facts
    return Capture(
        capture_id=uuid_text(facts.capture_id),
        file=facts.file_name,
        sensor=record.sensor,
        state=record.state,
        reason=record.reason,
        detail=record.detail,
        seq=None if record.position is None else record.position.seq,
        loaded_at_ms=record.loaded_at_ms,
        size_bytes=facts.size_bytes,
        first_ts_ns=facts.first_ts_ns,
        last_ts_ns=facts.last_ts_ns,
        packets=facts.frames,
        kernel_drops=facts.kernel_drops,
        flow_packets=None if commit is None else commit.flow_packets,
        non_flow=None if commit is None else dict(commit.non_flow),
        rows=None if commit is None else dict(commit.rows),
    )
