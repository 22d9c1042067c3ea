"""Capture into a directory until interrupted; nothing captured is lost at the end.

pcapline capture -i eth0 captures/
pcapline capture -i eth0 captures/ --rotate 5 'udp port 53 or tcp port 443'
pcapline capture -i eth0 captures/ --web.listen-address 127.0.0.1:10112
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

from pcapline.options import add_settings_options, add_web_options, settings_of, shown
from pcapline.usage import some_path
from schema.errors import SettingsError
from schema.settings import Settings

if TYPE_CHECKING:
    from capture.events import SensorEvent
    from capture.writing import Journal


def arguments(parser: ArgumentParser) -> None:
    """Where, what, and how long each capture is."""
    parser.add_argument("-i", "--interface", metavar="IF", required=True, help="network interface")
    parser.add_argument("directory", metavar="DIR", type=some_path, help="complete captures appear there")
    parser.add_argument("bpf", metavar="BPF", nargs="*", default=[], help="a filter, as tcpdump takes it")
    parser.add_argument("--sensor", metavar="NAME", help="default: the host's name")
    parser.add_argument("--rotate", metavar="SECONDS", type=float, help="hand a capture over after so long; default 10")
    parser.add_argument("--rotate-bytes", metavar="N", type=int, help="and earlier, when it has grown to so much")
    parser.add_argument("--snaplen", metavar="N", type=int, help="bytes kept of each packet")
    add_web_options(parser, port=None)
    add_settings_options(parser)


def run(given: Namespace) -> int:
    """The sensor, until a signal."""
    flags = {
        "capture.sensor": given.sensor,
        "capture.rotate_s": given.rotate,
        "capture.rotate_bytes": given.rotate_bytes,
        "capture.snaplen": given.snaplen,
        "capture.listen": given.listen,
        "capture.web_config": given.web_config,
    }
    read = partial(settings_of, given.config, flags)
    settings = read()
    if shown(settings, check=given.check, dump=given.dump):
        return 0
    from capture.sensor import run_sensor
    from capture.settings import CaptureSettings
    from capture.writing import Journal
    from pcapline.signals import stop_on_signals

    own, wanted, journal = settings.of(CaptureSettings), " ".join(given.bpf) or None, Journal(_report)
    face = _face(settings, journal, read) if own.listen else nullcontext()
    with stop_on_signals() as stop, face:
        run_sensor(own, given.interface, given.directory, wanted, stop.event, journal)
    return stop.exit_code


def _face(settings: Settings, journal: "Journal", read: Callable[[], Settings]) -> AbstractContextManager[None]:
    try:
        from pcapline.sensorface import sensor_face
    except ImportError as error:
        remedy = "pip install 'pcapline[web]', or capture without it"
        raise SettingsError(f"--web.listen-address needs libraries of its own ({error}): {remedy}") from error
    return sensor_face(settings, journal, lambda url: _say(f"metrics at {url}"), read)


def _report(event: "SensorEvent") -> None:
    _say(event.detail)


def _say(message: str) -> None:
    sys.stderr.write(f"pcapline: {message}\n")
