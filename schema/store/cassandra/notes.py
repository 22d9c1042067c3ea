"""What a store says of itself: `store_notes`, changed by compare and swap."""

from schema.store.cassandra.connection import Connection
from schema.store.notes import COPYING, MOVED

_NOTE = "SELECT name, value FROM pcapline.store_notes WHERE name = ?"
_ADD = "INSERT INTO pcapline.store_notes (value, name) VALUES (?, ?) IF NOT EXISTS"
_SET = "UPDATE pcapline.store_notes SET value = ? WHERE name = ? IF value = ?"
_DROP = "DELETE FROM pcapline.store_notes WHERE name = ? IF value = ?"


def read_notes(connection: Connection) -> dict[str, str]:
    """All of them, by name, after every change that was acknowledged."""
    notes: dict[str, str] = {}
    for name in (COPYING, MOVED):  # one by one: no two partitions are read at SERIAL together
        notes.update(connection.read(_NOTE, (name,), serial=True))
    return notes


def change_note(connection: Connection, name: str, before: str | None, after: str | None) -> bool:
    """Make a note say this (None: be gone), where it says what it said before."""
    if before is None:
        statement = connection.bound(_ADD, (after, name))
    elif after is None:
        statement = connection.bound(_DROP, (name, before))
    else:
        statement = connection.bound(_SET, (after, name, before))
    return connection.conditionally(statement, lambda: read_notes(connection).get(name) == after)
