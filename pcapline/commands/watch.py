"""Load what lands in a directory until interrupted; the file in hand is finished first.

pcapline watch captures/
pcapline watch /srv/captures --store cassandra://127.0.0.1/pcapline --after delete
pcapline watch /srv/captures --workers 4
pcapline watch /srv/captures --from s3://captures/incoming
"""

import socket
import sys
import time
from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from pcapline.options import add_network_option, add_settings_options, add_store_option, add_web_options, settings_of, shown
from pcapline.usage import some_path
from schema.errors import SettingsError
from schema.records import DEFAULT_NETWORK
from schema.settings import Settings

if TYPE_CHECKING:
    from loader.watch.service import WatchRequest


def arguments(parser: ArgumentParser) -> None:
    """Where, into which store, and what becomes of the files."""
    parser.add_argument("directory", metavar="DIR", type=some_path, help="files in DIR/NAME/ belong to sensor NAME")
    add_store_option(parser)
    parser.add_argument("--sensor", metavar="NAME", help="of the files in DIR itself; default: the host's name")
    add_network_option(parser)
    parser.add_argument("--workers", metavar="N", help="loader processes that share the sensors; default 1")
    source = "captures from object storage or a Kafka topic: s3://BUCKET/PREFIX or kafka://HOST:PORT/TOPIC"
    parser.add_argument("--from", dest="source", metavar="URL", help=source)
    parser.add_argument("--after", metavar="archive|delete|keep", help="what becomes of a loaded file")
    hints = "listen to file events beside the periodic scan"
    parser.add_argument("--events", action=BooleanOptionalAction, default=True, help=hints)
    add_web_options(parser, port=10111)
    add_settings_options(parser)


def run(given: Namespace) -> int:
    """The loader's service, until a signal."""
    from pcapline.wiring import lease_owner

    flags = {
        "store.url": given.store,
        "loader.after": given.after,
        "loader.workers": given.workers,
        "loader.listen": given.listen,
        "loader.web_config": given.web_config,
        "remote.source": given.source,
    }
    read = partial(settings_of, given.config, flags)
    settings = read()
    if given.check:
        _refuse_bad_inventory(settings)
    if shown(settings, check=given.check, dump=given.dump):
        return 0
    from loader.watch.service import WatchRequest

    request = WatchRequest(
        directory=given.directory,
        sensor=sensor_name(given.sensor),
        network=given.network or DEFAULT_NETWORK,
        owner=lease_owner(),
        events=given.events,
    )
    return _watch(settings, request, read)


def _refuse_bad_inventory(settings: Settings) -> None:
    """Raises `SettingsError` with the last of its faults; those before are told."""
    from pcapline.inventory import inventory_faults

    *faults, last = inventory_faults(settings) or [""]
    for fault in faults:
        _say(fault)
    if last:
        raise SettingsError(f"loader.inventory: {last}")


def sensor_name(wanted: str | None) -> str:
    """A sensor's name as asked for, else the host's; raises `SettingsError` for one that no sensor may have."""
    from schema.capture_names import SENSOR_NAME_RULE, is_sensor_name

    name = wanted or socket.gethostname()
    if not is_sensor_name(name):
        raise SettingsError(f"{name!r} cannot name a sensor: {SENSOR_NAME_RULE}; give --sensor NAME")
    return name


def _watch(settings: Settings, request: "WatchRequest", read: Callable[[], Settings]) -> int:
    from loader.watch.turns import Surroundings
    from pcapline.commands.load import tell_outcome
    from pcapline.signals import stop_on_signals
    from pcapline.watching import watch_directory

    with stop_on_signals() as stop:
        world = Surroundings(clock=time.time, monotonic=time.monotonic, stop=stop.event, tell=_say, on_outcome=tell_outcome)
        watch_directory(settings, request, world, lambda url: _say(f"watching {request.directory}; metrics at {url}"), read)
    _say("stopped; what is not loaded yet waits in the directory")
    return stop.exit_code


def _say(message: str) -> None:
    sys.stderr.write(f"pcapline: {message}\n")
