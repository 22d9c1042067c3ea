"""Stands before every route: passwords, tokens, certificates; and a configuration that changes while the process runs."""

import logging
import os
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import bcrypt
import httpx
import pytest

from exporter.scrape import samples
from exporter.service import fetch
from pcapline.http import HttpFace
from pcapline.http.bounds import Bounds
from pcapline.http.gate import WebGate
from schema.errors import SettingsError, StoreUnavailableError
from tests.pcapline.web import Authority, Process, served

ALICE, BOB = ("alice", "wonder"), ("bob", "builder")
READER, OPERATOR = {"Authorization": "Bearer read it"}, {"Authorization": "Bearer run it"}


def users_and_tokens() -> str:
    hashes = {name: bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode() for name, password in (ALICE, BOB)}
    return f"""
basic_auth_users: {{alice: {hashes["alice"]}, bob: {hashes["bob"]}}}
pcapline_operators: [alice]
pcapline_tokens:
  - {{name: grafana, role: read, sha256: {sha256(b"read it").hexdigest()}}}
  - {{name: deploy, role: operate, sha256: {sha256(b"run it").hexdigest()}}}
"""


def gate_of(text: str, directory: Path) -> WebGate:
    (directory / "web.yml").write_text(text)
    return WebGate(directory / "web.yml", look_every_s=0)


@contextmanager
def asked(face: HttpFace, **how: object) -> Iterator[httpx.Client]:
    with served(face) as address, httpx.Client(base_url=address, **how) as client:  # type: ignore[arg-type]
        yield client


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[httpx.Client]:
    with asked(replace(Process().face(), gate=gate_of(users_and_tokens(), tmp_path))) as client:
        yield client


@pytest.mark.parametrize(
    ("how", "read", "reload"),
    [
        ({}, 401, 401),
        ({"auth": ALICE}, 200, 200),
        ({"auth": BOB}, 200, 403),
        ({"auth": ("bob", "wonder")}, 401, 401),
        ({"auth": ("carol", "wonder")}, 401, 401),
        ({"headers": READER}, 200, 403),
        ({"headers": OPERATOR}, 200, 200),
        ({"headers": {"Authorization": "Bearer"}}, 401, 401),
        ({"headers": {**OPERATOR, "Origin": "https://evil.example"}}, 200, 403),
    ],
)
def test_who_may_do_what(guarded: httpx.Client, how: dict[str, object], read: int, reload: int) -> None:
    for _ in range(2):  # computed, and remembered
        assert guarded.get("/telemetry", **how).status_code == read  # type: ignore[arg-type]
    answer = guarded.post("/-/reload", **how)  # type: ignore[arg-type]
    assert answer.status_code == reload
    if reload == 403:
        assert ("another site" if "Origin" in str(how) else "pcapline_operators") in answer.text


def test_whoever_is_not_known_learns_only_whether_it_runs(tmp_path: Path) -> None:
    process = Process()
    with asked(replace(process.face(), gate=gate_of(users_and_tokens(), tmp_path))) as client:
        assert client.get("/-/healthy").status_code == 200
        process.reason = "the store at 192.0.2.1 is away"
        assert (client.get("/-/ready").status_code, client.get("/-/ready").text) == (503, "not ready\n")
        assert client.get("/-/ready", auth=ALICE).text == "the store at 192.0.2.1 is away\n"
        for path in ("/", "/telemetry", "/nothing", "/-/healthy/../../telemetry"):
            refused = client.get(path)
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Basic realm="pcapline"')
        page = client.get("/telemetry", auth=ALICE).text
    counted = {sample.labels["reason"]: sample.value for sample in samples(page) if sample.name.endswith("refused_total")}
    assert counted == {"unauthorized": 4, "closed": 0, "forbidden": 0, "busy": 0, "too_large": 0}


