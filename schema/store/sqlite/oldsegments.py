"""Segments of a ledger that nothing needs any more, let go of in short steps. Who dies amid them leaves the rest to the next
seal: nobody reads what lies before the first thing that each of them takes away."""

from schema.store.sealing import Sealing
from schema.store.sqlite import admissions
from schema.store.sqlite.database import Session
from schema.store.sqlite.ledger import read_network
from schema.store.sqlite.seals import folded_at
from schema.store.sqlite.steps import Steps

_SEALS_OF = "SELECT segment, seq FROM ledger_seals WHERE sensor = ?"
_FIRST_KEPT = "SELECT seq FROM ledger_commits WHERE sensor = ? AND segment >= ? ORDER BY seq LIMIT 1"
_NEVER = 2**63 - 1


def let_go(steps: Steps, sensor: str, segment: int, rule: Sealing) -> None:
    """Of what lies before this segment, which was just opened."""
    steps.delete("ledger_endpoints", "sensor = ? AND segment < ?", (sensor, segment))
    _thin_out(steps, sensor, segment - rule.segments_told)
    _drop(steps, sensor, segment - max(rule.segments_told, rule.segments_kept))


def _thin_out(steps: Steps, sensor: str, first_segment: int) -> None:
    """Only the commits stay; without the seals first, nobody follows a ledger through what goes after them."""
    with steps.snapshot() as session:
        whole = _whole_from(session, sensor, first_segment)
    for table in ("ledger_seals", "commit_deltas", "ledger_openings"):
        steps.delete(table, "sensor = ? AND seq < ?", (sensor, whole))


def _whole_from(session: Session, sensor: str, first_segment: int) -> int:
    """The seal before which all is thinned out: that of this segment, or of an older one that an exporter still has to read,
    because its book stands before it and admits an endpoint that it folded. 0: there is none."""
    shown = admissions.read_position(session, read_network(session, sensor), sensor).seq
    old = session.execute(f"{_SEALS_OF} AND segment < ? ORDER BY seq", (sensor, first_segment))
    first = next((segment for segment, seq in old if seq > shown and _folded_admitted(session, sensor, seq)), first_segment)
    return next((seq for _, seq in session.execute(f"{_SEALS_OF} AND segment = ?", (sensor, first))), 0)


def _folded_admitted(session: Session, sensor: str, seq: int) -> bool:
    admitted = "SELECT endpoint FROM admissions JOIN sensors USING (network) WHERE sensor = ? AND admitted"
    series = {endpoint for (endpoint,) in session.execute(admitted, (sensor,))}
    return not series.isdisjoint(folded_at(session, sensor, seq))


def _drop(steps: Steps, sensor: str, first_segment: int) -> None:
    """Drop the commits before a segment: their captures say that they were loaded, and are believed from the first step on."""
    if first_segment <= 0:
        return
    with steps.step() as transaction:
        transaction.execute("UPDATE ledger SET first_segment = ? WHERE sensor = ?", (first_segment, sensor))
    with steps.snapshot() as session:
        first = next((seq for (seq,) in session.execute(_FIRST_KEPT, (sensor, first_segment))), _NEVER)
    steps.delete("ledger_commits", "sensor = ? AND seq < ?", (sensor, first))
