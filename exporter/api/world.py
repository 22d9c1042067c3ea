"""What an answer is made from: the exporter's last snapshot, a reader of the store for as long as it is needed, and what other
rooms know."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from exporter.api.problems import STORE_AWAY, ProblemError
from exporter.snapshot import NetworkMoment, Snapshot
from schema.objects import Object
from schema.store.reading import StoreReader

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
    scanned: Callable[[], AbstractContextManager[StoreReader]]  # the same, for whoever reads all of a table: one at a time
    helpers: Helpers

    def followed(self) -> Mapping[str, NetworkMoment]:
        """The networks, as far as their ledgers were followed; raises a problem before they were for the first time."""
        now = self.snapshot
        if not now.networks and now.not_ready is not None:
            raise ProblemError(STORE_AWAY, now.not_ready, "ask again when /health says that it is ready")
        return now.networks
