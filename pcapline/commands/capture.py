"""Capture into a directory until interrupted; nothing captured is lost at the end.

pcapline capture -i eth0 captures/
pcapline capture -i eth0 captures/ --rotate 5 'udp port 53 or tcp port 443'
"""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from pcapline.options import add_settings_options, settings_of, shown

if TYPE_CHECKING:
    from capture.events import SensorEvent


def arguments(parser: ArgumentParser) -> None:
    """Where, what, and how long each capture is."""
    parser.add_argument("-i", "--interface", metavar="IF", required=True, help="network interface")
    parser.add_argument("directory", metavar="DIR", type=Path, help="complete captures appear there")
    parser.add_argument("bpf", metavar="BPF", nargs="*", help="a filter, as tcpdump takes it")
    parser.add_argument("--sensor", metavar="NAME", help="default: the host's name")
    parser.add_argument("--rotate", metavar="SECONDS", type=float, help="hand a capture over after so long; default 10")
    parser.add_argument("--rotate-bytes", metavar="N", type=int, help="and earlier, when it has grown to so much")
    parser.add_argument("--snaplen", metavar="N", type=int, help="bytes kept of each packet")
    add_settings_options(parser)


def run(given: Namespace) -> int:
    """The sensor, until a signal."""
    flags = {
        "capture.sensor": given.sensor,
        "capture.rotate_s": given.rotate,
        "capture.rotate_bytes": given.rotate_bytes,
        "capture.snaplen": given.snaplen,
    }
    settings = settings_of(given.config, flags)
    if shown(settings, check=given.check, dump=given.dump):
        return 0
    from capture.sensor import run_sensor
    from capture.settings import CaptureSettings
    from pcapline.signals import stop_on_signals

    wanted = " ".join(given.bpf) or None
    with stop_on_signals() as stop:
        run_sensor(settings.of(CaptureSettings), given.interface, given.directory, wanted, stop.event, _report)
    return stop.exit_code


def _report(event: "SensorEvent") -> None:
    sys.stderr.write(f"pcapline: {event.detail}\n")
