"""The web configuration: what prometheus/exporter-toolkit accepts, our own keys, and what is refused, by name."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcapline.http.config import TlsConfig, WebConfig, web_config
from schema.errors import SettingsError

BESIDE = Path("/etc/pcapline")
HASH = "$2b$04$" + "a" * 53
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
EVERYTHING = f"""
tls_server_config:
  cert_file: server.crt
  key_file: /secret/server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.crt
  min_version: TLS13
http_server_config:
  http2: true
  headers: {{X-Frame-Options: deny, Strict-Transport-Security: max-age=31536000}}
basic_auth_users:
  alice: {HASH}
  bob: {HASH}
pcapline_operators: [alice]
pcapline_tokens:
  - {{name: grafana, role: read, sha256: {SHA256}}}
"""


def read(text: str) -> WebConfig:
    return web_config(text, BESIDE)


def test_all_of_it() -> None:
    config = read(EVERYTHING)
    assert config.tls == TlsConfig(
        cert_file=BESIDE / "server.crt",
        key_file=Path("/secret/server.key"),
        client_auth_type="RequireAndVerifyClientCert",
        client_ca_file=BESIDE / "ca.crt",
        min_version="TLS13",
    )
    assert config.users == {"alice": HASH.encode(), "bob": HASH.encode()}
    assert config.operators == {"alice"}
    assert [(token.name, token.operates, token.sha256.hex()) for token in config.tokens] == [("grafana", False, SHA256)]
    assert config.headers == {"X-Frame-Options": "deny", "Strict-Transport-Security": "max-age=31536000"}
    assert config.asks


@pytest.mark.parametrize("text", ["", "# nothing\n", "basic_auth_users:\n", "http_server_config: {http2: false}"])
def test_nothing_of_it(text: str) -> None:
    assert read(text) == WebConfig()
    assert not read(text).asks


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tls_server_conf: {}", "unknown key tls_server_conf; did you mean tls_server_config?"),
        ("tls_server_config: {cert_file: a, key_file: b, certfile: c}", "unknown key tls_server_config.certfile"),
        ("tls_server_config: {cert_file: a}", "tls_server_config.key_file is missing"),
        ("tls_server_config: {cert_file: a, key_file: 3}", "tls_server_config.key_file: expected text"),
        ("tls_server_config: {cert_file: a, key_file: b, min_version: TLS10}", "min_version is 'TLS10': give one of TLS12"),
        ("tls_server_config: {cert_file: a, key_file: b, min_version: TLS13, max_version: TLS12}", "is above max_version"),
        ("tls_server_config: {cert_file: a, key_file: b, client_auth_type: RequireAnyClientCert}", "client_auth_type is"),
        ("tls_server_config: {cert_file: a, key_file: b, client_ca_file: c}", "need one another"),
        ("tls_server_config: {cert_file: a, key_file: b, client_auth_type: RequireAndVerifyClientCert}", "need one another"),
        ("tls_server_config: {cert: PEM}", "tls_server_config.cert cannot be set here: give cert_file"),
        ("rate_limit: {interval: 1s}", "rate_limit cannot be set here"),
        ("basic_auth_users: [alice]", "basic_auth_users: expected NAME: HASH"),
        ("basic_auth_users: {alice: secret}", "basic_auth_users.alice: no bcrypt hash"),
        (f"basic_auth_users: {{'a:b': {HASH}}}", "basic_auth_users.a:b: a name has no colon"),
        (f"basic_auth_users: {{1: {HASH}}}", "basic_auth_users: expected text, not 1"),
        (f"basic_auth_users: {{alice: $2b$31${'a' * 53}}}", "basic_auth_users.alice: its cost is 31"),
        (f"basic_auth_users: {{alice: {HASH}, alice: {HASH}}}", "alice stands twice"),
        (f"basic_auth_users: {{alice: {HASH}}}\npcapline_operators: [bob]", "'bob' is none of basic_auth_users"),
        ("pcapline_operators: alice", "expected a list of users"),
        ("pcapline_tokens: {name: a}", "pcapline_tokens: expected a list"),
        ("pcapline_tokens: [{name: a, role: read, sha256: abc}]", r"pcapline_tokens\[0\].sha256: not 64 hex"),
        (f"pcapline_tokens: [{{name: a, role: root, sha256: {SHA256}}}]", "role is 'root': give one of read, operate"),
        (f"pcapline_tokens: [{{name: a, role: read, sha256: {SHA256}, token: x}}]", r"unknown key pcapline_tokens\[0\].token"),
        (f"pcapline_tokens: [{', '.join([f'{{name: a, role: read, sha256: {SHA256}}}'] * 2)}]", "a stands twice"),
        ("http_server_config: {http2: maybe}", "http2: expected true or false"),
        ("http_server_config: {headers: {Server: x}}", "unknown key http_server_config.headers.Server"),
        ("http_server_config: {headers: {X-Frame-Options: maybe}}", "X-Frame-Options is 'maybe'"),
        ('http_server_config: {headers: {X-XSS-Protection: "1\\r\\nSet-Cookie: a"}}', "not one line of ASCII"),
        ("[1, 2]", "the file: expected keys"),
        ("pcapline_operators: [[alice]]", "pcapline_operators: expected text"),
        ('tls_server_config: {cert_file: "a\\0b", key_file: b}', "tls_server_config.cert_file: holds a NUL"),
        ("a: [", "not YAML"),
        ("a: 2026-13-45", "not YAML"),
        ("[" * 2000, "not YAML"),
        ("a: !!python/object/apply:os.system [true]", "not YAML"),
    ],
)
def test_what_is_refused_is_named(text: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        read(text)


def test_what_may_be_a_password_is_not_told() -> None:
    with pytest.raises(SettingsError) as refused:
        read("basic_auth_users: {alice: hunter2}")
    assert "hunter2" not in str(refused.value)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(SettingsError):
        read(text)
