"""The long-running processes, built from their settings: what starts, what serves, what stops, in which order."""

from collections.abc import Callable
from threading import Event

from exporter.service import ExporterService
from exporter.settings import ExporterSettings
from pcapline import __version__
from pcapline.http import HttpFace, serve
from pcapline.wiring import open_store, store_kind
from schema.settings import Settings, StoreSettings


def serve_exporter(settings: Settings, stop: Event, tell: Callable[[str], None]) -> None:
    """Follow the store's ledgers and answer HTTP until `stop`; `tell` gets the address of the metrics page."""
    wanted, own = settings.of(StoreSettings), settings.of(ExporterSettings)
    service = ExporterService(lambda: open_store(wanted), own, store=store_kind(wanted), version=__version__)

    def bound(host: str, port: int) -> None:
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}{own.telemetry_path}"
        service.scrape_at(url)
        service.start()
        tell(url)

    face = HttpFace(
        name="pcapline exporter",
        version=__version__,
        metrics=service.metrics,
        ready=service.ready,
        telemetry_path=own.telemetry_path,
    )
    try:
        serve(own.listen, face, stop, bound)
    finally:
        service.stop()
