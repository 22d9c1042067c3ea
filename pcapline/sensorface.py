"""The sensor's HTTP face, beside its capturing. Needs the libraries of the extra `web`: nothing else of a sensor imports it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Event

from capture.settings import CaptureSettings
from capture.telemetry import SensorTelemetry
from capture.writing import Journal
from pcapline import __version__
from pcapline.http import HttpFace
from pcapline.http.beside import gate_of, serving
from pcapline.rereading import Rereading
from schema.settings import Settings


def sensor_face(
    settings: Settings, journal: Journal, bound: Callable[[str], None], read: Callable[[], Settings]
) -> AbstractContextManager[None]:
    """Serves what `journal` counts while the block runs; `bound` gets the address. `read`: the settings as they are by then."""
    own = settings.of(CaptureSettings)
    telemetry = SensorTelemetry(journal, own.name, __version__)
    rereading = Rereading(settings, read, ("capture",))

    def reload() -> None:
        rereading.settings()

    face = HttpFace(
        name="pcapline sensor",
        version=__version__,
        metrics=telemetry.expose,
        ready=telemetry.ready,
        gate=gate_of(own.web_config),
        reload=reload,
    )
    # An event of its own: a face that fails is no reason to capture no more.
    return serving(own.listen, face, Event(), bound)
