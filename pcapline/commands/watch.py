"""`pcapline watch`: load what lands in a directory, for ever."""

import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pcapline.options import CheckOption, ConfigOption, DumpOption, NetworkOption, StoreOption, settings_of, shown
from schema.errors import SettingsError
from schema.records import DEFAULT_NETWORK
from schema.settings import Settings

if TYPE_CHECKING:
    from loader.service import WatchRequest


def watch(
    directory: Annotated[Path, typer.Argument(metavar="DIR", readable=False, help="files in DIR/NAME/ belong to sensor NAME")],
    store: StoreOption = None,
    sensor: Annotated[
        str | None, typer.Option("--sensor", metavar="NAME", help="of the files in DIR itself; default: the host's name")
    ] = None,
    network: NetworkOption = None,
    after: Annotated[
        str | None, typer.Option("--after", metavar="archive|delete|keep", help="what becomes of a loaded file")
    ] = None,
    events: Annotated[bool, typer.Option("--events/--no-events", help="listen to file events beside the periodic scan")] = True,
    listen: Annotated[
        str | None, typer.Option("--web.listen-address", metavar="HOST:PORT", help="default 127.0.0.1:10111")
    ] = None,
    check: CheckOption = False,
    dump: DumpOption = False,
    config: ConfigOption = None,
) -> None:
    """Load what lands in a directory until interrupted; the file in hand is finished first.

    pcapline watch captures/

    pcapline watch /srv/captures --store cassandra://127.0.0.1/pcapline --after delete
    """
    from pcapline.wiring import lease_owner

    settings = settings_of(config, {"store.url": store, "loader.after": after, "loader.listen": listen})
    if shown(settings, check=check, dump=dump):
        return
    from loader.service import WatchRequest

    request = WatchRequest(
        directory=directory,
        sensor=sensor_name(sensor),
        network=network or DEFAULT_NETWORK,
        owner=lease_owner(),
        events=events,
    )
    raise typer.Exit(_run(settings, request))


def sensor_name(wanted: str | None) -> str:
    """A sensor's name as asked for, else the host's; raises `SettingsError` for one that no sensor may have."""
    from schema.capture_names import SENSOR_NAME_RULE, is_sensor_name

    name = wanted or socket.gethostname()
    if not is_sensor_name(name):
        raise SettingsError(f"{name!r} cannot name a sensor: {SENSOR_NAME_RULE}; give --sensor NAME")
    return name


def _run(settings: Settings, request: "WatchRequest") -> int:
    from loader.turns import Surroundings
    from pcapline.commands.load import tell_outcome
    from pcapline.processes import watch_directory
    from pcapline.signals import stop_on_signals

    with stop_on_signals() as stop:
        world = Surroundings(clock=time.time, stop=stop.event, tell=_say, on_outcome=tell_outcome)
        watch_directory(settings, request, world, lambda url: _say(f"watching {request.directory}; metrics at {url}"))
    return stop.exit_code


def _say(message: str) -> None:
    sys.stderr.write(f"pcapline: {message}\n")
