"""Options that several commands share, and the settings they lead to."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from schema.settings import Settings, StoreSettings, find_settings_file, read_settings

STORE_HELP = "sqlite:PATH or cassandra://HOST[,HOST...][:PORT]/KEYSPACE; default sqlite:pcapline.db"
StoreOption = Annotated[str | None, typer.Option("--store", metavar="URL", help=STORE_HELP)]
ConfigOption = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="settings file instead of pcapline.toml")]
JsonOption = Annotated[bool, typer.Option("--json", help="one JSON object a line")]
NetworkOption = Annotated[
    str | None, typer.Option("--network", metavar="NAME", help="where the sensor sits; fixed when it is first seen")
]
CheckOption = Annotated[bool, typer.Option("--check", help="check the settings, nothing else, and end")]
DumpOption = Annotated[bool, typer.Option("--dump", help="print the settings, each with where it came from, and end")]


def sections() -> dict[str, type[Any]]:
    """Every section of the settings, and the class that describes it."""
    from capture.settings import CaptureSettings
    from exporter.settings import ExporterSettings
    from loader.settings import LoaderSettings

    return {
        "store": StoreSettings,
        "capture": CaptureSettings,
        "loader": LoaderSettings,
        "exporter": ExporterSettings,
    }


_FLAG_NAMES = {
    "store.url": "--store",
    "capture.sensor": "--sensor",
    "capture.rotate_s": "--rotate",
    "capture.rotate_bytes": "--rotate-bytes",
    "capture.snaplen": "--snaplen",
    "loader.after": "--after",
    "loader.listen": "--web.listen-address",
    "exporter.listen": "--web.listen-address",
    "exporter.telemetry_path": "--web.telemetry-path",
    "exporter.max_endpoints": "--max-endpoints",
}


def settings_of(config: Path | None, flags: Mapping[str, object] | None = None) -> Settings:
    """Every section, from flags ("section.key" -> value, None where not given), environment, file and defaults."""
    file = find_settings_file(os.environ, str(config) if config else None)
    return read_settings(sections(), environ=os.environ, file=file, flags=flags, flag_names=_FLAG_NAMES)


def shown(settings: Settings, *, check: bool, dump: bool) -> bool:
    """Answer `--check` and `--dump`; True when the command has thereby done its work."""
    if dump:
        typer.echo(settings.dump())
    elif check:
        typer.echo("pcapline: the settings are valid; nothing else was checked (pcapline doctor checks more)", err=True)
    return check or dump
