"""Commits as they come: behind a place in every sensor's ledger, each once, in order; a gap where something cannot be told.

A cursor holds, of each sensor, number and beginning of the nonce of the step that was told last; and whose turn is next.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice, takewhile

from exporter.admissions import sum_of
from exporter.api.answers import Change, Changes, Gained, Gap
from exporter.api.problems import TOO_BROAD, ProblemError
from exporter.api.questions import LONGEST_PLACE, ChangesQuestion
from exporter.api.values import Seq, cursor_place, cursor_text
from exporter.api.world import World
from schema.objects import uuid_text
from schema.records import OTHER_ENDPOINT, CommitDeltas, CommitRecord, EndpointTotals, Seal
from schema.store.reading import StoreReader

_NONCE_DIGITS = 8  # of a step's nonce; "" where it is not known
_Places = dict[str, tuple[Seq, str]]
_Cursor = tuple[_Places, str]  # by sensor; whose turn is next
_Step = CommitRecord | Seal


def changes(world: World, asked: ChangesQuestion) -> Changes:
    """What was committed since, as far as the exporter follows the ledgers."""
    now = _positions(world, asked.sensor)
    places, turn = _begun(asked.since, now)
    told = _Told(places=places, endpoints=asked.endpoints)
    behind = sorted(sensor for sensor, (_, seq) in now.items() if told.seq(sensor) != seq)
    turns = [sensor for sensor in behind if sensor >= turn] + [sensor for sensor in behind if sensor < turn]
    share, active = max(1, asked.limit // max(1, len(turns))), turns[: asked.limit]
    if active:
        with world.store() as reader:
            for sensor in active:
                network, until = now[sensor]
                told.follow(reader, (sensor, network), until, share)
    waiting = turns[len(active) :]
    return Changes(
        changes=told.changes,
        gaps=told.gaps,
        next=_cursor(told.places, waiting[0] if waiting else ""),
        more=any(told.seq(sensor) < now[sensor][1] for sensor in turns),
    )


def _positions(world: World, only: str | None) -> dict[str, tuple[str, int]]:
    """Sensor -> its network, and the seq that its ledger is followed to."""
    return {
        sensor: (moment.network, seq)
        for moment in world.followed().values()
        for sensor, seq in moment.positions.items()
        if only in (None, sensor)
    }


def _begun(since: str | None, now: dict[str, tuple[str, int]]) -> _Cursor:
    if since is None:
        return {sensor: (seq, "") for sensor, (_, seq) in now.items()}, ""
    if since == "0":
        return {}, ""
    places, turn = cursor_place("since", since, _Cursor)
    return dict(places), turn


def _cursor(places: _Places, turn: str) -> str:
    text = cursor_text((places, turn))
    if len(text) > LONGEST_PLACE:
        detail = f"the place in the ledgers of {len(places):,} sensors is longer than an address may be"
        raise ProblemError(TOO_BROAD, detail, "follow sensor by sensor: give `sensor`", parameter="sensor")
    return text


@dataclass(slots=True)
class _Told:
    """What is told so far."""

    places: _Places
    endpoints: int
    changes: list[Change] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    def seq(self, sensor: str) -> int:
        """Of the step that was told last; 0: none."""
        return self.places.get(sensor, (0, ""))[0]

    def follow(self, reader: StoreReader, of: tuple[str, str], until: int, limit: int) -> None:
        """Some steps of a sensor (with its network) further. Where they end before `until`, or do not follow one another,
        there is a gap."""
        sensor, network = of
        if self.seq(sensor) > until:  # of an exporter that has followed further; or of another store, or an older copy of it
            if not self._is_in(reader, sensor):
                self._gap(sensor, until, "")
            return
        taken = 0
        for step in takewhile(lambda step: step.position.seq <= until, _steps(reader, sensor, self.seq(sensor))):
            if taken == limit:
                return
            self._check(sensor, step)
            if isinstance(step, CommitRecord):
                self.changes.append(_change(step, network, self.endpoints))
                taken += 1
        if self.seq(sensor) < until:
            self._gap(sensor, until, "")

    def _is_in(self, reader: StoreReader, sensor: str) -> bool:
        """Whether the step that was told last is in this store's ledger."""
        seq, nonce = self.places[sensor]
        step = next(_steps(reader, sensor, seq - 1, deltas=False), None)
        return step is not None and step.position.seq == seq and step.position.nonce.hex().startswith(nonce)

    def _check(self, sensor: str, step: _Step) -> None:
        seq, nonce = self.places.get(sensor, (0, ""))
        if step.position.seq != seq + 1 or (nonce and not step.previous.hex().startswith(nonce)):
            self._gap(sensor, step.position.seq, "")
        self.places[sensor] = (step.position.seq, step.position.nonce.hex()[:_NONCE_DIGITS])

    def _gap(self, sensor: str, next_seq: int, nonce: str) -> None:
        self.gaps.append(Gap(sensor=sensor, after_seq=self.seq(sensor), next_seq=next_seq))
        self.places[sensor] = (next_seq, nonce)


def _steps(reader: StoreReader, sensor: str, after_seq: int, *, deltas: bool = True) -> Iterator[_Step]:
    """Commits and seals, in order. A commit is read when it is asked for."""
    return merge(
        reader.commits(sensor, after_seq, deltas=deltas), reader.seals(sensor, after_seq), key=lambda step: step.position.seq
    )


def _change(commit: CommitRecord, network: str, endpoints: int) -> Change:
    return Change(
        sensor=commit.sensor,
        network=network,
        seq=commit.position.seq,
        capture_id=uuid_text(commit.capture_id),
        loaded_at_ms=commit.loaded_at_ms,
        packets=commit.frames,
        flow_packets=commit.flow_packets,
        flow_bytes=commit.flow_bytes,
        rows=dict(commit.rows),
        non_flow=dict(commit.non_flow),
        endpoints=None if commit.deltas is None else _gained(commit.deltas, endpoints),
        endpoint_count=None if commit.deltas is None else len(commit.deltas.endpoints),
    )


def _gained(deltas: CommitDeltas, most: int) -> list[Gained]:
    """The largest by flows, ties by name; then the sum of the others, if there are any."""
    named = {endpoint: gained for endpoint, gained in deltas.endpoints.items() if endpoint != OTHER_ENDPOINT}
    ordered = sorted(named.items(), key=lambda item: (-item[1].flows, item[0]))
    others = [gained for _, gained in islice(ordered, most, None)]
    others += [gained for endpoint, gained in deltas.endpoints.items() if endpoint == OTHER_ENDPOINT]
    told = [_told(endpoint, gained) for endpoint, gained in ordered[:most]]
    return [*told, _told(OTHER_ENDPOINT, sum_of(others))] if others else told


def _told(endpoint: str, gained: EndpointTotals) -> Gained:
    return Gained(endpoint=endpoint, **gained._asdict())
