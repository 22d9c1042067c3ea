"""Whether the rooms' names are pcapline's own here: they are plain words, and another distribution may carry the same."""

from importlib.util import find_spec
from pathlib import Path

from schema.errors import SettingsError

ROOMS = ("capture", "loader", "exporter", "schema")
_HOME = Path(__file__).resolve().parent.parent


def check_room_names() -> None:
    """Raise `SettingsError` that names the distribution which took a room's name. Imports no room; takes microseconds."""
    for room in ROOMS:
        place = room_place(room)
        if place is None or place != _HOME / room:
            raise SettingsError(
                f"the package name {room!r} belongs to {_owner(room)} here, not to pcapline: "
                "install pcapline into an environment of its own"
            )


def room_place(room: str) -> Path | None:
    """The folder that Python would import this room from."""
    spec = find_spec(room)
    return Path(spec.origin).resolve().parent if spec is not None and spec.origin else None


def _owner(room: str) -> str:
    from importlib.metadata import packages_distributions  # reads every installed distribution: only when all is lost

    others = [name for name in packages_distributions().get(room, []) if name != "pcapline"]
    return f"{', '.join(others) or 'another package'} ({room_place(room) or 'nowhere'})"
