"""What is left under way when a commit is told: who asks next waits for it; what need not be made is made once, or never."""

from threading import Event, Thread
from typing import Any

from cassandra.connection import ConnectionShutdown

from schema.store.cassandra.connection import Connection
from schema.store.cassandra.failures import Refusal
from schema.store.cassandra.options import CassandraOptions


class Away:
    """A cluster that does not answer."""

    def __init__(self) -> None:
        self.asked = 0

    def execute_async(self, _statement: object) -> "Away":
        self.asked += 1
        return self

    def result(self) -> None:
        raise ConnectionShutdown("the node is gone")


def connection_to(session: Any = None) -> Connection:
    return Connection(None, session, "pcapline", "cassandra://127.0.0.1/pcapline", CassandraOptions())


def test_who_asks_beside_another_waits_for_the_same() -> None:
    """A thread of its own checks the archive while captures are loaded."""
    connection, begun, goes_on, told = connection_to(), Event(), Event(), []

    def mark() -> None:
        begun.set()
        assert goes_on.wait(10)
        told.append("mark")

    def ask() -> None:
        connection.settle()
        told.append("asked")

    connection.owe(mark)
    threads = [Thread(target=ask) for _ in range(2)]
    threads[0].start()
    assert begun.wait(10)
    threads[1].start()
    threads[1].join(0.2)  # it would be through by then
    goes_on.set()
    for thread in threads:
        thread.join(10)
    assert told == ["mark", "asked", "asked"]


def test_what_is_made_once_is_not_repeated_and_its_failure_is_counted_only() -> None:
    session = Away()
    connection = connection_to(session)
    connection.owe(connection.begun_once(object()))
    connection.settle()
    assert (session.asked, connection.refusals) == (1, {Refusal.UNKNOWN: 1})
