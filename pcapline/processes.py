"""The long-running processes, built from their settings: what starts, what serves, what stops, in which order."""

import os
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

from exporter.service import ExporterService
from exporter.settings import ExporterSettings
from loader.disposal import Disposal
from loader.feed import Feed, NoFeed
from loader.groupcounts import GroupCounts
from loader.remote.settings import RemoteSettings
from loader.service import WatchRequest, run_watch
from loader.settings import LoaderSettings
from loader.telemetry import LoaderTelemetry
from loader.turns import Surroundings
from pcapline import __version__
from pcapline.api import exporter_api
from pcapline.http import HttpFace, serve
from pcapline.http.beside import gate_of, serving, url_of
from pcapline.inventory import inventory_faults
from pcapline.rereading import Rereading
from pcapline.wiring import Purpose, open_store, opened_store, refuse_impossible_store, store_files, store_kind
from pcapline.worker import Place
from pcapline.workers import Workers
from schema.errors import PermissionDeniedError, SettingsError
from schema.settings import Settings, StoreSettings

_TAKEN = ("exporter.max_endpoints", "exporter.refresh_s", "exporter.reconcile_s")  # without a restart
_DISCOVERY_PATH, _LEGACY_PATH = "/api/v1/sd/prometheus", "/metrics/legacy"
_LINKS = {
    "/api/v1/openapi.json": "API: what the JSON API under /api/v1 takes and answers",
    _DISCOVERY_PATH: "Loaders, for Prometheus' HTTP service discovery",
}


def watch_directory(
    settings: Settings,
    request: WatchRequest,
    world: Surroundings,
    bound: Callable[[str], None],
    read: Callable[[], Settings] | None = None,
) -> None:
    """Load what lands in a directory, and serve the loader's own metrics, until `world.stop`; `bound` gets their address.

    `read`: the settings as they are set by then, where they may change."""
    wanted, own = settings.of(StoreSettings), settings.of(LoaderSettings)
    _refuse_unreadable(request.directory)
    _refuse_store_within(request.directory, wanted)
    rereading = Rereading(settings, read or (lambda: settings), ("store", "loader", "remote"))
    if own.workers > 1:
        _watch_together(settings, request, world, bound, rereading)
        return
    telemetry = LoaderTelemetry(store_kind(wanted), __version__)
    face = _loader_face(own, telemetry, rereading)
    with opened_store(wanted, Purpose.LOAD) as store, serving(own.listen, face, world.stop, bound):
        run_watch(store, request, own, telemetry, replace(world, feed=_feed(settings, request, telemetry, world)))


def _watch_together(
    settings: Settings, request: WatchRequest, world: Surroundings, bound: Callable[[str], None], rereading: Rereading
) -> None:
    """The same with a process for each of several loaders. `world.tell` and `world.on_outcome` cross to them by name."""
    wanted, own = settings.of(StoreSettings), settings.of(LoaderSettings)
    if settings.of(RemoteSettings).source:
        raise SettingsError("--from feeds one loader: start another watch with a directory of its own, instead of --workers")
    with opened_store(wanted, Purpose.LOAD) as store:
        Disposal(request.directory, store, own, world.tell).prepare()
    with TemporaryDirectory(prefix="pcapline-") as counts:
        together, group = GroupCounts(Path(counts), own.workers), secrets.token_hex(4)
        places = [
            Place(
                number=number,
                group=group,
                counts=Path(counts),
                settings=settings,
                request=request,
                tell=world.tell,
                on_outcome=world.on_outcome,
            )
            for number in range(own.workers)
        ]
        face = _loader_face(own, together, rereading)
        with serving(own.listen, face, world.stop, bound):
            Workers(places, together, world.stop, world.tell).run()


def _loader_face(own: LoaderSettings, shows: LoaderTelemetry | GroupCounts, rereading: Rereading) -> HttpFace:
    return HttpFace(
        name="pcapline loader",
        version=__version__,
        metrics=shows.expose,
        ready=shows.ready,
        gate=gate_of(own.web_config),
        reload=lambda: _refuse_bad_inventory(rereading.settings()),
    )


def _refuse_bad_inventory(settings: Settings) -> None:
    """The inventory is read anew before each capture anyway: this says whether it would be taken. Raises `SettingsError`."""
    if faults := inventory_faults(settings):
        raise SettingsError("\n".join(f"loader.inventory: {fault}" for fault in faults))


def _feed(settings: Settings, request: WatchRequest, telemetry: LoaderTelemetry, world: Surroundings) -> Feed:
    """What brings captures from elsewhere, where the settings say so."""
    remote = settings.of(RemoteSettings)
    if not remote.source:
        return NoFeed()
    if settings.of(LoaderSettings).after == "keep":
        raise SettingsError("--from fills the directory, and --after keep would never empty it: give archive or delete")
    try:
        from loader.remote.feed import FedDirectory, RemoteFeed
    except ImportError as error:
        raise SettingsError(f"--from needs libraries of its own ({error}): pip install 'pcapline[remote]'") from error
    fed = FedDirectory(
        directory=request.directory, sensor=request.sensor, telemetry=telemetry, clock=world.clock, tell=world.tell
    )
    return RemoteFeed(remote, fed)


def _refuse_unreadable(directory: Path) -> None:
    """Before anything is announced. Raises `SettingsError` or `PermissionDeniedError`."""
    if not directory.is_dir():
        raise SettingsError(f"{directory} is no directory: create it, or name the one that captures land in")
    if not os.access(directory, os.R_OK | os.X_OK, effective_ids=True):
        raise PermissionDeniedError(f"{directory} cannot be read: give this user access to it")


def _refuse_store_within(directory: Path, store: StoreSettings) -> None:
    """A store where captures land would be taken for one, and moved away."""
    for file in store_files(store)[:1]:
        if directory.resolve() in (file.parent, file.parent.parent):
            raise SettingsError(
                f"the store {store.url} would be in the watched directory: name another one, or --store elsewhere"
            )


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
