"""One packet as tshark explains it, layer by layer. ◄ door to pyshark

tshark is given this one packet and nothing else, so that it is the packet meant whatever the capture is compressed with and
wherever tshark would begin to count again behind a corrupt place. pyshark leaks its process when an iteration stops early, so
that every look is closed here, whatever happens, and its exceptions end here too.
"""

import io
import shutil
from collections.abc import Iterator
from contextlib import closing, redirect_stderr
from dataclasses import dataclass
from tempfile import NamedTemporaryFile
from typing import Any

from loader.decode import layout
from loader.decode.held import HeldFrame
from loader.reading.deep import INSTALL
from loader.reading.framefile import write_frames
from schema.errors import CaptureError, SettingsError


@dataclass(frozen=True, slots=True)
class Layer:
    """A protocol of the packet, and what each of its fields says."""

    name: str
    fields: list[str]


def layers_of(frame: HeldFrame) -> list[Layer]:
    """Everything tshark says of a packet.

    Raises `SettingsError` where tshark or pyshark is missing, `CaptureError` where tshark fails, or the packet is
    one of an unknown interface.
    """
    return [Layer(layer.layer_name, list(_texts(layer))) for layer in _packet(frame).layers]


def _texts(layer: Any) -> Iterator[str]:
    """A text a field, but for those that repeat others for tshark's filters."""
    for name in layer.field_names:
        field = layer.get_field(name)
        if not getattr(field, "hide", False):
            shown = getattr(field, "showname", None) or f"{name}: {field}"
            yield shown if shown.isprintable() else ascii(shown)[1:-1]


def _packet(frame: HeldFrame) -> Any:
    if shutil.which("tshark") is None:
        raise SettingsError(f"tshark, which explains the layers, is missing: {INSTALL}")
    try:
        import pyshark  # here: it costs a tenth of a second
        from pyshark.capture.capture import TSharkCrashException
    except ImportError as error:
        raise SettingsError(f"tshark is asked through pyshark ({error}): pip install 'pcapline[deep]'") from error
    if frame.link_type == layout.LINK_UNKNOWN:
        raise CaptureError("unexplained", f"packet {frame.frame} has no link type: its interface is not described")
    with NamedTemporaryFile(prefix="pcapline-", suffix=".pcapng") as file:
        write_frames(file, [frame])
        file.flush()
        capture = pyshark.FileCapture(file.name, keep_packets=False, custom_parameters=["-n"])
        with closing(capture), redirect_stderr(io.StringIO()):  # tshark warns about running as root
            try:
                return next(iter(capture))
            except (StopIteration, TSharkCrashException) as error:
                raise CaptureError("unexplained", f"tshark cannot read packet {frame.frame} ({error!r})") from error
