"""Serve the metrics of a store until interrupted.

pcapline exporter --store cassandra://127.0.0.1/pcapline
pcapline exporter --once | grep pcapline_endpoint_writes_total
"""

import gc
import logging
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial

from pcapline import __version__
from pcapline.options import add_settings_options, add_store_option, add_web_options, settings_of, shown
from schema.settings import Settings, StoreSettings

_SWITCH_S = 0.0005  # as threads take turns


def arguments(parser: ArgumentParser) -> None:
    """Of what, and where."""
    add_store_option(parser)
    add_web_options(parser, port=10110)
    parser.add_argument("--web.telemetry-path", dest="telemetry_path", metavar="PATH", help="default /metrics")
    limit = "endpoints with series of their own; the rest is _other"
    parser.add_argument("--max-endpoints", metavar="N", type=int, help=limit)
    old_names = "answer /metrics/legacy too: a metric an endpoint"
    parser.add_argument("--legacy-names", action="store_true", default=None, help=old_names)
    parser.add_argument("--once", action="store_true", help="print one exposition and end")
    add_settings_options(parser)


def run(given: Namespace) -> int:
    """Serve until a signal, or print once."""
    flags = {
        "store.url": given.store,
        "exporter.listen": given.listen,
        "exporter.web_config": given.web_config,
        "exporter.telemetry_path": given.telemetry_path,
        "exporter.legacy_names": given.legacy_names,
        "exporter.max_endpoints": given.max_endpoints,
    }
    read = partial(settings_of, given.config, flags)
    settings = read()
    if shown(settings, check=given.check, dump=given.dump):
        return 0
    if not given.once:
        return _serve(settings, read)
    sys.stdout.write(_exposition(settings))
    return 0


def _exposition(settings: Settings) -> str:
    from exporter.service import expose_once
    from exporter.settings import ExporterSettings
    from pcapline.wiring import Purpose, opened_store, store_kind

    wanted = settings.of(StoreSettings)
    with opened_store(wanted, Purpose.FOLLOW) as reader:
        return expose_once(reader, settings.of(ExporterSettings), store=store_kind(wanted), version=__version__)


def _serve(settings: Settings, read: Callable[[], Settings]) -> int:
    """Until a signal; returns the exit code that says which."""
    from pcapline.exporting import serve_exporter
    from pcapline.logs import log_to_stderr
    from pcapline.signals import stop_on_signals

    log_to_stderr(logging.INFO)
    _answer_quickly()
    with stop_on_signals() as stop:
        serve_exporter(settings, stop.event, _tell_address, read)
    sys.stderr.write("pcapline: stopped\n")
    return stop.exit_code


def _answer_quickly() -> None:
    """A scrape passes from thread to thread some five times; at each it waits so long for a refresh or a check that computes,
    by default ten times as long. And a collection of garbage, for which all wait, does not walk through what was imported."""
    sys.setswitchinterval(_SWITCH_S)
    gc.collect()  # else what is garbage already would stay for good
    gc.freeze()


def _tell_address(url: str) -> None:
    sys.stderr.write(f"pcapline: metrics at {url}\n")
