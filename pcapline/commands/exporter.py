"""`pcapline exporter`: what the store holds, as Prometheus metrics."""

import logging
import sys
from typing import Annotated

import typer

from pcapline import __version__
from pcapline.options import CheckOption, ConfigOption, DumpOption, StoreOption, settings_of, shown
from schema.settings import Settings, StoreSettings


def exporter(
    store: StoreOption = None,
    listen: Annotated[
        str | None, typer.Option("--web.listen-address", metavar="HOST:PORT", help="default 127.0.0.1:10110")
    ] = None,
    telemetry_path: Annotated[str | None, typer.Option("--web.telemetry-path", metavar="PATH", help="default /metrics")] = None,
    max_endpoints: Annotated[
        int | None, typer.Option("--max-endpoints", metavar="N", help="endpoints with series of their own; the rest is _other")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="print one exposition and end")] = False,
    check: CheckOption = False,
    dump: DumpOption = False,
    config: ConfigOption = None,
) -> None:
    """Serve the metrics of a store until interrupted.

    pcapline exporter --store cassandra://127.0.0.1/pcapline

    pcapline exporter --once | grep pcapline_endpoint_writes_total
    """
    flags = {
        "store.url": store,
        "exporter.listen": listen,
        "exporter.telemetry_path": telemetry_path,
        "exporter.max_endpoints": max_endpoints,
    }
    settings = settings_of(config, flags)
    if shown(settings, check=check, dump=dump):
        return
    if once:
        sys.stdout.write(_exposition(settings))
    else:
        raise typer.Exit(_serve(settings))


def _exposition(settings: Settings) -> str:
    from exporter.service import expose_once
    from exporter.settings import ExporterSettings
    from pcapline.wiring import Purpose, opened_store, store_kind

    wanted = settings.of(StoreSettings)
    with opened_store(wanted, Purpose.FOLLOW) as reader:
        return expose_once(reader, settings.of(ExporterSettings), store=store_kind(wanted), version=__version__)


def _serve(settings: Settings) -> int:
    """Until a signal; returns the exit code that says which."""
    from pcapline.logs import log_to_stderr
    from pcapline.processes import serve_exporter
    from pcapline.signals import stop_on_signals

    log_to_stderr(logging.INFO)
    with stop_on_signals() as stop:
        serve_exporter(settings, stop.event, lambda url: typer.echo(f"pcapline: metrics at {url}", err=True))
    return stop.exit_code