def test_where_nobody_is_asked_only_this_machine_operates() -> None:
    with asked(Process().face()) as client:
        assert client.post("/-/reload").status_code == 200
        for header in ({"Origin": "https://evil.example"}, {"Host": "rebound.example"}, {"X-Forwarded-For": "192.0.2.1"}):
            assert client.post("/-/reload", headers=header).status_code == 403
            assert client.get("/telemetry", headers=header).status_code == 200


def test_headers_of_the_file_are_on_every_answer(tmp_path: Path) -> None:
    gate = gate_of("http_server_config: {headers: {X-Frame-Options: deny}}", tmp_path)
    with asked(replace(Process().face(), gate=gate)) as client:
        for path in ("/", "/telemetry", "/nothing"):
            assert client.get(path).headers["x-frame-options"] == "deny"
    none_at_all = Bounds(in_flight=0)
    with asked(replace(Process().face(), gate=gate, bounds=none_at_all)) as client:
        busy = client.get("/telemetry")
        assert (busy.status_code, busy.headers["x-frame-options"]) == (503, "deny")


def test_a_failure_of_ours_is_an_answer_like_others(tmp_path: Path) -> None:
    def fails(_accept: str) -> tuple[bytes, str]:
        raise RuntimeError

    gate = gate_of("http_server_config: {headers: {X-Frame-Options: deny}}", tmp_path)
    with asked(replace(Process().face(), gate=gate, metrics=fails)) as client:
        failed = client.get("/telemetry")
        assert (failed.status_code, failed.headers["x-frame-options"]) == (500, "deny")
    assert answered(gate) == {("/telemetry", "500"): 1}


def test_answers_are_counted_by_path_and_status(tmp_path: Path) -> None:
    gate, process = gate_of(users_and_tokens(), tmp_path), Process()
    process.reason = "the store is away"
    with asked(replace(process.face(), gate=gate), headers=OPERATOR) as client:
        for path in ("/", "/telemetry", "/-/ready", "/-/ready", "/made/up", "/api/v1/made/up"):
            client.get(path)
        client.post("/-/reload")
        client.get("/telemetry", headers={"Authorization": ""})
    assert answered(gate) == {
        ("/", "200"): 1,
        ("/telemetry", "200"): 1,
        ("/telemetry", "401"): 1,
        ("/-/ready", "503"): 2,
        ("/-/reload", "200"): 1,
        ("/api/v1", "404"): 1,
        ("other", "404"): 1,
    }


def answered(gate: WebGate) -> dict[tuple[str, str], float]:
    page, _ = gate.counts.added_to((b"", ""), "")
    found = (sample for sample in samples(page.decode()) if sample.name == "pcapline_web_answers_total")
    return {(sample.labels["path"], sample.labels["status"]): sample.value for sample in found}


def test_what_changes_something_is_logged_with_who_asked(guarded: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "pcapline.http.guard"):
        guarded.get("/telemetry", auth=ALICE)
        guarded.post("/-/reload", auth=BOB)
        guarded.post("/-/reload", auth=ALICE)
        guarded.post("/made%0aup", headers=OPERATOR)
    assert [record.getMessage() for record in caplog.records] == [
        "web: user alice asks for POST '/-/reload'",
        r"web: token deploy asks for POST '/made\nup'",
    ]


def test_files_are_looked_at_as_time_passes_whatever_the_clock_says(tmp_path: Path) -> None:
    file, now = tmp_path / "web.yml", [100.0]
    file.write_text("")
    gate = WebGate(file, look_every_s=5, clock=lambda: -now[0], monotonic=lambda: now[0])
    file.write_text(users_and_tokens())
    for passed, asks in ((4.0, False), (2.0, True)):
        now[0] += passed
        gate.look()
        assert gate.config.asks is asks


