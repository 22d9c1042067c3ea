"""The names of one sensor while a loader holds its lease: what its earlier captures learned, and the operator's inventory."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from loader.commit.inventoryfile import InventoryFile
from loader.commit.late import LateAnswers
from loader.naming.cache import NameCache
from loader.naming.choice import NamingRules
from loader.naming.facttable import FactTable
from loader.naming.learned import LearnedNames
from loader.naming.listed import NO_INVENTORY, Inventory
from loader.naming.names import CaptureNames, StoredNames
from loader.settings import LoaderSettings
from schema.bucketpolicy import BucketPolicy
from schema.sharedroom import SharedRoom
from schema.store.reading import NamesTold, StoreReader
from schema.store.writing import SensorLease

_NS = 1_000_000_000


def rules_of(settings: LoaderSettings) -> NamingRules:
    """How long facts count."""
    return NamingRules(grace_ns=settings.name_grace_s * _NS, late_ns=settings.name_late_s * _NS)


def inventory_of(settings: LoaderSettings, warn: Callable[[str], None]) -> Callable[[], Inventory]:
    """Reads the operator's inventory as it is now; `warn` is told what is wrong with its file."""
    return InventoryFile(Path(settings.inventory), warn).current if settings.inventory else no_inventory


def no_inventory() -> Inventory:
    """Where none is configured."""
    return NO_INVENTORY


def stored_names(told: NamesTold, policy: BucketPolicy, cache: NameCache, most_asked: int) -> StoredNames:
    """What earlier captures learned, in the partitions that `policy` says."""
    return StoredNames(
        cache=cache,
        tell=told.names_told,
        tell_at=partial(told.names_told_at, policy=policy),
        tell_of=partial(told.names_told_of, policy=policy),
        is_shared=policy.is_shared,
        most_asked=most_asked,
    )


class SensorNames:
    """Gives each capture what names its flows."""

    def __init__(
        self,
        lease: SensorLease,
        settings: LoaderSettings,
        inventory: Callable[[], Inventory],
        room: SharedRoom,
        *,
        carries: bool,
    ) -> None:
        """`inventory`: reads it as it is now; `room`: for what is remembered, of all sensors of the process; `carries`: whether
        names go from capture to capture."""
        self._lease, self._settings, self._read_inventory, self._carries = lease, settings, inventory, carries
        self.rules = rules_of(settings)
        self._cache = NameCache(settings.max_name_entries, self.rules, room)
        self._evictions_told = 0
        self.inventory = NO_INVENTORY

    def for_capture(self, began_ns: int | None, policy: BucketPolicy) -> CaptureNames:
        """For the flows of the next capture, which begins then (Unix ns); the inventory is as now, to the capture's end."""
        if began_ns is not None:
            self._cache.begin(began_ns)
        self.inventory = self._read_inventory()
        learned = LearnedNames(self._settings.max_name_entries, self.rules)
        return CaptureNames(learned, self.rules, self.stored(policy) if self._carries else None, self.inventory)

    def stored(self, policy: BucketPolicy) -> StoredNames:
        """What earlier captures learned, as of the ledger version that the lease stands at."""
        return stored_names(self._lease, policy, self._cache, self._settings.max_others_asked)

    def late_answers(
        self, store: StoreReader, learned: LearnedNames, policy: BucketPolicy, on_page: Callable[[], None]
    ) -> LateAnswers:
        """What a capture out of order may name."""
        return LateAnswers(
            store=store,
            sensor=self._lease.sensor,
            seq=self._lease.head.position.seq,
            learned=learned,
            stored=self.stored(policy),
            rules=self.rules,
            repair_ns=self._settings.name_repair_s * _NS,
            on_page=on_page,
        )

    def let_go(self, names: CaptureNames) -> FactTable:
        """No flow of the capture is named any more: returns what `committed` needs, the rest makes room for the writing."""
        learned = names.let_go()
        return learned if self._carries else FactTable(self.rules)

    def committed(self, learned: FactTable) -> None:
        """What a capture learned is in the store."""
        self._cache.commit(learned)

    def clear(self) -> None:
        """The ledger stands elsewhere than was thought."""
        self._cache.clear()

    def evictions(self) -> int:
        """Facts dropped from memory since the last call."""
        told, self._evictions_told = self._evictions_told, self._cache.evicted
        return self._cache.evicted - told
