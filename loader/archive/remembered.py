"""Which file in quarantine is which content that the store remembers to be there."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from loader.archive.finding import identity_of
from loader.commit.prepared import file_id_of
from schema.records import CaptureRecord


class Remembered:
    """What the store has in quarantine, by the files that lie there. A file is known by its inode; one that was replaced, or
    copied to another disk, has another: then its name tells, where nothing else is remembered by it."""

    def __init__(self, records: Iterable[CaptureRecord], files: Iterable[Path]) -> None:
        """`files`: as they lie in quarantine, each in the folder of its sensor."""
        self._file_ids = {path: file_id for path in files if (file_id := _file_id(path))}
        here = {(path.parent.name, file_id) for path, file_id in self._file_ids.items()}
        self._by_file: dict[tuple[str, str], list[CaptureRecord]] = defaultdict(list)
        self._by_name: dict[tuple[str, str], list[CaptureRecord]] = defaultdict(list)
        for record in records:
            by_file = record.sensor, record.facts.file_id
            if by_file in here:
                self._by_file[by_file].append(record)
            else:
                self._by_name[record.sensor, record.facts.file_name].append(record)

    def of(self, path: Path) -> list[CaptureRecord]:
        """What a file holds, or held before it was changed."""
        sensor, named = path.parent.name, self._by_name.get((path.parent.name, path.name), [])
        return self._by_file.get((sensor, self._file_ids.get(path, ""))) or (named if len(named) == 1 else [])

    def content_of(self, path: Path) -> CaptureRecord | None:
        """What a file holds, as far as it is remembered."""
        records = self.of(path)
        if len(records) < 2:
            return next(iter(records), None)
        identity = identity_of(path)
        return next((record for record in records if record.facts.capture_id == identity), None)


def _file_id(path: Path) -> str:
    try:
        return file_id_of(path)
    except OSError:
        return ""
