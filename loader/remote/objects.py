"""Objects of one bucket, whoever keeps it: S3, Google, Azure or a local folder. The only door to obstore."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import obstore
from obstore.exceptions import BaseError, InvalidPathError
from obstore.store import from_url

from loader.remote.port import ObjectVersion, SourceAwayError
from schema.errors import SettingsError

_PAGE = 1000  # objects of a listing in memory
_CHUNK = 1 << 20  # bytes
_RETRIES = 2  # of the library; after that the caller waits, and tells
_MAX_TOLD = 300
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Found:
    """An object and its state."""

    key: str
    version: ObjectVersion


class Bucket:
    """Every method raises `SourceAwayError` where the bucket cannot be had, or refuses us."""

    def __init__(self, url: str, options: Mapping[str, object], timeout_s: float) -> None:
        """`url`: scheme://bucket; `options`: keys of obstore, added to what the environment says (AWS_..., GOOGLE_...,
        AZURE_...). Raises `SettingsError`."""
        self._url = url
        try:
            self._store: Any = _opened(url, options, timeout_s)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            # a panic of the library, as an unhappy combination of keys gives, is no `Exception`
            raise SettingsError(f"{url} cannot be opened: {_first_line(error)}; see remote.objects_options") from error

    def objects(self, prefix: str) -> Iterator[Found]:
        """All objects below a prefix, a page at a time; a local folder's in no order."""
        pages = iter(obstore.list(self._store, prefix, chunk_size=_PAGE))
        while (page := self._asked(lambda: next(pages, None))) is not None:
            for meta in page:
                yield Found(meta["path"], _version(meta))

    def look(self, key: str) -> ObjectVersion | None:
        """The state of an object; None where there is none."""
        try:
            return _version(self._asked(lambda: obstore.head(self._store, key)))
        except FileNotFoundError:
            return None

    def read(self, key: str, offset: int) -> tuple[ObjectVersion, Iterator[bytes]]:
        """The state of an object and its bytes from there on. Raises `FileNotFoundError`."""
        result = self._asked(lambda: obstore.get(self._store, key, options={"range": {"offset": offset}} if offset else None))
        return _version(result.meta), self._chunks(result)

    def _chunks(self, result: Any) -> Iterator[bytes]:
        chunks = result.stream(min_chunk_size=_CHUNK)
        while (chunk := self._asked(lambda: next(chunks, None))) is not None:
            yield bytes(chunk)

    def move(self, key: str, place: str) -> None:
        """Give an object another key, in place of what has it. Raises `FileNotFoundError`."""
        self._asked(lambda: obstore.rename(self._store, key, place))

    def delete(self, key: str) -> None:
        """Delete an object."""
        self._asked(lambda: obstore.delete(self._store, key))

    def _asked(self, question: Callable[[], Answer]) -> Answer:
        try:
            return question()
        except FileNotFoundError:
            raise
        except InvalidPathError as error:  # the library gives up the whole listing for one such key
            what = "an object has a key that cannot be listed: rename or remove it, nothing else is loaded until then"
            raise SourceAwayError(f"{self._url}: {what} ({_first_line(error)})") from error
        except (BaseError, OSError, ValueError) as error:
            raise SourceAwayError(f"{self._url}: {_first_line(error)}") from error


def _opened(url: str, options: Mapping[str, object], timeout_s: float) -> object:
    if url.startswith("file:"):
        return from_url(url)
    told: dict[str, Any] = {key: str(value) for key, value in options.items()}
    client: dict[str, Any] = {"timeout": timedelta(seconds=timeout_s), "connect_timeout": timedelta(seconds=min(timeout_s, 5))}
    if _speaks_plainly(options):
        client["allow_http"] = True
    retries: dict[str, Any] = {"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=timeout_s)}
    return from_url(url, config=told, client_options=client, retry_config=retries)  # type: ignore[call-overload]


def _speaks_plainly(options: Mapping[str, object]) -> bool:
    """Whether the operator named an endpoint without TLS."""
    return any(str(value).startswith("http://") for key, value in options.items() if key.endswith("endpoint"))


def _version(meta: Any) -> ObjectVersion:
    return ObjectVersion(size=meta["size"], modified=meta["last_modified"], etag=meta["e_tag"])


def _first_line(error: BaseException) -> str:
    line = str(error).strip().partition("\n")[0] or type(error).__name__
    return "".join(letter if letter.isprintable() else "?" for letter in line[:_MAX_TOLD])
