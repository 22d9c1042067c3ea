"""What an answer is made from: the exporter's last snapshot, a reader of the store for as long as it is needed, and what other
rooms know."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from exporter.snapshot import Snapshot
from schema.objects import Object
from schema.store.port import StoreReader

# Capture, frame and destination of a row -> what `pcapline explain ROW --json` says; None: there is none.
Lineage = Callable[[StoreReader, tuple[bytes, int, bytes]], Object | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Helpers:
    """What is handed in. All of them may raise `SettingsError` where something has to be installed or set up first."""

    version: str
    dns_spelling: Callable[[str], str]  # a name of any letters as DNS has it; raises ValueError for what is none
    registered_domain: Callable[[str], str | None]  # None: all of the name is a public suffix
    lineage: Lineage
    check_soon: Callable[[], None]  # check the identities as soon as nothing else is being done


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """At the time of one request."""

    snapshot: Snapshot
    store: Callable[[], AbstractContextManager[StoreReader]]
    helpers: Helpers
