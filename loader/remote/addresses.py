"""URLs of buckets and topics, and which objects may become files of the spool. Pure; what is refused may be hostile."""

from dataclasses import dataclass
from pathlib import Path

from loader.remote.port import RefusedError
from loader.spool.files import sensor_of
from schema.capture_names import SENSOR_NAME_RULE, is_sensor_name
from schema.errors import SettingsError

OBJECT_SCHEMES = ("s3", "gs", "az", "file")
KAFKA_SCHEME = "kafka"
_EXAMPLE = "s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX or file:///DIR/PREFIX"
_SPOOL = Path("spool")  # any folder: the spool's own rule says which names in it are captures
MAX_NAME = 200  # bytes; file systems take 255, and the archive may put a number behind it
_BEHIND = 40  # bytes, that what was dealt with may have more: `.quarantine`, or `.archive` and `.TIME-SIZE`
MAX_KEY = 1024 - _BEHIND  # bytes; the limit of S3, less those


@dataclass(frozen=True, slots=True)
class ObjectsAddress:
    """Objects below one prefix of one bucket."""

    url: str  # scheme://bucket/prefix, without a slash behind it
    bucket: str  # scheme://bucket
    prefix: str

    def key_of(self, url: str) -> str | None:
        """The key of an object below it; None for any other."""
        below = self.url + "/"
        return f"{self.prefix}/{url.removeprefix(below)}" if url.startswith(below) else None

    def place(self, kind: str, key: str) -> str:
        """Where an object goes that was dealt with: beside the prefix, so that it is not listed."""
        return f"{self.prefix}.{kind}/{key.removeprefix(self.prefix + '/')}"


@dataclass(frozen=True, slots=True)
class KafkaAddress:
    """A topic."""

    brokers: str  # HOST:PORT[,HOST:PORT...]
    topic: str


def parse_source(url: str) -> ObjectsAddress | KafkaAddress:
    """What `--from` names; raises `SettingsError`."""
    if url.partition("://")[0] == KAFKA_SCHEME:
        brokers, _, topic = url.removeprefix(f"{KAFKA_SCHEME}://").partition("/")
        if not brokers or not topic or "/" in topic:
            raise SettingsError(f"{url!r} names no topic: give kafka://HOST:PORT[,HOST:PORT...]/TOPIC")
        return KafkaAddress(brokers, topic)
    return parse_objects(url)


def parse_objects(url: str) -> ObjectsAddress:
    """A bucket and a prefix in it; raises `SettingsError`."""
    scheme, divided, rest = url.rstrip("/").partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme == "file":  # the folder above it is the bucket
        above, _, prefix = rest.rpartition("/")
        bucket = above or "/"
    if not divided or scheme not in OBJECT_SCHEMES or not bucket or not prefix or _is_odd_key(prefix):
        raise SettingsError(f"{url!r} names no prefix of a bucket: give {_EXAMPLE}, or kafka://HOST:PORT/TOPIC")
    return ObjectsAddress(f"{scheme}://{rest}", f"{scheme}://{bucket}", prefix)


def listed_place(below: str, default_sensor: str) -> tuple[str, str] | None:
    """Sensor and name of an object by its key below the prefix: `SENSOR/NAME` or `NAME`; None for what is no capture by its
    name (hidden, unfinished, a sensor's note). Raises `RefusedError`."""
    folder, _, name = below.rpartition("/")
    if any(part.startswith(".") for part in below.split("/")) or _is_passed_over(name):
        return None
    if "/" in folder:
        raise RefusedError("nested", "objects go in PREFIX/SENSOR/, not below it")
    sensor = folder or default_sensor
    refuse_bad_names(sensor, name)
    return sensor, name


def refuse_bad_names(sensor: str, name: str) -> None:
    """Raises `RefusedError` for a sensor or a file name that the spool cannot have."""
    if not is_sensor_name(sensor):
        raise RefusedError("bad_sensor", f"{sensor[:80]!r} cannot name a sensor: {SENSOR_NAME_RULE}")
    if not name or "/" in name or not name.isprintable() or _is_passed_over(name):
        raise RefusedError("bad_name", f"{name[:80]!r} cannot be the name of a capture")
    if len(name.encode(errors="replace")) > MAX_NAME:
        raise RefusedError("bad_name", f"{name[:40]!r}... is longer than {MAX_NAME} bytes")


def refuse_bad_key(key: str) -> None:
    """Raises `RefusedError` for a key that no honest object has."""
    if _is_odd_key(key):
        raise RefusedError("bad_name", f"{key[:80]!r} cannot be the key of a capture")


def _is_odd_key(key: str) -> bool:
    odd = any(part in ("", ".", "..") for part in key.split("/"))
    return odd or not key.isprintable() or len(key.encode(errors="replace")) > MAX_KEY


def _is_passed_over(name: str) -> bool:
    """Whether the spool would not take it for a capture: hidden, unfinished, a sensor's note."""
    return sensor_of(_SPOOL / name.replace("/", "_"), _SPOOL, "any") is None
