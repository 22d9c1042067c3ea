"""A Kafka topic as a source: references from a consumer group. The only door to confluent_kafka."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from loader.remote.addresses import KafkaAddress
from loader.remote.departures import Departures
from loader.remote.messages import reference_in
from loader.remote.offsets import PartitionLog
from loader.remote.port import Arrivals, Reference, Refusal, RefusedError, Settled, SourceAwayError
from schema.errors import SettingsError

_LOG = logging.getLogger(__name__)
_BATCH = 500  # messages at a time
_WAIT_S = 0.1
_COMMIT_S = 1.0  # offsets are committed so often at most
_COORDINATOR_S = 10  # how long a commit waits for a group's coordinator
_OURS = frozenset(
    {"bootstrap.servers", "group.id", "enable.auto.commit", "enable.auto.offset.store", "auto.offset.reset", "group.protocol",
     "partition.assignment.strategy"}
)  # fmt: skip
# Errors of a commit that a rebalance gives: what was not committed comes to whoever has the partition next.
_REBALANCING = frozenset(
    {KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.REBALANCE_IN_PROGRESS, KafkaError._NO_OFFSET,
     KafkaError._ASSIGNMENT_LOST}
)  # fmt: skip
_PASSING = frozenset({KafkaError._TRANSPORT, KafkaError._RESOLVE})  # of one broker; all of them away is told apart


class Token(NamedTuple):
    """Which message, under which assignment of its partition."""

    partition: int
    assignment: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaOptions:
    """How a group is joined."""

    address: KafkaAddress
    group: str
    more: Mapping[str, object]  # keys of librdkafka
    timeout_s: float

    def __post_init__(self) -> None:
        if ours := sorted(_OURS & self.more.keys()):
            raise SettingsError(f"remote.kafka_options: {', '.join(ours)} cannot be set: at-least-once rests on it")


class KafkaSource:
    """One member of a consumer group."""

    def __init__(self, options: KafkaOptions, departures: Departures, clock: Callable[[], float]) -> None:
        """Raises `SettingsError` for what can never be a consumer; brokers that are away may come."""
        self._topic, self._departures, self._clock = options.address.topic, departures, clock
        self._roots = [root.address for root in departures.leaving.roots.values()]
        self._timeout_s = options.timeout_s
        self._logs: dict[int, PartitionLog] = {}
        self._open: dict[int, set[Token]] = {}  # handed out and not acknowledged, by partition
        self._assignments = 0
        self._withdrawn: set[Token] = set()
        self._moved = False  # partitions went
        self._uncommitted: list[Settled] = []
        self._trouble: str | None = None
        self._committed_at = 0.0
        self._committing = False  # the broker has not answered yet
        self._flowing = True
        self._consumer = _consumer(options, self._on_error, self._on_commit)
        self._consumer.subscribe(
            [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )  # fmt: skip

    def arrivals(self, room: int) -> Arrivals:
        """Raises `SourceAwayError`."""
        self._let_flow(room > 0)
        references: list[Reference] = []
        refusals: list[Refusal] = []
        for message in self._consumed(max(1, min(room, _BATCH))):
            self._take(message, references, refusals)
        withdrawn, self._withdrawn = frozenset(self._withdrawn), set()
        moved, self._moved = self._moved, False
        if self._trouble is not None and not references and not moved:
            self._ask_again(self._trouble)
        return Arrivals(references=references, refusals=refusals, withdrawn=withdrawn, moved=moved)

    def _consumed(self, most: int) -> list[Message]:
        try:
            return self._consumer.consume(num_messages=most, timeout=_WAIT_S)
        except KafkaException as error:
            raise SourceAwayError(_told(error)) from error

    def _take(self, message: Message, references: list[Reference], refusals: list[Refusal]) -> None:
        partition, offset, error = message.partition(), message.offset(), message.error()
        if error is not None:
            self._trouble = f"topic {self._topic}: {error.str()}"
            return
        log = self._logs.get(partition) if partition is not None else None
        if partition is None or offset is None or log is None:
            return
        self._trouble = None
        token = Token(partition, log.assignment, offset)
        log.add(offset)
        try:
            told = f"{self._topic} [{partition}] offset {offset}"
            references.append(reference_in(message.key(), message.value(), self._roots, token, told))
            self._open[partition].add(token)
        except RefusedError as refused:
            log.settle(offset)
            refusals.append(Refusal(reason=refused.reason, detail=f"the message at {told} is passed over: {refused}"))

    def acknowledge(self, settled: Sequence[Settled]) -> Sequence[Settled]:
        """Raises `SourceAwayError`. First the offset, then the object: without its object a reference would be a lost one."""
        for one in settled:
            token = _token(one)
            log = self._logs.get(token.partition)
            if log is not None and log.assignment == token.assignment:
                log.settle(token.offset)
                self._uncommitted.append(one)
        if not self._committing and self._clock() - self._committed_at >= _COMMIT_S:
            self._commit(waits=False)
        return self._departures.go()

    def _commit(self, *, waits: bool) -> None:
        """Tell the broker how far all is settled; it answers `_on_commit`, or here where this `waits` (`_COORDINATOR_S` at
        most, and meanwhile nothing else happens)."""
        positions = {number: log.to_commit() for number, log in self._logs.items()}
        offsets = [TopicPartition(self._topic, number, at) for number, at in positions.items() if at is not None]
        if not offsets:
            return
        self._committed_at, self._committing = self._clock(), True
        try:
            if waits:
                self._on_commit(None, self._consumer.commit(offsets=offsets, asynchronous=False))
            else:
                self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            self._committing = False
            raise SourceAwayError(_told(error)) from error

    def _on_commit(self, error: KafkaError | None, answers: list[TopicPartition]) -> None:
        """Called while messages are consumed. What was not committed is tried again, by whoever has the partition then."""
        self._committing = False
        if error is not None and error.code() not in _REBALANCING:
            self._trouble = f"Kafka: {error.str()}"
        for answer in answers:
            log = self._logs.get(answer.partition)
            if error is None and answer.error is None and log is not None:
                log.committed(answer.offset)
        self._sort_out()

    def _sort_out(self) -> None:
        """Who is committed goes on to the disposal of its object; whose partition is gone is somebody else's."""
        still = []
        for one in self._uncommitted:
            token = _token(one)
            log = self._logs.get(token.partition)
            if log is None or log.assignment != token.assignment:
                continue
            if log.is_committed(token.offset):
                self._open[token.partition].discard(token)
                self._departures.add([one])
            else:
                still.append(one)
        self._uncommitted = still

    def close(self) -> None:
        """Commit what is settled, and leave the group."""
        self._on_revoke(self._consumer, [])
        self._consumer.close()

    def _let_flow(self, flows: bool) -> None:
        """Whether messages may come. Those of a partition that is assigned meanwhile come all the same."""
        if flows == self._flowing:
            return
        try:
            change = self._consumer.resume if flows else self._consumer.pause
            change([TopicPartition(self._topic, partition) for partition in self._logs])
        except KafkaException as error:
            raise SourceAwayError(_told(error)) from error
        self._flowing = flows

    def _on_assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            self._assignments += 1
            self._logs[partition.partition] = PartitionLog(self._assignments)
            self._open[partition.partition] = set()
        self._flowing = True  # what was paused is paused again, with the new ones

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        if self._trouble is None:
            try:
                self._commit(waits=True)
            except SourceAwayError:
                _LOG.info("the last offsets could not be committed: their captures come again, and are found loaded")
        self._on_lost(_, partitions)

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._moved = True
        for partition in partitions:
            self._logs.pop(partition.partition, None)
            self._withdrawn |= self._open.pop(partition.partition, set())
        self._sort_out()

    def _on_error(self, error: KafkaError) -> None:
        if error.code() not in _PASSING:
            self._trouble = f"Kafka: {error.str()}"

    def _ask_again(self, trouble: str) -> None:
        """Raises `SourceAwayError` unless the topic is there now."""
        try:
            topic = self._consumer.list_topics(self._topic, timeout=min(self._timeout_s, 2.0)).topics[self._topic]
        except KafkaException as error:
            raise SourceAwayError(trouble) from error
        if topic.error is not None:
            raise SourceAwayError(f"topic {self._topic}: {topic.error.str()}")
        self._trouble = None


def _consumer(
    options: KafkaOptions,
    on_error: Callable[[KafkaError], None],
    on_commit: Callable[[KafkaError | None, list[TopicPartition]], None],
) -> Consumer:
    settings: dict[str, object] = {
        "socket.timeout.ms": int(options.timeout_s * 1000),
        "coordinator.query.interval.ms": _COORDINATOR_S * 1000,
        "log_level": 2,  # the library's retries: what does not pass is told by `on_error`
        "queued.min.messages": 1000,
        "queued.max.messages.kbytes": 4096,
        **options.more,
        "bootstrap.servers": options.address.brokers,
        "group.id": options.group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "partition.assignment.strategy": "cooperative-sticky",
        "error_cb": on_error,
        "on_commit": on_commit,
    }
    try:
        return Consumer(settings, logger=_LOG)
    except (KafkaException, TypeError, ValueError) as error:
        raise SettingsError(f"remote.kafka_options: {_told(error)}") from error


def _told(error: Exception) -> str:
    cause = error.args[0] if error.args else error
    return f"Kafka: {cause.str()}" if isinstance(cause, KafkaError) else f"Kafka: {cause}"


def _token(settled: Settled) -> Token:
    token = settled.reference.token
    assert isinstance(token, Token)
    return token
