"""`pcapline capture`: the sensor; tcpdump in rotation, complete files handed over."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pcapline.options import CheckOption, ConfigOption, DumpOption, settings_of, shown

if TYPE_CHECKING:
    from capture.events import SensorEvent


def capture(
    interface: Annotated[str, typer.Option("-i", "--interface", metavar="IF", help="network interface")],
    directory: Annotated[Path, typer.Argument(metavar="DIR", readable=False, help="complete captures appear there")],
    bpf: Annotated[list[str] | None, typer.Argument(metavar="[BPF...]", help="a filter, as tcpdump takes it")] = None,
    sensor: Annotated[str | None, typer.Option("--sensor", metavar="NAME", help="default: the host's name")] = None,
    rotate: Annotated[
        float | None, typer.Option("--rotate", metavar="SECONDS", help="hand a capture over after so long; default 10")
    ] = None,
    rotate_bytes: Annotated[
        int | None, typer.Option("--rotate-bytes", metavar="N", help="and earlier, when it has grown to so much")
    ] = None,
    snaplen: Annotated[int | None, typer.Option("--snaplen", metavar="N", help="bytes kept of each packet")] = None,
    check: CheckOption = False,
    dump: DumpOption = False,
    config: ConfigOption = None,
) -> None:
    """Capture into a directory until interrupted; nothing captured is lost at the end.

    pcapline capture -i eth0 captures/

    pcapline capture -i eth0 captures/ --rotate 5 'udp port 53 or tcp port 443'
    """
    flags = {
        "capture.sensor": sensor,
        "capture.rotate_s": rotate,
        "capture.rotate_bytes": rotate_bytes,
        "capture.snaplen": snaplen,
    }
    settings = settings_of(config, flags)
    if shown(settings, check=check, dump=dump):
        return
    from capture.sensor import run_sensor
    from capture.settings import CaptureSettings
    from pcapline.signals import stop_on_signals

    with stop_on_signals() as stop:
        run_sensor(settings.of(CaptureSettings), interface, directory, " ".join(bpf or []) or None, stop.event, _report)
    raise typer.Exit(stop.exit_code)


def _report(event: "SensorEvent") -> None:
    sys.stderr.write(f"pcapline: {event.detail}\n")
