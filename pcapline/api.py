"""What the JSON API is given from other rooms: why rows are named so, what names mean, and the store it reads."""

from collections.abc import Callable
from threading import Event
from typing import TYPE_CHECKING

from exporter.api.service import Api
from exporter.api.world import Helpers
from exporter.service import ExporterService
from exporter.snapshot import Snapshot
from loader.settings import LoaderSettings
from pcapline import __version__
from schema.errors import SettingsError
from schema.objects import Object
from schema.settings import Settings
from schema.store.reading import StoreReader

if TYPE_CHECKING:
    from exporter.api.world import Lineage


def exporter_api(service: ExporterService, settings: Settings, open_reader: Callable[[], StoreReader], stop: Event) -> Api:
    """The API of an exporter; `open_reader` opens a reader of its store that writes nothing."""
    helpers = Helpers(
        version=__version__,
        dns_spelling=_dns_spelling,
        registered_domain=_registered_domain,
        lineage=_lineage_by(settings),
        check_soon=service.check_soon,
    )

    def snapshot() -> Snapshot:
        return service.snapshot

    return Api(snapshot=snapshot, open_reader=open_reader, helpers=helpers, ended=stop.wait)


def _dns_spelling(name: str) -> str:
    try:
        from loader.rows.domains import a_labels
    except ImportError as error:
        raise _needs_loader("names of other letters than ASCII's", error) from error
    return a_labels(name)


def _registered_domain(name: str) -> str | None:
    try:
        from loader.rows.domains import registered_domain
    except ImportError as error:
        raise _needs_loader("names below a domain", error) from error
    return registered_domain(name)


def _lineage_by(settings: Settings) -> "Lineage":
    """As `pcapline explain ROW` tells it, with the inventory file of today."""

    def told(reader: StoreReader, row: tuple[bytes, int, bytes]) -> Object | None:
        try:
            from loader.commit.sensornames import inventory_of
            from loader.review.lineage import lineage_of
        except ImportError as error:
            raise _needs_loader("the lineage of a row", error) from error
        from pcapline.lineage import lineage_object

        inventory = inventory_of(settings.of(LoaderSettings), lambda _: None)()
        lineage = lineage_of(reader, *row, inventory.name_of)
        return None if lineage is None else lineage_object(lineage, None, None)

    return told


def _needs_loader(what: str, error: ImportError) -> SettingsError:
    return SettingsError(f"{what} need a library of the loader's ({error}): pip install 'pcapline[loader]'")
