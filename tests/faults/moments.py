"""What a loader does to the world, seen as it happens: statements of its store, and moves of its files.

Nothing of the loader is replaced. What tells are three documented hooks: apsw's execution tracer, the driver's listener of
requests, Python's audit events. Each tells of a thing before it is done.
"""

import os
import re
import sys
import threading
from collections.abc import Callable
from typing import Any

from loader.spool.files import ARCHIVE, OWN_FOLDER, QUARANTINE, REASON_SUFFIX, SIDECAR_SUFFIX
from loader.watch.note import NOTES
from schema.store.cassandra.rows import Rows

Seen = Callable[..., None]  # told the label of what is about to be done, or the labels; "" for what changes nothing

_VERB = re.compile(
    r"\s*(?:WITH .*?\)\s*)?(INSERT(?: OR \w+)? INTO|UPDATE|DELETE FROM|BEGIN|COMMIT|ROLLBACK)\s*(?:\w+\.)?(\w+)?", re.S
)
_FIRST_SET = re.compile(r"\bSET\s+(\w+)")
_CONDITION = re.compile(r"\bIF\s+(?:NOT\s+EXISTS|\w+\s*=)\s*")


def statement_label(statement: str) -> str:
    """`INSERT flows`, `UPDATE ledger SET epoch IF`, `COMMIT`; "" for a statement that reads."""
    found = _VERB.match(statement)
    if found is None:
        return ""
    words = [found[1].split()[0]]
    if found[2] and words[0] in ("INSERT", "UPDATE", "DELETE"):
        words.append(found[2])
    if words[0] == "UPDATE" and (first := _FIRST_SET.search(statement)):
        words += ["SET", first[1]]
    if "?" in statement and _CONDITION.search(statement):
        words.append("IF")
    return " ".join(words)


def watch_sqlite(seen: Seen) -> None:
    """Of each connection that is opened from now on."""
    import apsw

    def trace(_cursor: object, statement: str, _bindings: object) -> bool:
        seen(statement_label(statement))
        return True

    apsw.connection_hooks.append(lambda connection: setattr(connection, "exec_trace", trace))


def watch_cassandra(session: Any, seen: Seen) -> None:
    """Of each request of a session of the driver; one may carry rows of several tables."""
    known = session.cluster._prepared_statements  # a batch names its statements by their ids alone

    def texts_of(future: Any) -> list[str]:
        if future.prepared_statement is not None:
            return [str(future.prepared_statement.query_string)]
        if not (queries := getattr(future.message, "queries", None)):
            return [str(getattr(future.message, "query", ""))]
        rows = queries[0][2]
        ids = [number for number in list(known) if number in rows.body] if isinstance(rows, Rows) else [queries[0][1]]
        return [str(known[number].query_string) for number in ids]

    def told(future: Any) -> None:
        seen(*map(statement_label, texts_of(future)))

    session.add_request_init_listener(told)


def watch_files(seen: Seen) -> None:
    """Of each file that is opened, moved or removed. Openings and scans are told by their path."""

    def audit(event: str, values: tuple[Any, ...]) -> None:
        seen(_file_label(event, values))

    sys.addaudithook(audit)


def _file_label(event: str, values: tuple[Any, ...]) -> str:
    match event, values:
        case "os.rename", (_, target, *_):
            return f"move {_thing(target)}"
        case "os.remove", (path, *_):
            return f"remove {_thing(path)}"
        case "os.link", (_, target, *_):
            return f"link {_thing(target)}"
        case "os.scandir", (path, *_) if isinstance(path, (str, os.PathLike)):
            return f"scan {os.fspath(path)}"
        case "open", (path, _, flags) if isinstance(path, (str, os.PathLike)):
            creates = isinstance(flags, int) and flags & os.O_CREAT
            return f"create {_thing(path)}" if creates else f"open {os.fspath(path)}"
        case _:
            return ""


def _thing(path: Any) -> str:
    """`capture in archive`, `note in quarantine`, `state of the loader`; just the path of anything else."""
    text = os.fsdecode(path)
    if f"/{OWN_FOLDER}/{NOTES}/" in text:
        return "state of the loader"
    place = next((place for place in (ARCHIVE, QUARANTINE) if f"/{place}/" in text), None)
    if place is None:
        return text
    suffixes = {SIDECAR_SUFFIX: "note", REASON_SUFFIX: "reason"}
    kind = next((kind for suffix, kind in suffixes.items() if text.endswith(suffix)), "capture")
    return f"{kind} in {place}"


class Fuse:
    """Waits for one moment; `burn` is called when it comes. What comes before it is armed is let pass."""

    def __init__(self, label: str, *, armed_by: str, nth: int, after: bool, burn: Callable[[], None]) -> None:
        """`armed_by`: a label; `after`: burn at the next thing that the same thread does."""
        self._label, self._armed_by, self._left, self._after, self._burn = label, armed_by, nth, after, burn
        self._armed, self._smoulders_in = False, 0

    def seen(self, *labels: str) -> None:
        if self._smoulders_in == threading.get_ident():
            self._smoulders_in = 0  # killing is an audit event too
            self._burn()
        self._armed = self._armed or self._armed_by in labels
        if not self._armed or self._label not in labels:
            return
        self._left -= 1
        if self._left == 0 and self._after:
            self._smoulders_in = threading.get_ident()
        elif self._left == 0:
            self._burn()
