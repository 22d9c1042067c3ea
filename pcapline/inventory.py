"""The operator's inventory file, looked at before anything depends on it."""

from pathlib import Path

from loader.commit.inventoryfile import InventoryFile
from loader.settings import LoaderSettings
from schema.settings import Settings


def inventory_faults(settings: Settings) -> list[str]:
    """What is wrong with the file, a line a fault and the consequence last; nothing where none is set, or all is well."""
    faults: list[str] = []
    if path := settings.of(LoaderSettings).inventory:
        InventoryFile(Path(path), faults.append).current()
    return faults
