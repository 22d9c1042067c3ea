"""What the operator calls addresses: the inventory, as naming needs it."""

from typing import Protocol


class Inventory(Protocol):
    """Names by address, as one file had them at one time."""

    @property
    def digest(self) -> str:
        """Hash of its content, hexadecimal; empty where there is none."""

    def name_of(self, address: bytes) -> str | None:
        """What it calls an address (4 or 16 bytes)."""


class _NoInventory:
    digest = ""

    def name_of(self, _address: bytes) -> str | None:
        return None


NO_INVENTORY: Inventory = _NoInventory()
