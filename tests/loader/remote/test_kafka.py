"""References in a real Kafka broker: killed in mid-stream, the group rebalanced by watches that join, leave and die."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.loader.remote.fed import FedWatch, assert_same, balance, calm, ended, made_captures, until
from tests.servers.kafka.broker import KafkaBroker

CAPTURES = int(os.environ.get("REMOTE_TEST_CAPTURES", "8"))  # of each sensor
ROUNDS = int(os.environ.get("REMOTE_TEST_ROUNDS", "1"))  # of a kill, and of watches that come and go
SENSORS = ("edge", "office", "roof", "shop")  # the keys of messages in partitions 1, 0, 2 and 0
TOPIC, GROUP, PARTITIONS = "captures", "pcapline", 3


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    broker = KafkaBroker(tmp_path_factory.mktemp("kafka"))
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def topic(broker: KafkaBroker, request: pytest.FixtureRequest) -> str:
    name = request.node.name
    broker.make_topic(name, PARTITIONS)
    return name


def settings(directory: Path, root: Path, topic: str, more: str = "") -> str:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "kafka.toml").write_text('"session.timeout.ms" = 6000\n"reconnect.backoff.max.ms" = 500\n')
    return f'objects = ["file://{root}"]\ngroup = "{topic}"\nkafka_options = "kafka.toml"\n{more}'


def message(root: Path, file: Path) -> tuple[str, bytes]:
    """As an uploader sends it, once the object is there."""
    place = root / file.parent.name / file.name
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, place)
    sensor = file.parent.name
    return sensor, json.dumps({"sensor": sensor, "url": f"file://{place}", "size": file.stat().st_size}).encode()


def left(broker: KafkaBroker, topic: str) -> int:
    """Messages that the group has not acknowledged."""
    asking = Consumer({"bootstrap.servers": broker.address, "group.id": topic})
    behind = 0
    for tp in asking.committed([TopicPartition(topic, number) for number in range(PARTITIONS)], timeout=20):
        low, high = asking.get_watermark_offsets(tp, timeout=20)
        behind += high - max(tp.offset, low)
    asking.close()
    return behind


@pytest.mark.timeout(300 + 100 * ROUNDS)
def test_killed_and_rebalanced_nothing_is_lost_or_doubled(tmp_path: Path, broker: KafkaBroker, topic: str) -> None:
    files = made_captures(tmp_path / "made", SENSORS, CAPTURES)
    expected, store = calm(tmp_path, files), f"sqlite:{tmp_path / 'fed.db'}"
    root, source = tmp_path / "objects", f"kafka://{broker.address}/{topic}"
    messages = [message(root, file) for file in files]
    share = len(messages) // (3 * ROUNDS + 1)

    def watch(name: str) -> FedWatch:
        return FedWatch(tmp_path / name, store, source, settings(tmp_path / name, root, topic))

    def more() -> None:
        broker.produce(topic, messages[:share])
        del messages[:share]

    first = watch("first")
    with ended(first):
        for number in range(ROUNDS):
            more()
            first.until_it_says("\nloaded ", number + 1)
            broker.kill()
            first.until_it_says("nothing is lost", number + 1)
            broker.start()
            for sent in (signal.SIGTERM, signal.SIGKILL):
                second = watch(f"second-{number}-{sent.name}")
                with ended(second):
                    until(lambda: broker.shares(topic) == [1, 2], lambda: f"{broker.shares(topic)}")
                    more()
                    second.until_it_says("\nloaded ")
                    second.stop(sent)
        broker.produce(topic, messages)
        until(lambda: left(broker, topic) == 0, lambda: f"{left(broker, topic)} left: {first.said()[-3000:]}")
        until(lambda: first.counts()['held{stage="settled"}'] == 0, lambda: str(first.counts()))
        counts = first.counts()
        first.stop()
    assert_same(store, expected)
    assert balance(counts) == 0
    # an object whose reference was acknowledged to somebody who died then stays where it was, and none is gone
    places = [*root.rglob("*.pcap"), *root.with_name("objects.archive").rglob("*.pcap")]
    assert sorted(place.name for place in places) == sorted(file.name for file in files)


def test_hostile_messages_are_counted_told_and_passed_over(tmp_path: Path, broker: KafkaBroker, topic: str) -> None:
    files = made_captures(tmp_path / "made", ("edge",), 2)
    root = tmp_path / "objects"
    good = [message(root, file) for file in files]
    junk = root / "edge" / "junk.pcap"
    junk.write_bytes(b"this is no capture")
    hostile: list[tuple[str | None, bytes | None]] = [
        ("edge", b"\xff"),
        ("edge", None),
        (None, good[0][1]),
        ("edge", json.dumps({"sensor": "edge", "url": "file:///etc/passwd"}).encode()),
        ("edge", json.dumps({"sensor": "edge", "url": f"file://{root}/../secret/x"}).encode()),
        ("edge", json.dumps({"sensor": "edge", "url": f"file://{root}/edge/nowhere.pcap"}).encode()),
        ("edge", json.dumps({"sensor": "edge", "url": f"file://{root}/edge/{files[0].name}", "size": 1}).encode()),
        ("edge", json.dumps({"sensor": "edge", "url": f"file://{junk}"}).encode()),
    ]
    broker.produce(topic, [good[0], *hostile, good[1]])
    store = f"sqlite:{tmp_path / 'fed.db'}"
    more = 'after = "keep"\n'
    watch = FedWatch(tmp_path / "w", store, f"kafka://{broker.address}/{topic}", settings(tmp_path / "w", root, topic, more))
    with ended(watch):
        until(lambda: left(broker, topic) == 0, lambda: watch.said()[-3000:])
        until(lambda: watch.counts()['held{stage="settled"}'] == 0, lambda: str(watch.counts()))
        counts = watch.counts()
        watch.stop()
    assert_same(store, calm(tmp_path, files))
    expected = {"not_json": 1, "bad_message": 1, "wrong_key": 1, "foreign_url": 1, "bad_name": 1, "missing": 1, "changed": 1}
    assert {name: counts[f'dropped_total{{reason="{name}"}}'] for name in expected} == expected
    assert counts['acknowledged_total{fate="quarantined"}'] == 1
    assert counts["references_total"] == 10
    assert balance(counts) == 0
    assert "(foreign_url, 1 so far)" in watch.said()
    assert "offset" in watch.said()


def test_a_topic_that_comes_later_is_waited_for(tmp_path: Path, broker: KafkaBroker) -> None:
    root, store = tmp_path / "objects", f"sqlite:{tmp_path / 'fed.db'}"
    root.mkdir()
    files = made_captures(tmp_path / "made", ("edge",), 1)
    watch = FedWatch(tmp_path / "w", store, f"kafka://{broker.address}/later", settings(tmp_path / "w", root, "later"))
    with ended(watch):
        watch.until_it_says("Unknown topic or partition; waiting for it, nothing is lost")
        broker.make_topic("later", PARTITIONS)
        broker.produce("later", [message(root, files[0])])
        watch.until_it_says("\nloaded ")
        until(lambda: left(broker, "later") == 0, lambda: watch.said()[-3000:])
        watch.stop()
    assert_same(store, calm(tmp_path, files))


def test_references_without_a_place_they_may_point_to_are_no_settings(tmp_path: Path) -> None:
    watch = FedWatch(tmp_path / "w", f"sqlite:{tmp_path / 'x.db'}", "kafka://127.0.0.1:1/captures")
    with ended(watch):
        assert watch.process.wait(60) == 3
    assert "remote.objects is empty" in watch.said()
