"""Settings: one TOML file, the environment and flags become the rooms' frozen dataclasses. ◄ door to msgspec

Order: flag > environment > file > default. Whatever nobody knows is refused, with the nearest known name; every value is
checked against its field's type, and a message names the key, where it stands and what is wrong with it.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import msgspec

from schema.errors import SettingsError
from schema.store.address import parse_store_url

FILE_NAME = "pcapline.toml"
CONFIG_VARIABLE = "PCAPLINE_CONFIG"  # the settings file, like `--config`
STORE_VARIABLE = "PCAPLINE_STORE"  # short for PCAPLINE_STORE__URL
_PREFIX = "PCAPLINE_"
_NO_SETTINGS = (CONFIG_VARIABLE, "PCAPLINE_KERNELS")  # the latter says how kernels are compiled
Section = TypeVar("Section")
_NAMES_A_FILE = "file"  # in the metadata of a setting


def file_setting() -> Any:
    """A field of a settings class that names a file: in a settings file a relative path begins where that file lies."""
    return field(default="", metadata={_NAMES_A_FILE: True})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Which store, and how to talk to it. All but `url` concern Cassandra only."""

    url: str = "sqlite:pcapline.db"  # sqlite:PATH | cassandra://HOST[,HOST...][:PORT]/KEYSPACE
    consistency: str = "LOCAL_QUORUM"  # of reads and writes
    replication: str = ""  # of the keyspace that `schema apply` creates: a CQL map; empty: one copy
    local_dc: str = ""  # data centre to talk to; empty: that of the first host that answers
    username: str = ""
    password_file: str = file_setting()  # a file that holds the password: secrets stand in no variable and in no settings file
    ca_file: str = file_setting()  # certificates (PEM) that the server is checked against; turns TLS on

    def __post_init__(self) -> None:
        parse_store_url(self.url)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that was set, section by section, and where each value came from."""

    sections: Mapping[str, object]
    origins: Mapping[str, str] = field(default_factory=dict)  # "loader.settle_s" -> "default" | "flag" | file | variable

    def of(self, kind: type[Section]) -> Section:
        """The section that this settings class describes."""
        return next(section for section in self.sections.values() if isinstance(section, kind))

    def dump(self) -> str:
        """All of it as a settings file would say it, each value with its origin."""
        lines: list[str] = []
        for name, section in self.sections.items():
            lines.append(f"[{name}]")
            for setting in fields(section):  # type: ignore[arg-type]  # every section is a dataclass
                value = getattr(section, setting.name)
                lines.append(f"{setting.name} = {_toml(value)}  # {self.origins[f'{name}.{setting.name}']}")
            lines.append("")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Given:
    """One value as it was found, and where."""

    value: object
    origin: str
    from_text: bool  # flags and the environment give text that may stand for a number

    def told(self, key: str) -> str:
        """What to correct: the flag as it was typed; else the key and where it stands."""
        return f"{self.origin} {self.value}" if self.origin.startswith("--") else f"{key} ({self.origin})"


def find_settings_file(environ: Mapping[str, str], wanted: str | None = None) -> Path | None:
    """The settings file: the one asked for, else the first of the working, the user's and the system's directory."""
    if asked := wanted or environ.get(CONFIG_VARIABLE):
        return Path(asked)
    user = Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "/")) / ".config")
    places = (Path(), user / "pcapline", Path("/etc/pcapline"))
    return next((place / FILE_NAME for place in places if (place / FILE_NAME).is_file()), None)


def read_settings(
    kinds: Mapping[str, type[Any]],
    *,
    environ: Mapping[str, str],
    file: Path | None = None,
    flags: Mapping[str, object] | None = None,
    flag_names: Mapping[str, str] | None = None,
) -> Settings:
    """Build every section of `kinds` (name -> settings class). `flags`: "section.key" -> value, None where not given;
    `flag_names`: "section.key" -> how its flag is typed."""
    given: dict[str, _Given] = {}
    if file is not None:
        given.update(_from_file(file, kinds))
    given.update(_from_environment(environ, kinds))
    for key, value in (flags or {}).items():
        if value is not None:
            given[key] = _Given(value, (flag_names or {}).get(key, "flag"), True)
    sections, origins = {}, {}
    for name, kind in kinds.items():
        values = _section_values(name, kind, given)
        sections[name] = _construct(name, kind, values, given)
        origins.update({key: given[key].origin if key in given else "default" for key in known_keys({name: kind})})
    return Settings(sections, origins)


def known_keys(kinds: Mapping[str, type[Any]]) -> list[str]:
    """Every key that may be set, as `section.key`."""
    return [f"{name}.{setting.name}" for name, kind in kinds.items() for setting in fields(kind)]


def variable_of(key: str) -> str:
    """The environment variable of a key: `loader.settle_s` is PCAPLINE_LOADER__SETTLE_S."""
    return _PREFIX + key.replace(".", "__").upper()


def _from_file(file: Path, kinds: Mapping[str, type[Any]]) -> dict[str, _Given]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"settings file {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings file {file}: not TOML: {error}") from error
    found = {}
    for name, table in document.items():
        if name not in kinds or not isinstance(table, dict):
            raise SettingsError(f"settings file {file}: unknown section [{name}]{_nearest(name, list(kinds))}")
        for key, value in table.items():
            _refuse_unknown(f"{name}.{key}", known_keys({name: kinds[name]}), f"settings file {file}")
            found[f"{name}.{key}"] = _Given(_beside(file, kinds[name], key, value), str(file), False)
    return found


def _beside(file: Path, kind: type[Any], key: str, value: object) -> object:
    """The path that a setting names, where it names a file."""
    named = any(setting.name == key and _NAMES_A_FILE in setting.metadata for setting in fields(kind))
    return str(file.absolute().parent / value) if named and value and isinstance(value, str) else value


def _from_environment(environ: Mapping[str, str], kinds: Mapping[str, type[Any]]) -> dict[str, _Given]:
    keys = {variable_of(key): key for key in known_keys(kinds)}
    if "store" in kinds:
        keys[STORE_VARIABLE] = "store.url"
    found: dict[str, _Given] = {}
    for variable in sorted(name for name in environ if name.startswith(_PREFIX) and name not in _NO_SETTINGS):
        section, divided, _ = variable.removeprefix(_PREFIX).partition("__")
        if divided and section.lower() not in kinds:
            raise SettingsError(f"environment: {variable}: unknown section {section}{_nearest(section, _names(kinds))}")
        _refuse_unknown(variable, [*keys, CONFIG_VARIABLE], "environment")
        found[keys[variable]] = _Given(environ[variable], variable, True)
    return found


def _names(kinds: Mapping[str, type[Any]]) -> list[str]:
    """The sections as variables spell them."""
    return [name.upper() for name in kinds]


def _section_values(name: str, kind: type[Any], given: Mapping[str, _Given]) -> dict[str, object]:
    hints = get_type_hints(kind)
    return {
        setting.name: _typed(f"{name}.{setting.name}", setting, hints[setting.name], given[f"{name}.{setting.name}"])
        for setting in fields(kind)
        if f"{name}.{setting.name}" in given
    }


def _typed(key: str, setting: Field[Any], kind: Any, given: _Given) -> object:
    value = given.value
    if given.from_text and isinstance(value, str) and isinstance(setting.default, tuple):
        value = [part.strip() for part in value.split(",") if part.strip()]
    try:
        typed: object = msgspec.convert(value, kind, strict=not given.from_text)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{given.told(key)}: {_plain(error)}, not {given.value!r}") from error
    if isinstance(typed, int | float) and typed < 0:
        raise SettingsError(f"{given.told(key)}: {typed} is negative")
    return typed


def _toml(value: object) -> str:
    """JSON is TOML for texts, numbers and lists of texts, one control character aside."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _plain(error: msgspec.ValidationError) -> str:
    """What msgspec expected, in a reader's words."""
    expected = str(error).split(",")[0].removeprefix("Expected ").strip("`")
    words = {
        "int": "a whole number",
        "float": "a number",
        "bool": "true or false",
        "str": "text in quotes",
        "int | str": "a whole number, or text in quotes",
    }
    return f"expected {words.get(expected, expected)}" if str(error).startswith("Expected") else str(error)


def _construct(name: str, kind: type[Any], values: dict[str, object], given: Mapping[str, _Given]) -> object:
    try:
        return kind(**values)
    except (ValueError, SettingsError) as error:
        told = (given[f"{name}.{key}"].told(f"{name}.{key}") for key in _at_fault(kind, values))
        raise SettingsError(f"{', '.join(told)}: {error}") from error


def _at_fault(kind: type[Any], values: dict[str, object]) -> list[str]:
    """The keys whose values are refused beside defaults; all of them where only their combination is."""
    refused = []
    for key, value in values.items():
        try:
            kind(**{key: value})
        except (ValueError, SettingsError):
            refused.append(key)
    return refused or list(values)


def _refuse_unknown(name: str, known: Sequence[str], where: str) -> None:
    if name not in known:
        raise SettingsError(f"{where}: unknown setting {name}{_nearest(name, known)}")


def _nearest(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(known)}"
