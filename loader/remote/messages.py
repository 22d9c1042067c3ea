"""A Kafka message as a reference: `{"sensor": ..., "url": ..., "size": ..., "etag": ...}`, the key is the sensor. Pure."""

import json
from collections.abc import Hashable, Sequence

from loader.remote.addresses import ObjectsAddress, refuse_bad_key, refuse_bad_names
from loader.remote.port import Reference, RefusedError

_MAX_MESSAGE = 65_536  # bytes
_MAX_SIZE = 1 << 53


def reference_in(
    key: bytes | None, value: bytes | None, roots: Sequence[ObjectsAddress], token: Hashable, told: str
) -> Reference:
    """What the message points to, below one of `roots`. Raises `RefusedError`, whatever the bytes are."""
    said = _object_in(value)
    sensor, url = _text(said, "sensor"), _text(said, "url")
    if key is None or key != sensor.encode(errors="replace"):
        raise RefusedError("wrong_key", "the key of a message is its sensor: without that a sensor's captures have no order")
    root, object_key = _place(url, roots)
    refuse_bad_key(object_key)
    name = object_key.rpartition("/")[2]
    refuse_bad_names(sensor, name)
    return Reference(
        token=token,
        root=root.url,
        key=object_key,
        sensor=sensor,
        name=name,
        told=f"{url} ({told})",
        size=_size(said),
        etag=None if said.get("etag") is None else _text(said, "etag"),
    )


def _object_in(value: bytes | None) -> dict[str, object]:
    if value is None or len(value) > _MAX_MESSAGE:
        raise RefusedError("bad_message", "it is empty" if value is None else f"it is longer than {_MAX_MESSAGE} bytes")
    try:
        said = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise RefusedError("not_json", "it is not JSON") from error
    if not isinstance(said, dict):
        raise RefusedError("bad_message", "it is no JSON object")
    return said


def _text(said: dict[str, object], name: str) -> str:
    text = said.get(name)
    if not isinstance(text, str) or not text:
        raise RefusedError("bad_message", f"its {name!r} is {'missing' if text is None else 'no text'}")
    return text


def _size(said: dict[str, object]) -> int | None:
    size = said.get("size")
    if size is None or (isinstance(size, int) and not isinstance(size, bool) and 0 <= size < _MAX_SIZE):
        return size
    raise RefusedError("bad_message", "its 'size' is no number of bytes")


def _place(url: str, roots: Sequence[ObjectsAddress]) -> tuple[ObjectsAddress, str]:
    for root in roots:
        key = root.key_of(url)
        if key is not None:
            return root, key
    allowed = ", ".join(root.url for root in roots)
    raise RefusedError("foreign_url", f"{url[:200]!r} is not below what remote.objects allows ({allowed})")
