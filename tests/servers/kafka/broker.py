"""One broker that is its own controller, from the jars of Maven Central: no container, loopback only, gone with its test."""

import shutil
import subprocess
import time
from pathlib import Path

from confluent_kafka import ConsumerGroupState, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.servers import free_port, require
from tests.servers.cassandra.node import die_with_parent
from tests.servers.maven import cache, fetched_jars

_NAME = "kafka-4.1.0"
_HERE = Path(__file__).parent
_START_S = 60
_MEMORY = ["-Xms256m", "-Xmx256m", "-Xss512k", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+PerfDisableSharedMem"]


def require_kafka() -> None:
    """Skip (in CI: fail) where a broker cannot be had."""
    require(shutil.which("java") is not None, "java is missing: apt-get install openjdk-17-jre-headless")
    require((cache() / _NAME).exists() or shutil.which("mvn") is not None, "mvn is missing: apt-get install maven")


class KafkaBroker:
    """A broker on 127.0.0.1 whose data live in a directory: started, killed, and started again on the same data."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.port = directory, free_port()
        self._controller_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where clients find it."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start and wait until it answers."""
        require_kafka()
        jars = fetched_jars(_HERE / "pom.xml", _NAME)
        java = ["java", *_MEMORY, "-cp", f"{jars}/*"]
        properties = self.directory / "broker.properties"
        with (self.directory / "log").open("ab") as log:
            if not properties.exists():
                properties.write_text(self._properties())
                format_it = [*java, "kafka.tools.StorageTool", "format", "-t", "pcapline-tests-0000000", "-c", str(properties)]
                subprocess.run(format_it, check=True, stdout=log, stderr=subprocess.STDOUT)
            self._process = subprocess.Popen(
                [*java, "kafka.Kafka", str(properties)], stdout=log, stderr=subprocess.STDOUT, preexec_fn=die_with_parent
            )
        self._await_answer()

    def _properties(self) -> str:
        self.directory.mkdir(parents=True, exist_ok=True)
        text = (_HERE / "broker.properties").read_text()
        values = {"PORT": self.port, "CONTROLLER_PORT": self._controller_port, "DATA": self.directory / "data"}
        for name, value in values.items():
            text = text.replace(f"@{name}@", str(value))
        return text

    def kill(self) -> None:
        """Take its power away."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None

    def make_topic(self, name: str, partitions: int) -> None:
        """A new topic, ready to be written to."""
        client = AdminClient({"bootstrap.servers": self.address})
        client.create_topics([NewTopic(name, partitions, 1)])[name].result(30)

    def shares(self, group: str) -> list[int]:
        """How many partitions each member of a group has; nothing while the group is rebalanced."""
        client = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        try:
            described = client.describe_consumer_groups([group])[group].result(30)
        except KafkaException:  # the broker has just started
            return []
        if described.state is not ConsumerGroupState.STABLE:
            return []
        return sorted(len(member.assignment.topic_partitions) for member in described.members)

    def produce(self, topic: str, messages: list[tuple[str | None, bytes | None]]) -> None:
        """Key and value of each, in order; all of them are acknowledged when this returns."""
        producer = Producer({"bootstrap.servers": self.address, "log_level": 0})
        for key, value in messages:
            producer.produce(topic, key=key, value=value)
        assert producer.flush(60) == 0, "the broker did not take all messages"

    def _await_answer(self) -> None:
        deadline = time.monotonic() + _START_S
        client = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        while True:
            try:
                client.list_topics(timeout=1)
                return
            except KafkaException:
                assert self._process is not None
                running = self._process.poll() is None
                assert running and time.monotonic() < deadline, f"no broker:\n{(self.directory / 'log').read_text()[-4000:]}"
                time.sleep(0.05)
