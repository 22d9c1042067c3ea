"""The loader as a process, or several, built from its settings: what starts, what serves, what stops, in which order."""

import os
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from loader.archive.disposal import Disposal
from loader.remote.settings import RemoteSettings
from loader.settings import LoaderSettings
from loader.watch.feed import Feed, NoFeed
from loader.watch.groupcounts import GroupCounts
from loader.watch.service import WatchRequest, run_watch
from loader.watch.telemetry import LoaderTelemetry
from loader.watch.turns import Surroundings
from pcapline import __version__
from pcapline.http import HttpFace
from pcapline.http.beside import gate_of, serving
from pcapline.inventory import inventory_faults
from pcapline.rereading import Rereading
from pcapline.wiring import Purpose, opened_store, store_files, store_kind
from pcapline.worker import Place
from pcapline.workers import Workers
from schema.errors import PermissionDeniedError, SettingsError
from schema.settings import Settings, StoreSettings


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
        directory=request.directory, sensor=request.sensor, telemetry=telemetry.remote, clock=world.clock, tell=world.tell
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
