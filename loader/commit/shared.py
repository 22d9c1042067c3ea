"""What all sensors that one process loads have between them."""

from collections.abc import Callable
from dataclasses import dataclass

from loader.commit.sensornames import inventory_of
from loader.naming.listed import Inventory
from loader.rows.partitions import Partitions
from loader.settings import LoaderSettings
from schema.sharedroom import SharedRoom
from schema.store.writing import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """Used by the one thread that loads."""

    inventory: Callable[[], Inventory]  # reads it as it is now
    partitions: Partitions
    names: SharedRoom  # entries that are remembered of what clients were told

    @classmethod
    def of(cls, store: Store, settings: LoaderSettings, warn: Callable[[str], None]) -> "Shared":
        """As the settings say; `warn` is told what is wrong with the inventory."""
        return cls(
            inventory=inventory_of(settings, warn),
            partitions=Partitions(store, settings.bucket),
            names=SharedRoom(settings.max_name_entries),
        )
