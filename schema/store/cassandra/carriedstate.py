"""What a sensor's captures hand on, as a keyspace has it: in parts, under the step that it came with."""

from collections.abc import Iterator

from schema.store.cassandra.connection import Connection
from schema.store.codec import CHUNK_BYTES

Named = tuple[str, int, bytes]  # sensor; version and nonce, as its ledger's head names them

PUT_PART = "INSERT INTO pcapline.carried_state (sensor, version, nonce, part, data) VALUES (?, ?, ?, ?, ?)"
_PAGE_PARTS = 16  # that a node gathers for one answer: a state may have some 200
_PARTS = "SELECT data FROM pcapline.carried_state WHERE sensor = ? AND version = ? AND nonce = ?"


def read_carried(connection: Connection, named: Named) -> bytes | None:
    """The state of that name; None where there is none, or nothing was carried yet (version 0)."""
    _, version, _ = named
    parts = [data for (data,) in connection.stream(_PARTS, named, quorum=True, page_rows=_PAGE_PARTS)] if version else []
    return b"".join(parts) if parts else None


def parts_of(named: Named, carried: bytes) -> Iterator[tuple[object, ...]]:
    """Values for `PUT_PART`; of an empty state one part."""
    for part, start in enumerate(range(0, len(carried) or 1, CHUNK_BYTES)):
        yield (*named, part, carried[start : start + CHUNK_BYTES])
