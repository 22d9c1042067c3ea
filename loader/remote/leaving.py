"""What becomes of an object whose capture is loaded for good, or quarantined."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from loader.remote.addresses import ObjectsAddress
from loader.remote.objects import Bucket
from loader.remote.port import Fate, ObjectVersion, Reference, Settled, SourceAwayError
from schema.errors import PcaplineError

ARCHIVE, QUARANTINE = "archive", "quarantine"


class StuckError(PcaplineError):
    """The bucket answers, and does not let one object go."""


@dataclass(frozen=True, slots=True)
class Root:
    """A prefix that captures may be below, and the bucket it is in."""

    address: ObjectsAddress
    bucket: Bucket

    def archived(self, reference: Reference) -> str:
        """The key under which an object is archived."""
        return self.address.place(ARCHIVE, reference.key)


@dataclass(frozen=True, slots=True)
class Leaving:
    """Moves or deletes objects, once their references are settled."""

    roots: Mapping[str, Root]  # by URL
    after: str  # archive | delete | keep
    tell: Callable[[str], None]

    def dispose(self, settled: Settled) -> None:
        """Take an object away, if it still is the one that was fetched. Raises `SourceAwayError`,
        `StuckError`."""
        reference = settled.reference
        if self.after == "keep" or settled.fate is Fate.REFUSED:
            return
        root = self.roots[reference.root]
        now = root.bucket.look(reference.key)
        if now is None:  # another loader was here
            return
        if settled.version is None or not now.is_same(settled.version):
            self.tell(f"{reference.told} was replaced after it was fetched, and stays")
            return
        try:
            self._take_away(root, settled, now)
        except SourceAwayError as error:
            raise StuckError(str(error)) from error

    def _take_away(self, root: Root, settled: Settled, version: ObjectVersion) -> None:
        reference = settled.reference
        try:
            if settled.fate is Fate.QUARANTINED:
                root.bucket.move(reference.key, root.address.place(QUARANTINE, reference.key))
            elif self.after == "delete":
                root.bucket.delete(reference.key)
            else:
                root.bucket.move(reference.key, _free_place(root, reference, version))
        except FileNotFoundError:
            return


def _free_place(root: Root, reference: Reference, version: ObjectVersion) -> str:
    """Where an object is archived: behind the name's own place where another object has that."""
    place = root.archived(reference)
    there = root.bucket.look(place)
    if there is None or there.etag == version.etag:
        return place
    return f"{place}.{version.modified.timestamp():.0f}-{version.size}"
