"""The exporter as a process, built from its settings: what starts, what serves, what stops, in which order."""

from collections.abc import Callable
from threading import Event

from exporter.service import ExporterService
from exporter.settings import ExporterSettings
from pcapline import __version__
from pcapline.api import exporter_api
from pcapline.http import HttpFace, serve
from pcapline.http.beside import gate_of, url_of
from pcapline.rereading import Rereading
from pcapline.wiring import Purpose, open_store, refuse_impossible_store, store_kind
from schema.settings import Settings, StoreSettings

_TAKEN = ("exporter.max_endpoints", "exporter.refresh_s", "exporter.reconcile_s")  # without a restart
_DISCOVERY_PATH, _LEGACY_PATH = "/api/v1/sd/prometheus", "/metrics/legacy"
_LINKS = {
    "/api/v1/openapi.json": "API: what the JSON API under /api/v1 takes and answers",
    _DISCOVERY_PATH: "Loaders, for Prometheus' HTTP service discovery",
}


def serve_exporter(
    settings: Settings, stop: Event, tell: Callable[[str], None], read: Callable[[], Settings] | None = None
) -> None:
    """Follow the store's ledgers and answer HTTP until `stop`; `tell` gets the address of the metrics page.

    `read`: the settings as they are set by then, where they may change."""
    wanted, own = settings.of(StoreSettings), settings.of(ExporterSettings)
    refuse_impossible_store(wanted)
    gate = gate_of(own.web_config)
    service = ExporterService(lambda: open_store(wanted, Purpose.FOLLOW), own, store=store_kind(wanted), version=__version__)
    api = exporter_api(service, settings, lambda: open_store(wanted, Purpose.READ), stop)

    def bound(host: str, port: int) -> None:
        url = url_of(gate, host, port, own.telemetry_path)
        if own.web_config:
            service.scrape_within()
        else:
            service.scrape_at(url, stop.is_set)
        service.start()
        tell(url)

    rereading = Rereading(settings, read or (lambda: settings), ("store", "exporter"), _TAKEN)
    legacy = {_LEGACY_PATH: "Metrics by their old names"} if own.legacy_names else {}
    face = HttpFace(
        name="pcapline exporter",
        version=__version__,
        metrics=service.metrics,
        ready=service.ready,
        telemetry_path=own.telemetry_path,
        pages={_DISCOVERY_PATH: service.discovered, **dict.fromkeys(legacy, service.legacy)},
        links={**_LINKS, **legacy},
        api=api.answer,
        reload=lambda: service.take(rereading.settings().of(ExporterSettings)),
        gate=gate,
    )
    try:
        serve(own.listen, face, stop, bound)
    finally:
        api.close()
        service.stop()
