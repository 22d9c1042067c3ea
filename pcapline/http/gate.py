"""The web configuration in force: read at the start, looked at again while the process runs, with its certificates."""

import hashlib
import logging
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pcapline.http.access import Passwords
from pcapline.http.config import TlsConfig, WebConfig, web_config
from pcapline.http.telemetry import WebCounts
from schema.errors import PcaplineError, PermissionDeniedError, SettingsError

_LOG = logging.getLogger(__name__)
_LARGEST = 1 << 20  # bytes of a file that can be meant
_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_CLIENT_AUTH = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}


class WebGate:
    """What `--web.config.file` says now. May be asked from any thread."""

    def __init__(
        self,
        file: Path | None = None,
        *,
        look_every_s: float = 1.0,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Without a file nobody is asked who they are, and there is no TLS. `clock` gives Unix time, and `monotonic` how much
        of it passes, whatever is done to the clock. Raises `SettingsError` or `PermissionDeniedError` where the file, or one
        that it names, cannot be used."""
        self._file, self._clock, self._monotonic, self._every_s = file, clock, monotonic, look_every_s
        self._lock = threading.Lock()
        self._looked_at = monotonic()
        self._seen = b""
        self.passwords, self.counts = Passwords(), WebCounts()
        self.config = WebConfig()
        self._context: ssl.SSLContext | None = None
        if file is not None:
            self._seen = _mark(file)
            self.config, self._context = _read(file)
        self.counts.reloaded(clock())

    @property
    def scheme(self) -> str:
        """Of its addresses: http or https, from the start to the end of the process."""
        return "https" if self.config.tls else "http"

    def tls(self) -> ssl.SSLContext | None:
        """A context whose new connections follow the newest certificate; None: no TLS."""
        return None if self._context is None else _Newest.of(lambda: self._context)

    @property
    def is_due(self) -> bool:
        """Whether `look` would read files."""
        return self._file is not None and self._monotonic() - self._looked_at >= self._every_s

    def look(self) -> None:
        """Take what has changed. What is wrong is told and counted once, and what was in force stays in force."""
        with self._lock:
            if not self.is_due:
                return
            self._looked_at = self._monotonic()
            if _mark(self._file) == self._seen:  # type: ignore[arg-type]  # due: there is a file
                return
            try:
                self._take()
            except PcaplineError as error:
                _LOG.warning("web configuration: %s; the one before stays in force", error)
            else:
                _LOG.info("web configuration: read anew")

    def reload(self) -> None:
        """Read it now. Raises `SettingsError` or `PermissionDeniedError`; then what was in force stays in force."""
        with self._lock:
            self._take()

    def _take(self) -> None:
        try:
            if self._file is not None:
                self._seen = _mark(self._file)
                config, context = _read(self._file)
                if (config.tls is None) != (self.config.tls is None):
                    raise SettingsError(f"{self._file}: tls_server_config came or went: that needs a restart")
                self.config, self._context = config, context
        except PcaplineError:
            self.counts.reload_failed()
            raise
        self.counts.reloaded(self._clock())


class _Newest(ssl.SSLContext):
    """Hands each new connection to the context that is the newest then."""

    _newest: Callable[[], ssl.SSLContext]

    @classmethod
    def of(cls, newest: Callable[[], Any]) -> "_Newest":
        context = cls(ssl.PROTOCOL_TLS_SERVER)
        context._newest = newest
        return context

    def wrap_bio(self, *bios: Any, **how: Any) -> ssl.SSLObject:
        return self._newest().wrap_bio(*bios, **how)


def _read(file: Path) -> tuple[WebConfig, ssl.SSLContext | None]:
    content = _content(file)
    try:
        config = web_config(content.decode(), file.absolute().parent)
        return config, None if config.tls is None else _context(config.tls)
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: not UTF-8: {error}") from error
    except SettingsError as error:
        raise SettingsError(f"{file}: {error}") from error


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST + 1)
    except PermissionError as error:
        raise PermissionDeniedError(f"{file} cannot be read: give this user access to it") from error
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from error
    if len(content) > _LARGEST:
        raise SettingsError(f"{file}: larger than {_LARGEST} bytes")
    return content


def _mark(file: Path) -> bytes:
    """Of the contents of the file and of those it names, or of why they cannot be read."""
    mark = hashlib.sha256()
    try:
        text = _content(file)
        mark.update(text)
        tls = web_config(text.decode(), file.absolute().parent).tls
        for named in (tls.cert_file, tls.key_file, tls.client_ca_file) if tls else ():
            mark.update(b"" if named is None else hashlib.sha256(_content(named)).digest())
    except (PcaplineError, UnicodeDecodeError) as error:
        mark.update(str(error).encode())
    return mark.digest()


def _context(tls: TlsConfig) -> ssl.SSLContext:
    for file in (tls.cert_file, tls.key_file, tls.client_ca_file):
        if file is not None:
            _content(file)  # what is wrong with a file is told by its name
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version, context.maximum_version = _VERSIONS[tls.min_version], _VERSIONS[tls.max_version]
    try:
        context.load_cert_chain(tls.cert_file, tls.key_file, _no_password)
    except ssl.SSLError as error:
        why = "are not a certificate and its key, in PEM"
        raise SettingsError(f"{tls.cert_file} and {tls.key_file} {why} ({error.reason or error})") from error
    except OSError as error:  # gone since it was read above
        raise SettingsError(f"{tls.cert_file} and {tls.key_file}: {error.strerror}") from error
    context.verify_mode = _CLIENT_AUTH[tls.client_auth_type]
    if tls.client_ca_file is not None:
        try:
            context.load_verify_locations(tls.client_ca_file)
        except ssl.SSLError as error:
            raise SettingsError(f"{tls.client_ca_file} holds no certificates in PEM ({error.reason or error})") from error
        except OSError as error:
            raise SettingsError(f"{tls.client_ca_file}: {error.strerror}") from error
    return context


def _no_password() -> str:
    """OpenSSL would ask on the terminal."""
    raise SettingsError("key_file is encrypted: give a key without a password, readable by this user alone")
