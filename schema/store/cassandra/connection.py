"""One connection to a cluster: prepared statements, reads, writes, and conditional writes whose outcome is always known."""

import random
import socket
import ssl
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from ipaddress import ip_address
from itertools import chain, islice, repeat
from typing import Any, TypeVar

from cassandra import ConsistencyLevel
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.metadata import protect_name
from cassandra.policies import ConstantReconnectionPolicy, DCAwareRoundRobinPolicy, FallthroughRetryPolicy, TokenAwarePolicy
from cassandra.query import SimpleStatement, tuple_factory

from schema.errors import PermissionDeniedError, SettingsError, StoreError, StoreUnavailableError
from schema.store.cassandra.failures import ANOTHER_MAY_ANSWER, Refusal, explained, meaning, refusal_of
from schema.store.cassandra.options import CassandraOptions
from schema.store.cassandra.values import PortProtocol, with_port_types
from schema.store.cassandra.window import Window

Row = tuple[Any, ...]
_Answer = TypeVar("_Answer")

_PAGE_ROWS = 5_000
_PAGE_ROWS_OF_MANY = 500
_IN_FLIGHT = 16  # reads at a time, where many of one kind are asked
_CONDITIONAL_TRIES = 8
_OTHER_NODES = 2  # that are asked what one did not live to answer, or not in time
_KEYSPACE = "pcapline."  # how statements spell the keyspace


