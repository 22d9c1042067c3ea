"""Settings: where a value comes from, and what a wrong one is told."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.errors import SettingsError
from schema.settings import Settings, StoreSettings, find_settings_file, read_settings, variable_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomSettings:
    settle_s: float = 2.0
    rows: int = 10
    keep: bool = False
    name: str = ""
    parts: tuple[str, ...] = ()


KINDS = {"store": StoreSettings, "room": RoomSettings}


class Read(Protocol):
    def __call__(
        self, environ: dict[str, str] | None = None, text: str | None = None, flags: dict[str, object] | None = None
    ) -> Settings: ...


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(
        environ: dict[str, str] | None = None, text: str | None = None, flags: dict[str, object] | None = None
    ) -> Settings:
        file = None
        if text is not None:
            file = tmp_path / "pcapline.toml"
            file.write_text(text)
        return read_settings(KINDS, environ=environ or {}, file=file, flags=flags)

    return read


def test_flag_beats_environment_beats_file_beats_default(read: Read) -> None:
    text, environ, flags = "[room]\nrows = 1\nname = 'file'\nsettle_s = 5", {"PCAPLINE_ROOM__ROWS": "2"}, {"room.rows": 3}
    assert read().of(RoomSettings).rows == 10
    assert read(text=text).of(RoomSettings).rows == 1
    assert read(environ, text).of(RoomSettings).rows == 2
    settings = read(environ, text, flags)
    assert settings.of(RoomSettings) == RoomSettings(rows=3, name="file", settle_s=5.0)
    assert settings.origins["room.rows"] == "flag"
    assert settings.origins["room.keep"] == "default"


def test_flags_that_were_not_given_say_nothing(read: Read) -> None:
    assert read(flags={"room.rows": None}).of(RoomSettings).rows == 10


def test_the_environment_speaks_text(read: Read) -> None:
    environ = {"PCAPLINE_ROOM__KEEP": "true", "PCAPLINE_ROOM__SETTLE_S": "0.5", "PCAPLINE_ROOM__PARTS": "a, b"}
    assert read(environ).of(RoomSettings) == RoomSettings(keep=True, settle_s=0.5, parts=("a", "b"))


def test_the_store_has_a_short_variable(read: Read) -> None:
    assert read({"PCAPLINE_STORE": "sqlite:x.db"}).of(StoreSettings).url == "sqlite:x.db"


@pytest.mark.parametrize(
    ("given_values", "words"),
    [
        ({"text": "[room]\nsetle_s = 1"}, ["pcapline.toml", "room.setle_s", "did you mean room.settle_s?"]),
        ({"text": "[rom]\nrows = 1"}, ["unknown section [rom]", "did you mean room?"]),
        ({"text": "rows = 1"}, ["unknown section [rows]"]),
        ({"text": "[room]\nrows = '1'"}, ["room.rows", "pcapline.toml", "expected a whole number", "'1'"]),
        ({"text": "[room]\nrows = 1.5"}, ["room.rows", "expected a whole number"]),
        ({"text": "[room]\nkeep = 1"}, ["room.keep", "expected true or false"]),
        ({"text": "[room]\nrows = -1"}, ["room.rows", "negative"]),
        ({"text": "[room\nrows = 1"}, ["pcapline.toml", "not TOML"]),
        ({"environ": {"PCAPLINE_ROOM__ROWS": "many"}}, ["PCAPLINE_ROOM__ROWS", "room.rows", "'many'"]),
        ({"environ": {"PCAPLINE_ROOM__ROW": "1"}}, ["PCAPLINE_ROOM__ROW", "did you mean PCAPLINE_ROOM__ROWS?"]),
        ({"environ": {"PCAPLINE_SORE": "sqlite:x"}}, ["PCAPLINE_SORE", "did you mean PCAPLINE_STORE?"]),
        ({"environ": {"PCAPLINE_STORE": "mysql:x"}}, ["PCAPLINE_STORE", "'mysql:x'", "sqlite:PATH"]),
        ({"flags": {"store.url": "cassandra://h/Key"}}, ["flag", "keyspace"]),
    ],
)
def test_what_is_wrong_is_refused_by_name(read: Read, given_values: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(SettingsError) as refused:
        read(**given_values)
    message = str(refused.value)
    assert [word for word in words if word not in message] == []
    assert "\n" not in message


def test_a_settings_file_that_is_not_there_is_told() -> None:
    with pytest.raises(SettingsError, match="No such file"):
        read_settings(KINDS, environ={}, file=Path("nowhere.toml"))


def test_a_dump_reads_back_as_the_same_settings(read: Read) -> None:
    settings = read({"PCAPLINE_ROOM__PARTS": "a,b"}, "[room]\nname = 'a \"quoted\" one'\nkeep = true")
    again = read(text=settings.dump())
    assert again.of(RoomSettings) == settings.of(RoomSettings)
    assert again.of(StoreSettings) == settings.of(StoreSettings)


@given(st.text(max_size=30), st.integers(0, 2**31), st.floats(0, 1e9, allow_nan=False), st.booleans())
def test_any_settings_survive_their_dump(name: str, rows: int, settle: float, keep: bool) -> None:
    flags = {"room.name": name, "room.rows": rows, "room.settle_s": settle, "room.keep": keep}
    settings = read_settings(KINDS, environ={}, flags=flags)
    with tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8") as file:
        file.write(settings.dump())
        file.flush()
        again = read_settings(KINDS, environ={}, file=Path(file.name))
    assert again.sections == settings.sections


def test_the_nearest_settings_file_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    (home / ".config" / "pcapline").mkdir(parents=True)
    work.mkdir()
    monkeypatch.chdir(work)
    environ = {"HOME": str(home)}
    mine = home / ".config" / "pcapline" / "pcapline.toml"
    mine.write_text("")
    assert find_settings_file(environ) == mine
    (work / "pcapline.toml").write_text("")
    assert find_settings_file(environ) == Path("pcapline.toml")
    assert find_settings_file(environ | {"PCAPLINE_CONFIG": "/c.toml"}) == Path("/c.toml")
    assert find_settings_file(environ, "asked.toml") == Path("asked.toml")


def test_variables_are_spelt_by_section_and_key() -> None:
    assert variable_of("loader.settle_s") == "PCAPLINE_LOADER__SETTLE_S"
