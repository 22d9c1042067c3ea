"""Rows of `captures_by_origin`: which contents came from a file, or from one that had this content. At QUORUM whatever is
configured: what is not found is loaded, and may be loaded already."""

from collections.abc import Callable, Iterable
from itertools import islice

from schema.records import CaptureRecord
from schema.store.cassandra.captures import Begun, read_standing
from schema.store.cassandra.connection import Connection, Row
from schema.store.cassandra.counted import committed_record

_LOOKED_AT = 16  # captures of one origin, the newest first
_OF_ORIGIN = "SELECT capture_id FROM pcapline.captures_by_origin WHERE origin = ? LIMIT 1000"
_NOTE_ORIGIN = "INSERT INTO pcapline.captures_by_origin (origin, noted_at, capture_id) VALUES (?, ?, ?)"


def begin_origins(connection: Connection, origins: Iterable[str], capture_id: bytes, at_ms: int) -> list[Begun]:
    """Note that these origins lead to this capture; a file without an inode has none."""
    return [connection.begun(_NOTE_ORIGIN, (origin, at_ms, capture_id), quorum=True) for origin in origins if origin]


def begin_capture_of_origin(connection: Connection, origin: str) -> Callable[[], CaptureRecord | None]:
    """The newest committed capture that this origin led to, among the newest that were noted; looked for beside other
    requests. By the ledger: who died behind a commit, or waits for its mark yet, has committed all the same."""
    if not origin:
        return lambda: None
    begun = connection.begun(_OF_ORIGIN, (origin,), quorum=True)
    return lambda: _newest_committed(connection, begun())


def _newest_committed(connection: Connection, noted: list[Row]) -> CaptureRecord | None:
    newest = dict.fromkeys(capture_id for (capture_id,) in noted)  # each once: a repeated attempt notes its capture again
    for capture_id in islice(newest, _LOOKED_AT):
        standing = read_standing(connection, capture_id)
        record = None if standing is None else committed_record(connection, standing)
        if record is not None:
            return record
    return None
