"""What becomes of sealed segments: what only followers read goes soon, the commits when their captures have no rows any more.

Every step may be repeated by whoever seals next. Of a sealed segment nothing is changed any more, so that it is deleted
without a condition.
"""

from collections.abc import Iterator
from dataclasses import replace

from schema.records import CommitDeltas, LedgerPosition, LedgerTotals, Seal
from schema.store.cassandra import admissions, captures
from schema.store.cassandra.commitments import read_commitment
from schema.store.cassandra.connection import Connection
from schema.store.cassandra.guard import Guard, current_guard, segment_of
from schema.store.cassandra.hold import Hold
from schema.store.cassandra.ledger import no_totals
from schema.store.sealing import Sealing, decode_entries

_COMMITTED = "SELECT seq, nonce, capture_id FROM pcapline.ledger WHERE sensor = ? AND segment = ? AND kind = 'commit'"
_MARKED = "SELECT state, segment FROM pcapline.captures WHERE capture_id = ?"
_DROP_DELTAS = "DELETE FROM pcapline.commit_deltas WHERE sensor = ? AND segment = ? AND seq = ?"
_DROP_OPENING = "DELETE FROM pcapline.ledger_openings WHERE sensor = ? AND segment = ?"
_DROP_TOTALS = "DELETE FROM pcapline.ledger WHERE sensor = ? AND segment = ? AND kind IN ('endpoint', 'total')"
_DROP_SEGMENT = "DELETE FROM pcapline.ledger WHERE sensor = ? AND segment = ?"
_NOTE = "UPDATE pcapline.ledger SET kept = ?, whole = ? WHERE sensor = ? AND segment = ? IF epoch = ?"
_PAGE_PARTS = 16  # that a node gathers for one answer: of the longest names a part has 2 MB
_PARTS = "SELECT data FROM pcapline.ledger_openings WHERE sensor = ? AND segment = ? AND folded = ?"
_STEP = "SELECT seq, nonce, previous FROM pcapline.ledger WHERE sensor = ? AND segment = ? AND kind = 'opening'"


def let_go(hold: Hold, rule: Sealing) -> None:
    """Let go of what is no longer needed of the segments before the holder's.

    Nobody reads the statement of a seal once `whole` lies behind it, so that is noted first. A segment is taken off the list
    once it is gone: of one that is listed and gone it is known that its captures were marked.
    """
    guard = hold.guard()
    segments = list(guard.kept)
    whole = _first_whole(hold, guard, segments[max(0, len(segments) - rule.segments_told) :])
    if whole != guard.whole:
        _note(hold, guard, dict(guard.kept), whole)
        for segment in [segment for segment in segments if guard.whole <= segment < whole]:
            _thin_out(hold, segment)
    surplus = len(segments) - max(rule.segments_kept, rule.segments_told)
    doomed = [segment for segment in segments[: max(0, surplus)] if segment < whole]
    if doomed:
        kept = {segment: seq for segment, seq in guard.kept.items() if segment not in doomed}
        _drop(hold, range(doomed[0], min([*kept, guard.segment])))
        _note(hold, guard, kept, whole)


def _note(hold: Hold, guard: Guard, kept: dict[int, int], whole: int) -> None:
    note = hold.connection.bound(_NOTE, (kept, whole, hold.sensor, guard.segment, hold.epoch))
    hold.connection.conditionally(note, lambda: True)  # refused: the next holder does it again


def _first_whole(hold: Hold, guard: Guard, told: list[int]) -> int:
    """The oldest segment of which everything is kept: the first that is told, needed, or has a capture without a mark."""
    first_told = min([*told, guard.segment])
    for segment in [segment for segment in guard.kept if guard.whole <= segment < first_told]:
        if _is_needed(hold, segment) or not _are_marked(hold, segment):
            return segment
    return first_told


