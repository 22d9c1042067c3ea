"""The deep decoder: tshark explains packets that it is asked about, one at a time. ◄ door to pyshark

Never a whole capture goes through it. pyshark leaks its process when an iteration stops early, so that every look is closed
here, whatever happens, and its exceptions end here too.
"""

import io
import shutil
from contextlib import closing, redirect_stderr
from pathlib import Path
from typing import Any

from schema.errors import CaptureError, SettingsError


def explain_packet(path: Path, frame: int) -> str:
    """Everything tshark says of one packet (frames count from 1), layer by layer, a line a field.

    Raises `SettingsError` where tshark or pyshark is missing, `CaptureError` where there is no such packet.
    """
    packet = _packet(path, frame)
    lines: list[str] = []
    for layer in packet.layers:
        lines.append(f"[{layer.layer_name}]")
        lines += [f"  {_field_text(layer, name)}" for name in layer.field_names]
    return "\n".join(lines)


def _field_text(layer: Any, name: str) -> str:
    field = layer.get_field(name)
    shown = getattr(field, "showname", None) or f"{name}: {field}"
    return shown if shown.isprintable() else ascii(shown)[1:-1]


def _packet(path: Path, frame: int) -> Any:
    if shutil.which("tshark") is None:
        raise SettingsError("the deep decoder needs tshark: sudo apt-get install --no-install-recommends tshark")
    try:
        import pyshark  # here: it costs a tenth of a second, and only the deep decoder needs it
        from pyshark.capture.capture import TSharkCrashException
    except ImportError as error:
        raise SettingsError(f"the deep decoder needs pyshark ({error}): pip install 'pcapline[deep]'") from error
    with path.open("rb"):  # tshark's own message would name a process, not the file
        pass
    capture = pyshark.FileCapture(
        str(path), keep_packets=False, display_filter=f"frame.number=={frame}", custom_parameters=["-c", str(frame)]
    )
    with closing(capture), redirect_stderr(io.StringIO()):  # tshark warns about running as root
        try:
            return next(iter(capture))
        except StopIteration:
            raise CaptureError("no_such_frame", f"{path}: no packet {frame}; the capture is shorter, or it is none") from None
        except TSharkCrashException as error:
            raise CaptureError("unreadable", f"{path}: tshark cannot read it ({error})") from error
