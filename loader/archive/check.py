"""The ledger against the archive: each archived file's content is committed, and each file that was put there is there.

A step looks at all names, and reads as many bytes of files as it may, by turns; what was wrong is read before its turn where it
has changed since. Writes nothing.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from loader.archive.finding import committed_as, holds_no_packet, identity_of
from loader.archive.kept import kept_in
from loader.archive.places import entries_of, sensor_folders
from loader.commit.inputs import loaded_part
from loader.reading.capture import first_part_matches
from loader.spool.files import Stamp
from schema.store.reading import StoreReader

MAX_NAMED = 100
_MOST_WRONG = 10_000  # that are known at a time: with more the count is too low until some are put right
_Key = tuple[str, str]  # sensor, file name


class ArchiveFault(Enum):
    """What is wrong with a file of the archive."""

    MISSING = "missing"  # it was put there, nobody let it go, and it is gone
    OTHER = "other content"  # than the capture that it was put there as
    UNCOMMITTED = "not committed"  # the ledger does not have its content
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongFile:
    """One file."""

    sensor: str
    name: str
    fault: ArchiveFault
    capture_id: bytes = b""  # it was put there as; empty: nobody noted


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveVerdict:
    """What is known after a step."""

    at: float  # Unix s
    there: int  # files in the archive
    missing: int  # files that should be there
    read: int  # files whose content this step read
    covered: int  # of them all, those read in this round; all once one is over
    since: float  # when the last whole round began, Unix s; 0: none is over yet
    wrong: tuple[WrongFile, ...] = ()  # the first of them
    wrong_count: int = 0


@dataclass(slots=True)
class _Allowance:
    """Bytes that a step may still read; None: all."""

    left: int | None
    stop: Callable[[], bool]

    def is_spent(self) -> bool:
        return self.stop() or (self.left is not None and self.left <= 0)

    def spend(self, size: int) -> None:
        if self.left is not None:
            self.left -= size


@dataclass(slots=True, kw_only=True)
class ArchiveCheck:
    """Goes round an archive. `begin`: where the first round begins, as a share of its files, so that restarts do not keep it
    at the beginning."""

    archive: Path
    store: StoreReader
    clock: Callable[[], float]
    begin: float = 0.0
    _place: _Key | None = field(default=None, init=False)  # the file read last
    _round: int = field(default=0, init=False)  # files read in this round
    _round_began: float = field(default=0.0, init=False)
    _since: float = field(default=0.0, init=False)
    _wrong: dict[_Key, tuple[Stamp, WrongFile]] = field(default_factory=dict, init=False)

    def step(self, most_bytes: int | None, stop: Callable[[], bool] = lambda: False) -> ArchiveVerdict:
        """Look at all names, and at the content of the next files until so many bytes were read (None: of all).

        Raises `OSError` where the archive cannot be listed, `StoreError` where the ledger cannot be read.
        """
        kept: dict[_Key, bytes] = {}
        there: list[_Key] = []
        for folder in sensor_folders(self.archive):
            kept.update(((folder.name, name), capture_id) for name, capture_id in kept_in(folder).items())
            there += sorted((folder.name, entry.name) for entry in entries_of(folder))
        present, allowed = set(there), _Allowance(most_bytes, stop)
        self._wrong = {key: wrong for key, wrong in self._wrong.items() if key in present}
        read = self._read_changed(kept, allowed)
        read += self._read_on(there, kept, allowed) if there else 0
        missing = [_wrong(key, ArchiveFault.MISSING, kept[key]) for key in self._missing(kept.keys() - present)]
        wrong = [*missing, *(wrong for _, wrong in self._wrong.values())]
        return ArchiveVerdict(
            at=self.clock(),
            there=len(there),
            missing=len(missing),
            read=read,
            covered=len(there) if self._since or not there else min(self._round, len(there)),
            since=self._since,
            wrong=tuple(wrong[:MAX_NAMED]),
            wrong_count=len(wrong),
        )

    def _missing(self, absent: set[_Key]) -> list[_Key]:
        """Of what was in the books and not in the folders, that for which this still holds: neither was read at one moment."""
        books = {sensor: kept_in(self.archive / sensor) for sensor in {sensor for sensor, _ in absent}}
        return sorted(key for key in absent if not self.archive.joinpath(*key).exists() and key[1] in books[key[0]])

    def _read_changed(self, kept: dict[_Key, bytes], allowed: _Allowance) -> int:
        """Read what was wrong and is another file, or has other bytes, since; returns how many."""
        read = 0
        for key, (stamp, _) in list(self._wrong.items()):
            if allowed.is_spent():
                break
            if _stamp(self.archive.joinpath(*key)) != stamp:
                allowed.spend(self._look(key, kept))
                read += 1
        return read

    def _read_on(self, there: list[_Key], kept: dict[_Key, bytes], allowed: _Allowance) -> int:
        first = int(self.begin * len(there)) if self._place is None else bisect_right(there, self._place)
        read = 0
        for key in (*there[first:], *there[:first]):
            if allowed.is_spent():
                break
            if self._round == 0:
                self._round_began = self.clock()
            allowed.spend(self._look(key, kept))
            self._place, read, self._round = key, read + 1, self._round + 1
            if self._round >= len(there):
                self._since, self._round = self._round_began, 0
        return read

    def _look(self, key: _Key, kept: dict[_Key, bytes]) -> int:
        """Read one file and judge it; returns its size."""
        path = self.archive.joinpath(*key)
        stamp = _stamp(path)
        self._wrong.pop(key, None)
        if stamp is None:  # let go since
            return 0
        fault = self._fault(path, kept.get(key, b""))
        if fault is not None and len(self._wrong) < _MOST_WRONG and path.exists():
            self._wrong[key] = stamp, _wrong(key, fault, kept.get(key, b""))
        return stamp.size

    def _fault(self, path: Path, noted: bytes) -> ArchiveFault | None:
        identity = identity_of(path)
        if identity is None:
            return ArchiveFault.UNREADABLE
        committed = committed_as(self.store, identity)
        if committed is None:
            if noted:
                return None if self._begins_with(path, noted) else ArchiveFault.OTHER
            return None if holds_no_packet(path) else ArchiveFault.UNCOMMITTED
        return ArchiveFault.OTHER if noted and committed != noted else None

    def _begins_with(self, path: Path, capture_id: bytes) -> bool:
        """Whether a file begins with the capture: it grew by less than a packet since."""
        record = self.store.capture(capture_id)
        if record is None or not self.store.stands(capture_id):
            return False
        return first_part_matches(path, loaded_part(record))


def _stamp(path: Path) -> Stamp | None:
    """None for a file that is gone."""
    try:
        return Stamp.of(path.stat())
    except OSError:
        return None


def _wrong(key: _Key, fault: ArchiveFault, capture_id: bytes) -> WrongFile:
    return WrongFile(sensor=key[0], name=key[1], fault=fault, capture_id=capture_id)
