"""One object into one file: gone on with where it broke off, and never a mixture of two states of the object."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loader.remote.leaving import Root
from loader.remote.port import ObjectVersion, Reference, RefusedError, SourceAwayError


@dataclass(slots=True)
class Download:
    """What is known of an object while it is fetched; `run` again goes on."""

    reference: Reference
    part: Path
    version: ObjectVersion | None = field(default=None, init=False)
    done: int = field(default=0, init=False)  # bytes

    def run(self, roots: Mapping[str, Root], goes_on: Callable[[int], bool]) -> bool:
        """Fetch all that is missing and sync it; False where `goes_on` (called with the bytes that came) said to stop.

        Raises `RefusedError` (`missing`, `changed`), `SourceAwayError`, and `OSError` for what is wrong here.
        """
        chunks = self._begin(roots[self.reference.root])
        assert self.version is not None
        version = self.version
        with self.part.open("r+b" if self.done else "wb") as file:
            file.seek(self.done)
            for chunk in chunks:
                file.write(chunk)
                self.done += len(chunk)
                if self.done > version.size:
                    raise RefusedError("changed", f"{self.reference.told} is longer than it said")
                if not goes_on(len(chunk)):
                    return False
            file.flush()
            os.fsync(file.fileno())
        if self.done != version.size:
            raise RefusedError("changed", f"{self.reference.told} ended after {self.done} of {version.size} bytes")
        return True

    def _begin(self, root: Root) -> Iterator[bytes]:
        """Also from the archive: an earlier owner of the reference may have died between the object's move and the rest."""
        if self.version is not None and self.done == self.version.size:
            return iter(())
        try:
            version, chunks = root.bucket.read(self.reference.key, self.done)
            self._refuse_other(version)
        except FileNotFoundError:
            try:
                version, chunks = root.bucket.read(root.archived(self.reference), self.done)
            except FileNotFoundError:
                raise RefusedError("missing", f"{self.reference.told} is not there") from None
            self._refuse_other_size(version)
        self.version = version
        return chunks

    def _refuse_other(self, version: ObjectVersion) -> None:
        """Raises `RefusedError` where the object is not the one that was begun, listed or promised."""
        before = self.version or self.reference.version
        other = before is not None and not before.is_same(version)
        if other and self.reference.version is None and self.reference.etag is None:  # whichever it is, it is meant
            self.version, self.done = None, 0
            raise SourceAwayError("it was replaced while it was fetched")
        if other or self.reference.etag not in (None, version.etag):
            raise RefusedError("changed", f"{self.reference.told} is not what it was")
        self._refuse_other_size(version)

    def _refuse_other_size(self, version: ObjectVersion) -> None:
        """The copy in the archive has a time of its own, and may have another tag."""
        if self.reference.size not in (None, version.size) or (self.version is not None and self.version.size != version.size):
            raise RefusedError("changed", f"{self.reference.told} is not as long as it was")
