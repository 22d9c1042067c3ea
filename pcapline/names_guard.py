"""Whether the rooms' names are pcapline's own here: they are plain words, and another distribution may carry the same."""

from importlib.machinery import PathFinder

from schema.errors import SettingsError

ROOMS = ("capture", "loader", "exporter", "schema")
_HOME = __file__.removesuffix("pcapline/names_guard.py")


def check_room_names() -> None:
    """Raise `SettingsError` that names the distribution which took a room's name. Imports no room; takes microseconds."""
    for room in ROOMS:
        if _place(room) != f"{_HOME}{room}/__init__.py":
            raise SettingsError(
                f"the package name {room!r} belongs to {_owner(room)} here, not to pcapline: "
                "install pcapline into an environment of its own"
            )


def _place(room: str) -> str | None:
    """The file that Python would import this room from."""
    spec = PathFinder.find_spec(room)
    return spec.origin if spec is not None else None


def _owner(room: str) -> str:
    from importlib.metadata import packages_distributions  # reads every installed distribution: only when all is lost

    others = [name for name in packages_distributions().get(room, []) if name != "pcapline"]
    return f"{', '.join(others) or 'another package'} ({_place(room) or 'nowhere'})"
