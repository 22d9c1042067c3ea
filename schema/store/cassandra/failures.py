"""What the driver's errors mean to the person who reads them, and to a request: whether it is worth another try."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

from cassandra import (
    AlreadyExists,
    AuthenticationFailed,
    DriverException,
    InvalidRequest,
    OperationTimedOut,
    ReadFailure,
    ReadTimeout,
    Unauthorized,
    Unavailable,
    UnresolvableContactPoints,
    WriteFailure,
    WriteTimeout,
)
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionException
from cassandra.protocol import ErrorMessage, IsBootstrappingErrorMessage, OverloadedErrorMessage, ServerError

from schema.errors import PcaplineError, SchemaMismatchError, StoreError, StorePermissionError, StoreUnavailableError


class Refusal(Enum):
    """What became of a request that was not acknowledged."""

    FAILED = "failed"  # nothing of it was done: the same may succeed later
    UNKNOWN = "unknown"  # it may have been done: nobody can say
    FULL = "full"  # disks are: nothing was done, and nothing will be until there is room
    POISON = "poison"  # the same will be refused for ever


_FAILED = (Unavailable, NoHostAvailable, OverloadedErrorMessage, IsBootstrappingErrorMessage)
_UNKNOWN = (OperationTimedOut, ReadTimeout, ReadFailure, WriteTimeout, WriteFailure, ConnectionException, ServerError)
# The node that was asked is lost, or one that it asked: the same may be answered by others at once.
ANOTHER_MAY_ANSWER = (ConnectionException, ReadTimeout, WriteTimeout)
_MISSING = ("does not exist", "unconfigured table", "unknown identifier", "undefined column")
_FULL = "disk usage exceeds"  # a guardrail: the same code as a malformed request, and yet it passes
_TOO_LARGE = "exceeds allowed maximum"  # half of a node's commit log segment, where nothing else is set


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn what the driver raises about the cluster `where` into the port's errors."""
    try:
        yield
    except (DriverException, ErrorMessage, NoHostAvailable, ConnectionException, UnresolvableContactPoints) as error:
        raise meaning(error, where) from error


def refusal_of(error: Exception) -> Refusal:
    """What became of the request that it answers. As every write may be repeated, all but a poisoned one are."""
    error = _told(error)
    if isinstance(error, InvalidRequest) and _FULL in str(error):
        return Refusal.FULL
    if isinstance(error, _UNKNOWN):
        return Refusal.UNKNOWN
    return Refusal.FAILED if isinstance(error, _FAILED) else Refusal.POISON


def is_invalid(error: Exception) -> bool:
    """Whether a node refused the request for what it is, or for how much it is."""
    return isinstance(_told(error), InvalidRequest)


def meaning(error: Exception, where: str) -> PcaplineError:
    """The port's error for one of the driver's."""
    error = _told(error)
    text = str(error)
    if isinstance(error, (Unauthorized, AuthenticationFailed)):
        return StorePermissionError(f"{where} refuses this user ({text}): check store.username and store.password_file")
    if isinstance(error, InvalidRequest) and _FULL in text:
        return StoreUnavailableError(f"the disks of {where} are full: add space, then try again")
    if isinstance(error, InvalidRequest) and _TOO_LARGE in text:
        return StoreError(f"{where} takes no message of this size ({text}): set commitlog_segment_size of its nodes to 32MiB")
    if isinstance(error, (InvalidRequest, AlreadyExists)) and any(words in text.lower() for words in _MISSING):
        return SchemaMismatchError(f"{where} lacks the schema; run: pcapline schema apply --store {where}")
    if isinstance(error, UnresolvableContactPoints):
        return StoreUnavailableError(f"the host names of {where} are unknown: check the store's address")
    if refusal_of(error) is not Refusal.POISON:
        return StoreUnavailableError(f"{where} does not answer ({_short(error)}): is the node up?")
    return StoreError(f"{where} refuses a statement: {text}")


def _told(error: Exception) -> Exception:
    """Why a host that was reached would not have us, where that is what happened; else the error itself."""
    if not isinstance(error, NoHostAvailable):
        return error
    causes = error.errors.values() if isinstance(error.errors, dict) else error.errors
    told: list[Exception] = [
        cause for cause in causes if isinstance(cause, (Unauthorized, AuthenticationFailed, InvalidRequest))
    ]
    return told[0] if told else error


def _short(error: Exception) -> str:
    if isinstance(error, NoHostAvailable):
        causes = error.errors.values() if isinstance(error.errors, dict) else error.errors
        return "; ".join(sorted({_short(cause) for cause in causes})) or "every host is down"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)  # the driver puts its whole list of addresses into the text
    return " ".join(str(error).split()) or type(error).__name__