def test_a_certificate_that_goes_while_it_is_read_leaves_the_one_before(tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).sign("server")
    gate = gate_of(tls_text(certificate, key), tmp_path)
    before, another = gate.config, b"\n" + certificate.read_bytes()
    certificate.unlink()
    os.mkfifo(certificate)
    # it is read three times: whether it has changed, what it will be known by, and whether it can be read
    reads = threading.Thread(target=written_to_readers, args=(certificate, another, 3), daemon=True)
    reads.start()
    gate.look()
    reads.join(10)
    assert not certificate.exists()
    assert gate.config is before
    page, _ = gate.counts.added_to((b"", ""), "")
    assert b"pcapline_web_config_reload_failures_total 1.0" in page


def written_to_readers(pipe: Path, text: bytes, readers: int) -> None:
    """Each gets all of it; when the last one has, the path is gone."""
    for left in reversed(range(readers)):
        with pipe.open("wb") as opened:
            if left:
                os.mkfifo(pipe.with_suffix(".next"))
                pipe.with_suffix(".next").replace(pipe)
            else:
                pipe.unlink()
            opened.write(text)


def test_a_file_that_changes_is_taken_and_a_wrong_one_is_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gate, file = gate_of("", tmp_path), tmp_path / "web.yml"
    with asked(replace(Process().face(), gate=gate)) as client, caplog.at_level(logging.WARNING):
        assert client.get("/telemetry").status_code == 200
        file.write_text(users_and_tokens())
        assert client.get("/telemetry").status_code == 401
        file.write_text("basic_auth_user: {}")
        for _ in range(3):
            assert client.get("/telemetry").status_code == 401
        shown = {sample.name: sample.value for sample in samples(client.get("/telemetry", headers=READER).text)}
        assert shown["pcapline_web_config_reload_failures_total"] == 1
        assert shown["pcapline_config_last_reload_successful"] == 0
        assert [record.getMessage() for record in caplog.records] == [
            f"web configuration: {file}: unknown key basic_auth_user; did you mean basic_auth_users?; "
            "the one before stays in force"
        ]
        refused = client.post("/-/reload", headers=OPERATOR)
        assert refused.status_code == 422
        assert "did you mean basic_auth_users?" in refused.text
        file.unlink()
        assert client.get("/telemetry").status_code == 401
        file.write_text("")
        shown = {sample.name: sample.value for sample in samples(client.get("/telemetry").text)}
        assert shown["pcapline_config_last_reload_successful"] == 1


def tls_text(certificate: Path, key: Path, more: str = "") -> str:
    return f"tls_server_config: {{cert_file: {certificate}, key_file: {key.name}{more}}}"


def serial(address: str, trusted: Path) -> int:
    """Of the certificate that a new connection is shown."""
    context = ssl.create_default_context(cafile=str(trusted))
    host, port = address.removeprefix("https://").split(":")
    with socket.create_connection((host, int(port))) as plain, context.wrap_socket(plain, server_hostname=host) as secure:
        certificate = secure.getpeercert()
        assert certificate is not None
        return int(str(certificate["serialNumber"]), 16)


def test_new_connections_get_the_new_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.sign("server")
    gate = gate_of(tls_text(certificate, key), tmp_path)
    with served(replace(Process().face(), gate=gate)) as address:
        trusted = ssl.create_default_context(cafile=str(authority.file))
        with httpx.Client(base_url=address, verify=trusted) as client:
            assert client.get("/telemetry").status_code == 200
            first = serial(address, authority.file)
            certificate.write_text("half a certif")
            assert serial(address, authority.file) == first
            authority.sign("server")
            assert serial(address, authority.file) != first
            assert client.get("/telemetry").status_code == 200  # over the connection that there is
        with pytest.raises(httpx.ConnectError):
            httpx.get(address + "/telemetry")  # an authority that is not trusted
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(address.replace("https", "http") + "/telemetry")


