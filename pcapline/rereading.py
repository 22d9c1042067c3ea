"""Settings that are read again while a process runs: some can be taken, for the others it is started again."""

from collections.abc import Callable, Collection
from dataclasses import fields

from schema.errors import SettingsError
from schema.settings import Settings


def changed_keys(before: Settings, after: Settings, sections: Collection[str]) -> list[str]:
    """Of these sections, `section.key` of each setting that has another value."""
    return [
        f"{name}.{setting.name}"
        for name in sections
        for setting in fields(before.sections[name])  # type: ignore[arg-type]  # every section is a dataclass
        if getattr(before.sections[name], setting.name) != getattr(after.sections[name], setting.name)
    ]


class Rereading:
    """What `POST /-/reload` does about settings."""

    def __init__(
        self, running: Settings, read: Callable[[], Settings], sections: Collection[str], taken: Collection[str] = ()
    ) -> None:
        """`sections`: those that the process depends on; `taken`: keys of them that need no restart."""
        self._running, self._read, self._sections, self._taken = running, read, sections, taken

    def settings(self) -> Settings:
        """As they are set now. Raises `SettingsError` for what is wrong, or what only a restart can take."""
        now = self._read()
        fixed = [key for key in changed_keys(self._running, now, self._sections) if key not in self._taken]
        if fixed:
            raise SettingsError(f"{', '.join(fixed)}: changed, which needs a restart; no setting was taken")
        self._running = now
        return now
