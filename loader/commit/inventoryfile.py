"""The operator's inventory file, read again when it changed; one that is bad leaves the good one before it in force."""

import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

from loader.naming.inventory import MAX_BYTES, parse_inventory
from loader.naming.listed import NO_INVENTORY, Inventory

_MAX_FAULTS_TOLD = 20
_FRESH_NS = 2_000_000_000  # a file changed so lately may change again without a new time of change

Warn = Callable[[str], None]


class InventoryFile:
    """The file as of now: read again when it changed, and the good one before it kept while it is bad or gone."""

    def __init__(self, path: Path, warn: Warn) -> None:
        """`warn` is told each bad line once a version of the file: `FILE:LINE: what is wrong`."""
        self._path, self._warn = path.absolute(), warn
        self._inventory = NO_INVENTORY
        self._seen: tuple[int, ...] | None = None
        self._content = b""  # hash of what was read last

    def current(self) -> Inventory:
        """What is in force. A file that cannot be read is told once, and changes nothing."""
        try:
            stat = self._path.stat()
            seen = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            if seen != self._seen:
                with self._path.open("rb") as file:
                    self._take(file.read(MAX_BYTES + 1))
                self._seen = seen if time.time_ns() - stat.st_mtime_ns > _FRESH_NS else None
        except OSError as error:
            self._cannot_be_read(error)
        return self._inventory

    def _take(self, content: bytes) -> None:
        digest = blake2b(content, digest_size=16).digest()
        if digest == self._content:
            return
        self._content = digest
        parsed = parse_inventory(content, self._path.name)
        if isinstance(parsed, Inventory):
            self._inventory = parsed
            return
        for line, what in parsed[:_MAX_FAULTS_TOLD]:
            self._warn(f"{self._path}{f':{line}' if line else ''}: {what}")
        further = f"; {len(parsed) - _MAX_FAULTS_TOLD} further bad lines" if len(parsed) > _MAX_FAULTS_TOLD else ""
        self._warn(f"{self._path}: not taken; {self._in_force()}{further}")

    def _cannot_be_read(self, error: OSError) -> None:
        self._seen = None
        told = f"{type(error).__name__}".encode()
        if self._content != told:
            self._content = told
            self._warn(f"{self._path}: {error.strerror}; {self._in_force()}")

    def _in_force(self) -> str:
        held = len(self._inventory.names)
        return f"the {held} names of before stay in force" if held else "no inventory names anything"
