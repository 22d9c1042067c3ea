"""The file of `--web.config.file`, as exporter-toolkit writes it, with two sections of our own. The only door to yaml.

tls_server_config: {cert_file: server.crt, key_file: server.key}
basic_auth_users: {alice: $2y$10$...}                    # bcrypt
pcapline_operators: [alice]                              # the others of them read
pcapline_tokens: [{name: grafana, role: read, sha256: 9f86d0...}]
"""

import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from schema.errors import SettingsError

_BCRYPT = re.compile(r"\$2[abxy]\$(\d\d)\$[./A-Za-z0-9]{53}")
_BCRYPT_COSTS = range(4, 19)  # one check at the last takes half a minute
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_HEADERS = {  # those that the toolkit lets be set, and the values it lets them have; none: any
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
_CLIENT_AUTH = ("NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
_VERSIONS = ("TLS12", "TLS13")
# Keys of the toolkit that mean something here that cannot be done; each with what to do instead.
_NOT_HERE = {
    "tls_server_config.cert": "give cert_file",
    "tls_server_config.key": "give key_file",
    "tls_server_config.client_ca": "give client_ca_file",
    "tls_server_config.client_allowed_sans": "give client_ca_file an authority that signs nobody else",
    "tls_server_config.cipher_suites": "OpenSSL's own choice is used; give min_version: TLS13 to narrow it",
    "tls_server_config.prefer_server_cipher_suites": "OpenSSL's own choice is used",
    "tls_server_config.curve_preferences": "OpenSSL's own choice is used",
    "rate_limit": "requests in flight are bounded anyway",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """`tls_server_config`; paths as they are opened."""

    cert_file: Path
    key_file: Path
    client_auth_type: str = "NoClientCert"
    client_ca_file: Path | None = None
    min_version: str = "TLS12"
    max_version: str = "TLS13"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token, known by its hash alone."""

    name: str
    operates: bool
    sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WebConfig:
    """All of the file. Where it has neither users nor tokens, nobody is asked who they are."""

    tls: TlsConfig | None = None
    users: Mapping[str, bytes] = field(default_factory=dict)  # name -> bcrypt hash
    operators: frozenset[str] = frozenset()  # users that may change something
    tokens: tuple[Token, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)  # beside those of each answer

    @property
    def asks(self) -> bool:
        """Whether requests have to say who they are."""
        return bool(self.users or self.tokens)

    @property
    def lets_anyone_in(self) -> bool:
        """Whether whoever reaches the address is answered: neither the request nor the connection says who they are."""
        return not self.asks and (self.tls is None or self.tls.client_auth_type != "RequireAndVerifyClientCert")


def web_config(text: str, beside: Path) -> WebConfig:
    """Of the file's text; `beside`: the directory where relative paths begin. Raises `SettingsError` with the key at fault."""
    try:
        document = yaml.load(text, _Loader)  # a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # no such day, a number too long, brackets without end
        raise SettingsError(f"not YAML: {' '.join(str(error).split())}") from error
    parts = _keys(
        {} if document is None else document,
        "",
        ("tls_server_config", "http_server_config", "basic_auth_users", "pcapline_operators", "pcapline_tokens"),
    )
    users = _users(parts.get("basic_auth_users") or {})
    return WebConfig(
        tls=_tls(parts["tls_server_config"], beside) if parts.get("tls_server_config") else None,
        users=users,
        operators=_operators(parts.get("pcapline_operators") or [], users),
        tokens=_tokens(parts.get("pcapline_tokens") or []),
        headers=_http_headers(parts.get("http_server_config") or {}),
    )


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice: of two hashes for one user, which is meant?"""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := next((key for place, key in enumerate(keys) if key in keys[:place]), None):
            raise yaml.constructor.ConstructorError(None, None, f"{twice} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _keys(value: object, where: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    """A mapping that has no other keys than these."""
    prefix = f"{where}." if where else ""
    if not isinstance(value, dict):
        raise SettingsError(f"{where or 'the file'}: expected keys ({', '.join(known)}), not {value!r}")
    for key in value:
        if instead := _NOT_HERE.get(f"{prefix}{key}"):
            raise SettingsError(f"{prefix}{key} cannot be set here: {instead}")
        if key not in known:
            near = get_close_matches(str(key), known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            raise SettingsError(f"unknown key {prefix}{key}; {hint}")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise SettingsError(f"{where}: expected text, not {value!r}")
    if "\0" in value:
        raise SettingsError(f"{where}: holds a NUL")
    return value


def _one_of(value: object, where: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise SettingsError(f"{where} is {value!r}: give one of {', '.join(allowed)}")
    return str(value)


def _tls(value: object, beside: Path) -> TlsConfig:
    where = "tls_server_config"
    known = ("cert_file", "key_file", "client_auth_type", "client_ca_file", "min_version", "max_version")
    given = _keys(value, where, known)
    for key in ("cert_file", "key_file"):
        if not given.get(key):
            raise SettingsError(f"{where}.{key} is missing")
    tls = TlsConfig(
        cert_file=beside / _text(given["cert_file"], f"{where}.cert_file"),
        key_file=beside / _text(given["key_file"], f"{where}.key_file"),
        client_auth_type=_one_of(given.get("client_auth_type") or "NoClientCert", f"{where}.client_auth_type", _CLIENT_AUTH),
        client_ca_file=beside / _text(given["client_ca_file"], f"{where}.client_ca_file")
        if given.get("client_ca_file")
        else None,
        min_version=_one_of(given.get("min_version") or "TLS12", f"{where}.min_version", _VERSIONS),
        max_version=_one_of(given.get("max_version") or "TLS13", f"{where}.max_version", _VERSIONS),
    )
    if (tls.client_auth_type == "NoClientCert") != (tls.client_ca_file is None):
        raise SettingsError(f"{where}: client_auth_type and client_ca_file need one another")
    if tls.min_version > tls.max_version:
        raise SettingsError(f"{where}: min_version is above max_version")
    return tls


def _users(value: object) -> dict[str, bytes]:
    if not isinstance(value, dict):
        raise SettingsError(f"basic_auth_users: expected NAME: HASH, not {value!r}")
    return {_user_name(name): _bcrypt_hash(hashed, f"basic_auth_users.{name}") for name, hashed in value.items()}


def _user_name(name: object) -> str:
    if ":" in _text(name, "basic_auth_users"):
        raise SettingsError(f"basic_auth_users.{name}: a name has no colon")
    return str(name)


def _bcrypt_hash(value: object, where: str) -> bytes:
    match = _BCRYPT.fullmatch(_text(value, where))
    if match is None:  # the value is not told: it may be the password itself
        raise SettingsError(f"{where}: no bcrypt hash; `htpasswd -nBC 10 ''` makes one")
    if int(match[1]) not in _BCRYPT_COSTS:
        raise SettingsError(f"{where}: its cost is {match[1]}: give {_BCRYPT_COSTS[0]} to {_BCRYPT_COSTS[-1]}; 10 is usual")
    return match[0].encode()


def _operators(value: object, users: Mapping[str, bytes]) -> frozenset[str]:
    if not isinstance(value, list):
        raise SettingsError(f"pcapline_operators: expected a list of users, not {value!r}")
    for name in value:
        if _text(name, "pcapline_operators") not in users:
            raise SettingsError(f"pcapline_operators: {name!r} is none of basic_auth_users")
    return frozenset(value)


def _tokens(value: object) -> tuple[Token, ...]:
    if not isinstance(value, list):
        raise SettingsError(f"pcapline_tokens: expected a list of name, role, sha256, not {value!r}")
    tokens = tuple(_token(one, f"pcapline_tokens[{place}]") for place, one in enumerate(value))
    _refuse_twice([token.name for token in tokens], str)
    _refuse_twice([token.sha256 for token in tokens], bytes.hex)
    return tokens


def _refuse_twice(values: list[Any], shown: Callable[[Any], str]) -> None:
    for place, value in enumerate(values):
        if value in values[:place]:
            raise SettingsError(f"pcapline_tokens: {shown(value)} stands twice")


def _token(value: object, where: str) -> Token:
    given = _keys(value, where, ("name", "role", "sha256"))
    digest = _text(given.get("sha256"), f"{where}.sha256")
    if not _SHA256.fullmatch(digest):
        raise SettingsError(f"{where}.sha256: not 64 hexadecimal digits; `printf %s TOKEN | sha256sum` makes them")
    return Token(
        name=_text(given.get("name"), f"{where}.name"),
        operates=_one_of(given.get("role"), f"{where}.role", ("read", "operate")) == "operate",
        sha256=bytes.fromhex(digest),
    )


def _http_headers(value: object) -> dict[str, str]:
    given = _keys(value, "http_server_config", ("http2", "headers"))
    if not isinstance(given.get("http2", False), bool):
        raise SettingsError(f"http_server_config.http2: expected true or false, not {given['http2']!r}")
    headers = _keys(given.get("headers") or {}, "http_server_config.headers", tuple(_HEADERS))
    for name, text in headers.items():
        where = f"http_server_config.headers.{name}"
        if allowed := _HEADERS[name]:
            _one_of(text, where, allowed)
        elif not _text(text, where).isprintable() or not text.isascii():
            raise SettingsError(f"{where}: not one line of ASCII")
    return dict(headers)
