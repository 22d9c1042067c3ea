"""Options that several commands share, and the settings they lead to."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from schema.settings import Settings, StoreSettings, find_settings_file, read_settings


def add_store_option(parser: ArgumentParser) -> None:
    """`--store`, as `store`."""
    help_text = "sqlite:PATH or cassandra://HOST[,HOST...][:PORT]/KEYSPACE; default sqlite:pcapline.db"
    parser.add_argument("--store", metavar="URL", help=help_text)


def add_config_option(parser: ArgumentParser) -> None:
    """`--config`, as `config`."""
    parser.add_argument("--config", metavar="FILE", help="settings file instead of pcapline.toml")


def add_json_option(parser: ArgumentParser) -> None:
    """`--json`, as `as_json`."""
    parser.add_argument("--json", dest="as_json", action="store_true", help="one JSON object a line")


def add_network_option(parser: ArgumentParser) -> None:
    """`--network`, as `network`."""
    parser.add_argument("--network", metavar="NAME", help="where the sensor sits; fixed when it is first seen")


def add_web_options(parser: ArgumentParser, *, port: int | None) -> None:
    """`--web.listen-address` as `listen`, `--web.config.file` as `web_config`. `port`: of the default address; None: none."""
    where = "metrics at this address; default: nowhere" if port is None else f"default 127.0.0.1:{port}"
    parser.add_argument("--web.listen-address", dest="listen", metavar="HOST:PORT", help=where)
    help_text = "TLS, and who may ask: a file as other exporters take it"
    parser.add_argument("--web.config.file", dest="web_config", metavar="FILE", help=help_text)


def add_settings_options(parser: ArgumentParser) -> None:
    """`--config`; `--check` and `--dump`, which `shown` answers."""
    add_config_option(parser)
    parser.add_argument("--check", action="store_true", help="check the settings, nothing else, and end")
    parser.add_argument("--dump", action="store_true", help="print the settings, each with where it came from, and end")


def sections() -> dict[str, type[Any]]:
    """Every section of the settings, and the class that describes it."""
    from capture.settings import CaptureSettings
    from exporter.settings import ExporterSettings
    from loader.remote.settings import RemoteSettings
    from loader.settings import LoaderSettings

    return {
        "store": StoreSettings,
        "capture": CaptureSettings,
        "loader": LoaderSettings,
        "remote": RemoteSettings,
        "exporter": ExporterSettings,
    }


_FLAG_NAMES = {
    "store.url": "--store",
    "capture.sensor": "--sensor",
    "capture.rotate_s": "--rotate",
    "capture.rotate_bytes": "--rotate-bytes",
    "capture.snaplen": "--snaplen",
    "capture.listen": "--web.listen-address",
    "capture.web_config": "--web.config.file",
    "loader.after": "--after",
    "loader.workers": "--workers",
    "loader.listen": "--web.listen-address",
    "loader.web_config": "--web.config.file",
    "remote.source": "--from",
    "exporter.listen": "--web.listen-address",
    "exporter.web_config": "--web.config.file",
    "exporter.telemetry_path": "--web.telemetry-path",
    "exporter.legacy_names": "--legacy-names",
    "exporter.max_endpoints": "--max-endpoints",
}


def settings_of(config: str | None, flags: Mapping[str, object] | None = None) -> Settings:
    """Every section, from flags ("section.key" -> value, None where not given), environment, file and defaults."""
    file = find_settings_file(os.environ, config)
    return read_settings(sections(), environ=os.environ, file=file, flags=flags, flag_names=_FLAG_NAMES)


def shown(settings: Settings, *, check: bool, dump: bool) -> bool:
    """Answer `--check` and `--dump`; True when the command has thereby done its work."""
    if dump:
        sys.stdout.write(settings.dump() + "\n")
    elif check:
        sys.stderr.write("pcapline: the settings are valid, nothing more was checked (pcapline doctor checks more)\n")
    return check or dump
