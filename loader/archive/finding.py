"""Finds the file of a capture again: in an archive, or wherever captures are kept. What is found has the capture's content."""

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from loader.commit.inputs import loaded_part
from loader.commit.prepared import CUT_SHORT, content_origin
from loader.decode.columns import DecodeOptions
from loader.reading.capture import CaptureReading, LoadedPart, file_identity, first_part_matches
from loader.spool.files import ARCHIVE, OWN_FOLDER, REASON_SUFFIX, SIDECAR_SUFFIX
from schema.errors import CaptureError
from schema.records import CaptureRecord
from schema.store.reading import StoreReader


@dataclass(slots=True)
class CaptureFiles:
    """The files below a directory. Each is read at most once for its content, those with the right name first."""

    directory: Path
    _named: dict[str, list[Path]] | None = field(default=None, init=False)
    _contents: dict[bytes, Path] = field(default_factory=dict, init=False)
    _unread: dict[Path, None] = field(default_factory=dict, init=False)

    def of(self, record: CaptureRecord) -> Path | None:
        """The file that ends with the capture, or by its name one that has grown since; None: its content is not here."""
        try:
            part = loaded_part(record)
        except ValueError:  # its inputs are damaged
            return None
        named = self._by_name().get(record.facts.file_name, ())
        for path in named:
            if self._is(path, part.prefix_id):
                return path
        for path in named:
            if _begins_with(path, part):
                return path
        while self._unread and part.prefix_id not in self._contents:
            self._read(next(iter(self._unread)))
        return self._contents.get(part.prefix_id)

    def has_named(self, record: CaptureRecord) -> bool:
        """Whether a file is here by the capture's name, whatever it holds."""
        return record.facts.file_name in self._by_name()

    def _is(self, path: Path, capture_id: bytes) -> bool:
        if path in self._unread:
            self._read(path)
        return self._contents.get(capture_id) == path

    def _read(self, path: Path) -> None:
        del self._unread[path]
        identity = identity_of(path)
        if identity is not None:
            self._contents.setdefault(identity, path)

    def _by_name(self) -> dict[str, list[Path]]:
        if self._named is None:
            self._named = defaultdict(list)
            for path in files_below(self.directory):
                self._unread[path] = None
                self._named[path.name].append(path)
                stem, _, number = path.name.rpartition(".")
                if number.isdecimal():  # of several files with one name
                    self._named[stem].append(path)
        return self._named


def _begins_with(path: Path, part: LoadedPart) -> bool:
    try:
        return first_part_matches(path, part)
    except (OSError, CaptureError):
        return False


def identity_of(path: Path) -> bytes | None:
    """Hash of a file's content; None where it cannot be read."""
    try:
        return file_identity(path)
    except (OSError, CaptureError):
        return None


def committed_as(store: StoreReader, identity: bytes) -> bytes | None:
    """The committed capture that a whole content is, or ends with where it was loaded in parts. Raises `StoreError`."""
    if store.stands(identity):
        return identity
    record = store.capture_of_origin(content_origin(identity))
    return record.facts.capture_id if record is not None and store.stands(record.facts.capture_id) else None


def holds_no_packet(path: Path) -> bool:
    """Whether a file is a capture without packets, as the loader judges it: then there is nothing to commit."""
    reading = CaptureReading(path, DecodeOptions(), identify=False)
    try:
        for _ in reading.batches():
            pass
    except (CaptureError, OSError):
        return False
    return reading.report.frames == 0 and reading.report.damage.keys() <= CUT_SHORT


def files_below(directory: Path) -> Iterator[Path]:
    """Regular files below a directory that may be captures, in order of name."""
    for folder, folders, names in os.walk(directory):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if not name.startswith(".") and not name.endswith((SIDECAR_SUFFIX, REASON_SUFFIX)) and path.is_file():
                yield path


def archive_of(directory: Path) -> Path:
    """The archive of a watched directory; any other directory is what it is."""
    archive = directory / OWN_FOLDER / ARCHIVE
    return archive if archive.is_dir() else directory