def test_a_page_is_fetched_with_token_and_authority(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    gate = gate_of(tls_text(*authority.sign("server")) + users_and_tokens(), tmp_path)
    with served(replace(Process().face(), gate=gate)) as address:
        page = address + "/telemetry"
        assert fetch(page, "read it", str(authority.file)).startswith("x_total 1")
        with pytest.raises(StoreUnavailableError, match="Unauthorized"):
            fetch(page, "", str(authority.file))
        with pytest.raises(StoreUnavailableError, match="certificate verify failed"):
            fetch(page, "read it")
        with pytest.raises(SettingsError, match=r"web\.yml holds no certificates"):
            fetch(page, "read it", str(tmp_path / "web.yml"))


def test_clients_show_certificates_and_the_authority_may_change(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path), Authority(tmp_path, "other")
    server, server_key = ours.sign("server")
    shutil.copy(ours.file, tmp_path / "clients.crt")
    more = ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: clients.crt, min_version: TLS13"
    gate = gate_of(tls_text(server, server_key, more), tmp_path)

    def status(certificate: tuple[Path, Path] | None, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> int:
        context = ssl.create_default_context(cafile=str(ours.file))
        context.maximum_version = newest
        if certificate:
            context.load_cert_chain(*certificate)
        try:
            return httpx.get(address + "/telemetry", verify=context).status_code
        except httpx.TransportError:
            return 0

    with served(replace(Process().face(), gate=gate)) as address:
        known, unknown = ours.sign("known"), theirs.sign("unknown")
        assert [status(known), status(unknown), status(None)] == [200, 0, 0]
        assert status(known, ssl.TLSVersion.TLSv1_2) == 0
        shutil.copy(theirs.file, tmp_path / "clients.crt")
        assert [status(known), status(unknown), status(None)] == [0, 200, 0]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda directory: (directory / "server.crt").unlink(), "server.crt: No such file"),
        (lambda directory: (directory / "server.key").write_text("no key"), "are not a certificate and its key"),
        (lambda directory: shutil.copy(directory / "other.key", directory / "server.key"), "are not a certificate and its key"),
        (lambda directory: (directory / "clients.crt").write_text(""), "clients.crt holds no certificates"),
        (lambda directory: (directory / "web.yml").write_bytes(b"\xff\xfe"), "web.yml: not UTF-8"),
        (lambda directory: (directory / "web.yml").unlink(), "web.yml: No such file"),
        (lambda directory: (directory / "web.yml").write_bytes(b" " * (1 << 21)), "web.yml: larger than"),
        (lambda directory: ((directory / "server.key").unlink(), (directory / "server.key").mkdir()), "Is a directory"),
    ],
)
def test_files_that_cannot_be_used_are_named(tmp_path: Path, spoil: object, told: str) -> None:
    authority = Authority(tmp_path)
    server, key = authority.sign("server")
    authority.sign("other")
    shutil.copy(authority.file, tmp_path / "clients.crt")
    more = ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: clients.crt"
    (tmp_path / "web.yml").write_text(tls_text(server, key, more))
    WebGate(tmp_path / "web.yml")
    spoil(tmp_path)  # type: ignore[operator]
    with pytest.raises(SettingsError, match=told) as refused:
        WebGate(tmp_path / "web.yml")
    assert str(refused.value).count("web.yml: ") == 1


def test_a_key_with_a_password_is_not_asked_for_on_the_terminal(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    server, key = Authority(tmp_path).sign("server")
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    secret = serialization.BestAvailableEncryption(b"secret")
    key.write_bytes(loaded.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret))
    with pytest.raises(SettingsError, match="key_file is encrypted"):
        gate_of(tls_text(server, key), tmp_path)


def test_tls_neither_comes_nor_goes_while_it_runs(tmp_path: Path) -> None:
    server, key = Authority(tmp_path).sign("server")
    gate = gate_of("", tmp_path)
    (tmp_path / "web.yml").write_text(tls_text(server, key))
    with pytest.raises(SettingsError, match="needs a restart"):
        gate.reload()
    assert gate.scheme == "http"