def _thin_out(hold: Hold, segment: int) -> None:
    """Only the commits stay."""
    place = (hold.sensor, segment)
    committed = hold.connection.read(_COMMITTED, place, serial=True)
    for _ in hold.connection.each(_DROP_DELTAS, ((*place, seq) for seq, _, _ in committed), quorum=True):
        pass
    hold.connection.write(_DROP_OPENING, place, quorum=True)
    hold.connection.write(_DROP_TOTALS, place, quorum=True)


def _is_needed(hold: Hold, segment: int) -> bool:
    """Whether an exporter has yet to pass the seal that began a segment, which folded an endpoint that it has a series of."""
    seen = segment_of(hold.connection, hold.sensor)
    book = admissions.read_book(hold.connection, seen[0] if seen else "")
    shown = book.positions.get(hold.sensor, LedgerPosition()).seq
    for seal in _seals(hold.connection, hold.sensor, [segment]):
        if seal.position.seq > shown:
            return any(book.admissions[name].admitted for name in seal.folded.keys() & book.admissions.keys())
    return False


def _are_marked(hold: Hold, segment: int) -> bool:
    """Whether every capture of a segment says that it was loaded there; those that do not are marked."""
    # at SERIAL: a replica that is behind may not know of a commit, and a segment is dropped by what is found here
    commits = hold.connection.read(_COMMITTED, (hold.sensor, segment), serial=True)
    committed = [capture_id for _, _, capture_id in commits]
    found = hold.connection.each(_MARKED, ((capture_id,) for capture_id in committed), quorum=True)
    marks = {capture_id: rows[0][0] if rows else "" for capture_id, rows in zip(committed, found, strict=True)}
    for capture_id in [capture_id for capture_id, state in marks.items() if state != "loaded"]:
        standing = captures.read_standing(hold.connection, capture_id)
        commitment = read_commitment(hold.connection, hold.sensor, segment, capture_id)
        if standing is None or commitment is None:
            return False  # a node has lost half of it: verify tells of it, and the segment stays
        captures.begin_loaded(hold.connection, standing, commitment)()
    return True


def _drop(hold: Hold, segments: range) -> None:
    """Drop segments, and the numbers between them under which a seal was tried and not made."""
    for segment in segments:
        _thin_out(hold, segment)  # whoever began it may have died
        hold.connection.write(_DROP_SEGMENT, (hold.sensor, segment), quorum=True)


def read_opening(connection: Connection, sensor: str, segment: int) -> LedgerTotals:
    """The totals that a segment began with."""
    network, _ = segment_of(connection, sensor) or ("", 0)
    nothing = no_totals(sensor, network, segment)
    if segment < current_guard(connection, sensor).whole:
        return nothing
    for seq, nonce, _ in connection.read(_STEP, (sensor, segment), serial=True):
        begun = _told(connection, sensor, segment, folded=False)
        position = LedgerPosition(segment=segment, seq=seq, nonce=nonce)
        return replace(nothing, position=position, endpoints=begun.endpoints, totals=begun.totals)
    return nothing


def _told(connection: Connection, sensor: str, segment: int, *, folded: bool) -> CommitDeltas:
    """What the statement of a seal says stayed, or was folded."""
    parts = connection.stream(_PARTS, (sensor, segment, folded), quorum=True, page_rows=_PAGE_PARTS)
    return decode_entries(data for (data,) in parts)


def read_seals(connection: Connection, sensor: str, after_seq: int) -> list[Seal]:
    """Seals behind a seq, oldest first."""
    if segment_of(connection, sensor) is None:
        return []
    guard = current_guard(connection, sensor)
    wanted = [segment for segment, seq in guard.begins.items() if segment >= guard.whole and seq > after_seq]
    return list(_seals(connection, sensor, wanted))


def _seals(connection: Connection, sensor: str, segments: list[int]) -> Iterator[Seal]:
    for segment in segments:
        for seq, nonce, previous in connection.read(_STEP, (sensor, segment), serial=True):
            folded = _told(connection, sensor, segment, folded=True)
            position = LedgerPosition(segment=segment, seq=seq, nonce=nonce)
            yield Seal(position=position, previous=previous or b"", folded=folded.endpoints)