class Connection:
    """A session in one keyspace. Statements name tables as `pcapline.TABLE`, whatever the keyspace is called."""

    def __init__(self, cluster: Any, session: Any, keyspace: str, where: str, options: CassandraOptions) -> None:
        self.cluster, self.session, self.keyspace, self.where, self.options = cluster, session, keyspace, where, options
        self.spelt_keyspace = protect_name(keyspace)  # in quotes, where CQL has the word for itself: `full`
        self.window = Window(options.max_in_flight)
        self.mixes_partitions = True  # small ones, in one request: until a node refuses one
        self.refusals: Counter[Refusal] = Counter()  # requests that were not acknowledged, as often as they were tried
        self._prepared: dict[str, Any] = {}
        self._owed: deque[Callable[[], object]] = deque()
        self._settling = threading.Lock()
        self._preparing = threading.Lock()
        self._counting = threading.Lock()  # another one: who prepares may be refused

    def spelt(self, statement: str) -> str:
        """A statement with the keyspace's real name: as it is run, and as a person can type it."""
        return statement.replace(_KEYSPACE, f"{self.spelt_keyspace}.")

    def prepared(self, statement: str) -> Any:
        """The statement, prepared once."""
        with self._preparing:
            found = self._prepared.get(statement)
            if found is None:
                prepared = self._asked(lambda: self.session.prepare(self.spelt(statement)))
                found = self._prepared[statement] = with_port_types(prepared)
        return found

    def bound(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """A prepared statement with its values, as they cross the port."""
        bound = self.prepared(statement).bind(values)
        bound.is_idempotent = True
        return bound

    def read(self, statement: str, values: Sequence[Any] = (), *, serial: bool = False) -> list[Row]:
        """All rows; `serial`: after every conditional write that was ever acknowledged."""
        bound = self.bound(statement, values)
        if serial:
            bound.consistency_level = ConsistencyLevel.SERIAL
        return self._asked(lambda: list(self.session.execute(bound)))

    def read_at(self, host: Any, statement: str) -> list[Row]:
        """All rows, by this node's word and no other's; asked once. `host` is the driver's."""
        bound = self.bound(statement)
        bound.consistency_level = ConsistencyLevel.ONE
        with explained(self.where):
            return list(self.session.execute(bound, host=host))

    def stream(
        self, statement: str, values: Sequence[Any] = (), *, quorum: bool = False, page_rows: int = _PAGE_ROWS
    ) -> Iterator[Row]:
        """Rows, one page in memory at a time; `quorum`: whatever is configured. There is none at SERIAL: that would be a round
        of Paxos a page. Who has read the partition's guard so finds all that it counts on a quorum."""
        bound = self.bound(statement, values)
        bound.fetch_size = page_rows
        if quorum:
            bound.consistency_level = ConsistencyLevel.QUORUM
        first = self._asked(lambda: self.session.execute(bound))
        with explained(self.where):
            yield from first

    def run(self, text: str) -> Iterator[Row]:
        """A statement in full, as a person would type it."""
        with explained(self.where):
            yield from self.session.execute(SimpleStatement(text, fetch_size=_PAGE_ROWS))

    def begun(self, statement: str, values: Sequence[Any] = (), *, quorum: bool = False) -> Callable[[], list[Row]]:
        """A read, or a write that may be repeated, that is under way beside others; what is given waits for its rows."""
        bound = self.bound(statement, values)
        if quorum:
            bound.consistency_level = ConsistencyLevel.QUORUM
        return self.begun_batch(bound)

    def begun_batch(self, statement: Any) -> Callable[[], list[Row]]:
        """The same for a batch in one partition, or a statement that is bound."""
        future = self._begun(statement)
        return lambda: self._result(statement, future, list)

    def begun_once(self, statement: Any) -> Callable[[], None]:
        """A bound write under way that need not be made, and that another one makes up for; what is given waits for it. Nothing
        repeats it: by then it might meet what came since."""
        future = self._begun(statement)

        def waited() -> None:
            with suppress(StoreError), explained(self.where):
                try:
                    future.result()
                except Exception as error:
                    self.refused(error)
                    raise

        return waited

    def write(self, statement: str, values: Sequence[Any] = (), *, quorum: bool = False) -> None:
        """An unconditional write that may be repeated; `quorum`: whatever is configured."""
        bound = self.bound(statement, values)
        if quorum:
            bound.consistency_level = ConsistencyLevel.QUORUM
        self.write_batch(bound)

    def write_batch(self, statement: Any) -> None:
        """The same for a batch in one partition, or a statement that is bound."""
        self._asked(lambda: self.session.execute(statement))

    def _asked(self, ask: Callable[[], _Answer]) -> _Answer:
        """An answer, of another node where one is lost while it is asked: what has several goes on. Nothing is asked here that
        may not be asked twice."""
        with explained(self.where):
            for others in reversed(range(_OTHER_NODES + 1)):
                try:
                    return ask()
                except Exception as error:
                    self.refused(error)
                    if not others or not isinstance(error, ANOTHER_MAY_ANSWER):
                        raise
        raise AssertionError("unreachable")

    def streams(self, statement: str, many: Iterable[Sequence[Any]]) -> Iterator[Iterator[Row]]:
        """The rows of the same statement for many values, in their order: of some the first page is in memory, of the one that
        is looked through one page at a time."""
        waiting: deque[tuple[Any, Any]] = deque()
        for values in many:
            bound = self.bound(statement, values)
            bound.fetch_size = _PAGE_ROWS_OF_MANY
            waiting.append((bound, self._begun(bound)))
            if len(waiting) >= _IN_FLIGHT:
                yield self._pages(self._result(*waiting.popleft(), iter))
        while waiting:
            yield self._pages(self._result(*waiting.popleft(), iter))

    def _pages(self, result: Any) -> Iterator[Row]:
        """One iteration over a result: each that is begun anew would go back to the beginning of its page."""
        with explained(self.where):
            yield from result

    def each(self, statement: str, many: Iterable[Sequence[Any]], *, quorum: bool = False) -> Iterator[list[Row]]:
        """The rows of the same statement for many values, in their order, some at a time: the first are under way at once,
        each other when one was taken; `quorum`: whatever is configured."""
        remaining = (self.begun(statement, values, quorum=quorum) for values in many)
        return self._taken(deque(islice(remaining, _IN_FLIGHT)), remaining)

    def _taken(
        self, under_way: deque[Callable[[], list[Row]]], remaining: Iterator[Callable[[], list[Row]]]
    ) -> Iterator[list[Row]]:
        while under_way:
            rows = under_way.popleft()()
            under_way.extend(islice(remaining, 1))
            yield rows

    def _begun(self, bound: Any) -> Any:
        with explained(self.where):
            return self.session.execute_async(bound)

    def _result(self, bound: Any, begun: Any, rows: Callable[[Any], _Answer]) -> _Answer:
        """Rows of what was begun; asked anew, of another node, where that one is lost."""
        futures = chain([begun], map(self.session.execute_async, repeat(bound)))
        return self._asked(lambda: rows(next(futures).result()))

    def conditionally(self, statement: Any, won: Callable[[], bool]) -> bool:
        """Run a conditional statement until it is known whether it holds.

        `won` reads (SERIAL) whether it does: asked when the answer was lost, or when a repetition was refused.
        """
        return self._until_known(map(self.session.execute_async, repeat(statement)), won)

    def begun_conditionally(self, statement: Any, won: Callable[[], bool]) -> Callable[[], bool]:
        """The same under way beside others; what is given waits until it is known."""
        futures = chain([self._begun(statement)], map(self.session.execute_async, repeat(statement)))
        return lambda: self._until_known(futures, won)

    def _until_known(self, futures: Iterator[Any], won: Callable[[], bool]) -> bool:
        for attempt in range(_CONDITIONAL_TRIES):
            try:
                applied = bool(next(futures).result().was_applied)
            except Exception as error:
                if self.refused(error) is Refusal.POISON or attempt == _CONDITIONAL_TRIES - 1:
                    raise meaning(error, self.where) from error
                time.sleep(backoff_s(attempt))
            else:
                return applied or won()
        raise AssertionError("unreachable")

    def owe(self, finish: Callable[[], object]) -> None:
        """Leave what is under way to `settle`: nothing that counts waits for it."""
        self._owed.append(finish)

    def settle(self) -> None:
        """Wait for all that is owed, so that whoever reads next finds it; who asks beside another waits for the same."""
        with self._settling:
            while self._owed:
                self._owed.popleft()()

    def refused(self, error: Exception) -> Refusal:
        """Count a request that was not acknowledged; says what became of it."""
        refusal = refusal_of(error)
        with self._counting:
            self.refusals[refusal] += 1
        return refusal

    def close(self) -> None:
        """Let the cluster go."""
        self.cluster.shutdown()


def backoff_s(attempt: int) -> float:
    """How long to wait before the next try, with jitter so that many clients do not come back at once."""
    return min(10.0, 0.05 * 2.0 ** min(attempt, 8)) * random.uniform(0.5, 1.5)


def connect(contact_points: Sequence[str], port: int, keyspace: str, options: CassandraOptions) -> Connection:
    """Connect within `options.connect_timeout_s`: a half-up node may hold the driver far longer."""
    where = f"cassandra://{','.join(contact_points)}:{port}/{keyspace}"
    with explained(where):
        cluster = cluster_of(contact_points, port, options)
    outcome: list[Any] = []

    def attempt() -> None:
        try:
            outcome.append(cluster.connect())
        except Exception as error:  # handed to the caller's thread
            outcome.append(error)

    thread = threading.Thread(target=attempt, name="cassandra-connect", daemon=True)
    thread.start()
    thread.join(options.connect_timeout_s)
    if not outcome:
        threading.Thread(target=cluster.shutdown, daemon=True).start()
        raise StoreUnavailableError(f"{where} did not answer within {options.connect_timeout_s:g} s: is the node up?")
    session = outcome[0]
    if isinstance(session, Exception):
        cluster.shutdown()
        raise meaning(session, where) from session
    session.client_protocol_handler = PortProtocol
    return Connection(cluster, session, keyspace, where, options)


def cluster_of(contact_points: Sequence[str], port: int, options: CassandraOptions) -> Any:
    """The cluster as the options have it; nobody is asked yet. Raises SettingsError, PermissionDeniedError."""
    consistency = ConsistencyLevel.name_to_value.get(options.consistency)
    if consistency is None:
        raise SettingsError(f"store.consistency: {options.consistency!r} is none; take LOCAL_QUORUM, QUORUM, LOCAL_ONE or ONE")
    profile = ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy(options.local_dc)),
        retry_policy=FallthroughRetryPolicy(),
        consistency_level=consistency,
        serial_consistency_level=ConsistencyLevel.SERIAL,
        request_timeout=options.request_timeout_s,
        row_factory=tuple_factory,
    )
    return Cluster(
        list(contact_points),
        port=port,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        protocol_version=5,
        # the driver gives a node that is busy 5 and 2 s for what a connection begins with
        connect_timeout=options.connect_timeout_s,
        control_connection_timeout=options.connect_timeout_s,
        compression=not all(map(_is_loopback, contact_points)),
        # without it a request of some kilobytes can wait 40 ms for an acknowledgement
        sockopts=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        reconnection_policy=ConstantReconnectionPolicy(0.5, max_attempts=None),
        auth_provider=_credentials(options),
        ssl_context=ssl.create_default_context(cafile=str(options.ca_file)) if options.ca_file else None,
    )


def _credentials(options: CassandraOptions) -> Any:
    if not options.username:
        return None
    if options.password_file is None:
        raise SettingsError("store.username is set and store.password_file is not: name the file that holds the password")
    try:
        password = options.password_file.read_text().rstrip("\n")
    except OSError as error:
        raise PermissionDeniedError(f"store.password_file: {error}") from error
    return PlainTextAuthProvider(options.username, password)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
