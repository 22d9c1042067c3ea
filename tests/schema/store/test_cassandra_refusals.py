"""What becomes of a request that was not acknowledged, and what the window learns from it."""

import pytest
from cassandra import (
    AuthenticationFailed,
    InvalidRequest,
    OperationTimedOut,
    Unauthorized,
    Unavailable,
    WriteFailure,
    WriteTimeout,
    WriteType,
)
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionShutdown
from cassandra.protocol import IsBootstrappingErrorMessage, OverloadedErrorMessage, ServerError, SyntaxException

from schema.errors import StoreError, StorePermissionError, StoreUnavailableError
from schema.store.cassandra.failures import Refusal, meaning, refusal_of
from schema.store.cassandra.window import Window

_FULL = "Write request failed because disk usage exceeds failure threshold in one or more replicas"
_POISON = "Expected 8 or 0 byte long (3)"


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        (OverloadedErrorMessage(0x1001, "busy", None), Refusal.FAILED),
        (IsBootstrappingErrorMessage(0x1002, "starting", None), Refusal.FAILED),
        (Unavailable("too few", consistency=1, required_replicas=2, alive_replicas=1), Refusal.FAILED),
        (NoHostAvailable("none", {}), Refusal.FAILED),
        (NoHostAvailable("none", {"node": ConnectionShutdown("marked down")}), Refusal.FAILED),
        (WriteTimeout("late", write_type=WriteType.SIMPLE), Refusal.UNKNOWN),
        (WriteFailure("some", write_type=WriteType.SIMPLE), Refusal.UNKNOWN),
        (OperationTimedOut(), Refusal.UNKNOWN),
        (ConnectionShutdown("in the middle"), Refusal.UNKNOWN),
        (ServerError(0, "java.lang.NullPointerException", None), Refusal.UNKNOWN),
        (InvalidRequest(_FULL), Refusal.FULL),
        (NoHostAvailable("none", {"node": InvalidRequest(_FULL)}), Refusal.FULL),
        (InvalidRequest(_POISON), Refusal.POISON),
        (SyntaxException(0x2000, "no viable alternative", None), Refusal.POISON),
        (Unauthorized("no MODIFY"), Refusal.POISON),
        (NoHostAvailable("none", {"node": AuthenticationFailed("wrong password")}), Refusal.POISON),
        (KeyError("a fault of ours"), Refusal.POISON),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.value,
)
def test_what_became_of_a_request(error: Exception, refusal: Refusal) -> None:
    assert refusal_of(error) is refusal


def test_full_disks_are_waited_for_and_a_poisoned_row_is_not() -> None:
    full, poison, denied = (
        meaning(error, "here") for error in (InvalidRequest(_FULL), InvalidRequest(_POISON), Unauthorized(""))
    )
    assert isinstance(full, StoreUnavailableError)
    assert "add space" in str(full)
    assert type(poison) is StoreError
    assert isinstance(denied, StorePermissionError)


def test_window_doubles_until_something_fails() -> None:
    window = Window(most=64)
    for _ in range(4):
        window.next_number()
        window.answered()
    assert window.size == 8
    window.failed(window.next_number())
    assert window.size == 4
    for _ in range(4):
        window.answered()
    assert 4.8 < window.size < 5


def test_window_has_bounds() -> None:
    window = Window(most=10)
    for _ in range(100):
        window.answered()
    assert window.size == 10
    for _ in range(100):
        window.failed(window.next_number())
    assert window.size == 1


def test_a_burst_of_failures_halves_the_window_once() -> None:
    window = Window(most=64)
    burst = [window.next_number() for _ in range(60)]
    for _ in burst:
        window.answered()
    for number in burst:
        window.failed(number)
    assert window.size == 32
    window.failed(window.next_number())
    assert window.size == 16
