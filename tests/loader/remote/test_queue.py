"""Which object is fetched next: round the sensors, each in its own order, within bounds."""

from datetime import UTC, datetime
from pathlib import Path

from loader.remote.port import ObjectVersion, Reference
from loader.remote.queue import FetchQueue, Landed
from loader.spool.files import Stamp


def reference(sensor: str, number: int, size: int = 10) -> Reference:
    name = f"{number}.pcap"
    return Reference(token=(sensor, number), root="r", key=name, sensor=sensor, name=name, told=name, size=size)


def queue_of(*references: Reference, ahead_files: int = 16, ahead_bytes: int = 1000) -> FetchQueue:
    queue = FetchQueue(ahead_files=ahead_files, ahead_bytes=ahead_bytes)
    for one in references:
        queue.add(one)
    return queue


def land(queue: FetchQueue, one: Reference, inode: int) -> Stamp:
    stamp = Stamp(1, inode, one.size or 0, 5)
    version = ObjectVersion(size=one.size or 0, modified=datetime.now(UTC), etag=None)
    queue.landed(Landed(reference=one, path=Path(one.sensor, one.name), stamp=stamp, version=version))
    return stamp


def fetched(queue: FetchQueue, now: float = 0.0) -> list[tuple[str, int]]:
    taken, inode = [], 100
    while (one := queue.next(now)) is not None:
        inode += 1
        land(queue, one, inode)
        taken.append(one.token)
    return taken


def test_sensors_have_turns_and_each_its_own_order() -> None:
    queue = queue_of(*(reference(sensor, number) for sensor in ("a", "b", "c") for number in range(2)))
    assert fetched(queue) == [("a", 0), ("b", 0), ("c", 0), ("a", 1), ("b", 1), ("c", 1)]


def test_a_sensor_that_stands_still_does_not_hold_up_the_others() -> None:
    queue = queue_of(*(reference(sensor, number) for sensor in ("a", "b") for number in range(3)), ahead_files=1)
    stamp = land(queue, queue.next(0.0), 1)
    land(queue, queue.next(0.0), 2)
    assert queue.next(0.0) is None
    queue.answered(stamp)
    assert queue.next(0.0).token == ("a", 1)


def test_bytes_are_bounded_by_sensor_and_in_all() -> None:
    queue = queue_of(
        *(reference("a", number, 100) for number in range(5)), *(reference("b", number, 100) for number in range(5))
    )
    assert fetched(queue) == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]  # 250 of 1000 bytes each
    crowd = queue_of(*(reference(f"s{number}", 0, 240) for number in range(9)))
    assert len(fetched(crowd)) == 4


def test_what_is_larger_than_all_room_goes_alone() -> None:
    queue = queue_of(reference("a", 0, 5000), reference("b", 0, 10))
    stamp = land(queue, queue.next(0.0), 1)
    assert queue.next(0.0) is None
    assert queue.gone(stamp).reference.token == ("a", 0)
    assert queue.next(0.0).token == ("b", 0)


def test_a_sensor_whose_object_cannot_be_fetched_waits_alone() -> None:
    queue = queue_of(reference("a", 0), reference("b", 0))
    head = queue.next(0.0)
    assert queue.failed(head, 0.0)
    assert queue.next(0.0).token == ("b", 0)
    assert not queue.failed(head, 0.0)
    assert queue.next(100.0) is head


def test_what_is_withdrawn_is_forgotten_and_its_files_are_named() -> None:
    queue = queue_of(reference("a", 0), reference("a", 1), reference("b", 0))
    land(queue, queue.next(0.0), 1)
    gone = queue.withdraw(frozenset({("a", 0), ("a", 1)}))
    assert [landed.reference.token for landed in gone] == [("a", 0)]
    assert fetched(queue) == [("b", 0)]


def test_what_vanished_is_fetched_again_before_the_others() -> None:
    queue = queue_of(reference("a", 0), reference("a", 1))
    land(queue, queue.next(0.0), 1)
    queue.lost(next(queue.files()))
    assert fetched(queue) == [("a", 0), ("a", 1)]


def test_what_is_withdrawn_while_it_is_fetched_harms_nothing() -> None:
    queue = queue_of(reference("a", 0))
    head = queue.next(0.0)
    queue.withdraw(frozenset({("a", 0)}))
    queue.give_up(head)
    assert not queue.failed(head, 0.0)
    assert queue.next(0.0) is None
