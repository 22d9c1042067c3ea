"""How things stand: the exporter's health, its sensors, the last check of the identities; and asking for another one."""

from exporter.api.answers import Accepted, Coverage, Difference, Health, Identity, Sensor, Sensors, Verdict
from exporter.api.questions import Nothing, SensorsQuestion
from exporter.api.values import cursor_place, cursor_text
from exporter.api.world import World
from exporter.reconciliation import Reach, Reconciliation
from exporter.snapshot import Snapshot
from schema.objects import uuid_text
from schema.store.reading import SensorRecord


def health(world: World, _: Nothing) -> Health:
    """As of the last refresh."""
    now = world.snapshot
    return Health(
        version=world.helpers.version,
        store=now.store,
        store_up=now.store_up,
        ready=now.not_ready is None,
        reason=now.not_ready,
        schema_version=now.schema_version,
        wanted_schema_version=now.wanted_schema_version,
        refresh_seconds=now.refresh_seconds,
    )


def sensors(world: World, asked: SensorsQuestion) -> Sensors:
    """All sensors that ever were taken, by name."""
    after = "" if asked.cursor is None else cursor_place("cursor", asked.cursor, str)
    with world.store() as reader:
        records = [record for record in reader.sensors() if asked.network in (None, record.network) and record.sensor > after]
    records.sort(key=lambda record: record.sensor)
    page = records[: asked.limit]
    return Sensors(
        sensors=[_sensor(record, world.snapshot) for record in page],
        next=cursor_text(page[-1].sensor) if len(records) > len(page) else None,
    )


def _sensor(record: SensorRecord, snapshot: Snapshot) -> Sensor:
    moment = snapshot.networks.get(record.network)
    return Sensor(
        sensor=record.sensor,
        network=record.network,
        first_seen_ms=record.first_seen_ms,
        seq=0 if moment is None else moment.positions.get(record.sensor, 0),
        newest_packet_ns=snapshot.newest_packet_ns.get(record.sensor),
        reads=moment is not None and record.sensor not in moment.unread,
        loader=record.owner,
        lease_until_ms=record.lease_until_ms,
    )


def verdict(world: World, _: Nothing) -> Verdict:
    """The last check."""
    last = world.snapshot.reconciliation
    if last is None:
        return Verdict(at_ms=None, holds=None, identities=[], coverage=None, differences=[], differing=0)
    return Verdict(
        at_ms=last.at_ms,
        holds=last.holds,
        identities=[
            Identity(identity=one.name, left=one.left, right=one.right, difference=one.difference) for one in last.identities
        ],
        coverage=_coverage(last),
        differences=[
            Difference(
                differs=one.identity,
                sensor=one.sensor,
                subject=one.subject,
                left=one.left,
                right=one.right,
                capture_id=uuid_text(one.capture_id) if one.capture_id else None,
                file=one.file_name or None,
            )
            for one in last.differing
        ],
        differing=last.differing_count,
    )


def _coverage(last: Reconciliation) -> Coverage:
    reach, seen = last.reach or Reach(), last.coverage
    return Coverage(
        captures=seen.captures,
        checked=seen.checked,
        expired=seen.expired,
        alive=reach.alive,
        covered=reach.covered,
        covered_since_ms=reach.since_ms,
    )


def reconcile(world: World, _: Nothing) -> Accepted:
    """Check the identities as soon as nothing else is being done."""
    world.helpers.check_soon()
    last = world.snapshot.reconciliation
    return Accepted(accepted=True, last_checked_at_ms=None if last is None else last.at_ms)
