"""What lies in a watched directory and is no input: told, so that nobody waits for it in vain."""

import os
from collections.abc import Iterator
from pathlib import Path

from schema.capture_names import SENSOR_NAME_RULE, is_sensor_name


def strays_in(directory: Path) -> Iterator[tuple[Path, str]]:
    """Entries that are passed over, and why; hidden ones are nobody's business. Raises `OSError` where the directory is
    gone."""
    for entry in _entries(directory):
        if entry.is_dir(follow_symlinks=False):
            yield from _strays_of_folder(Path(entry.path))
        elif not entry.is_file(follow_symlinks=False):
            yield Path(entry.path), _no_file(entry)


def _strays_of_folder(folder: Path) -> Iterator[tuple[Path, str]]:
    if not is_sensor_name(folder.name):
        yield folder, f"no sensor can have its name: {SENSOR_NAME_RULE}"
        return
    try:
        inside = _entries(folder)
    except OSError as error:
        yield folder, f"it cannot be read: {error.strerror or error}"
        return
    for entry in inside:
        if entry.is_dir(follow_symlinks=False):
            yield Path(entry.path), f"files go in {folder} itself, not below it"
        elif not entry.is_file(follow_symlinks=False):
            yield Path(entry.path), _no_file(entry)


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    with os.scandir(directory) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)


def _no_file(entry: os.DirEntry[str]) -> str:
    return "it is a symbolic link: move the file itself here" if entry.is_symlink() else "it is not a regular file"
