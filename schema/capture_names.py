"""Names of the files that a sensor hands over: `SENSOR-20261120T130455.123456789Z-0000000042.pcap`.

The capture room writes them, the loader's spool reads them; both agree here. The time is UTC and keeps names apart when
a sensor has lost its count; the sequence (one a file, without a hole) is the order in which the sensor made its files.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from schema.records import STANDALONE_SENSOR

SENSOR_NAME_RULE = "1-64 letters, digits, '.', '_' or '-', beginning with a letter or digit, and not 'standalone'"
_SENSOR = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_SENSOR_NAME = re.compile(_SENSOR)
_CAPTURE_NAME = re.compile(
    rf"(?P<sensor>{_SENSOR})-(?P<second>[0-9]{{8}}T[0-9]{{6}})\.(?P<ns>[0-9]{{9}})Z-(?P<sequence>[0-9]{{1,18}})"
    r"\.pcap(?:ng)?(?:\.(?:gz|zst|xz|bz2))?"
)
_SECOND_FORMAT = "%Y%m%dT%H%M%S"
_NS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureName:
    """What a sensor says of a file in its name."""

    sensor: str
    started_ns: int  # Unix ns: when the file was begun, by the sensor's clock
    sequence: int


def is_sensor_name(name: str) -> bool:
    """Whether a sensor may be called so (`SENSOR_NAME_RULE`)."""
    return _SENSOR_NAME.fullmatch(name) is not None and name != STANDALONE_SENSOR


def capture_name(sensor: str, started_ns: int, sequence: int) -> str:
    """The base name of a complete capture; raises `ValueError` for a sensor name that is not one."""
    if not is_sensor_name(sensor):
        raise ValueError(f"{sensor!r} is no sensor name: {SENSOR_NAME_RULE}")
    second, ns = divmod(started_ns, _NS)
    stamp = datetime.fromtimestamp(second, UTC).strftime(_SECOND_FORMAT)
    return f"{sensor}-{stamp}.{ns:09d}Z-{sequence:010d}.pcap"


def parse_capture_name(name: str) -> CaptureName | None:
    """What `capture_name` wrote, whatever compression was put behind it; None for a foreign name."""
    match = _CAPTURE_NAME.fullmatch(name)
    if match is None or not is_sensor_name(match["sensor"]):
        return None
    try:
        second = datetime.strptime(match["second"], _SECOND_FORMAT).replace(tzinfo=UTC)
    except ValueError:  # the 31st of February
        return None
    started_ns = int((second - _EPOCH).total_seconds()) * _NS + int(match["ns"])
    return CaptureName(sensor=match["sensor"], started_ns=started_ns, sequence=int(match["sequence"]))
