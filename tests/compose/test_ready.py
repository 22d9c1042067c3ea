"""The health check of the containers, against a service by HTTP and by TLS, ready and not."""

import os
import shutil
import socket
import subprocess
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from exporter.scrape import samples
from pcapline.http import HttpFace
from pcapline.http.gate import WebGate
from tests.pcapline.web import Authority, Process, served
from tests.servers import require

SCRIPT = Path(__file__).parents[2] / "compose" / "scripts" / "ready"


def says_ready(address: str, notes: Path, *certificate: Path) -> bool:
    return ask(address, notes, *certificate).returncode == 0


def ask(address: str, notes: Path, *certificate: Path) -> subprocess.CompletedProcess[str]:
    command = [SCRIPT, str(urlsplit(address).port), *certificate]
    environ = {**os.environ, "TMPDIR": str(notes)}
    return subprocess.run(command, env=environ, timeout=30, check=False, capture_output=True, text=True)


def failed_handshakes(face: HttpFace) -> float:
    page, _ = face.gate.counts.added_to((b"", ""), "")
    return next(s.value for s in samples(page.decode()) if "dropped_total" in s.name and s.labels["reason"] == "handshake")


@pytest.mark.parametrize("by_tls", [False, True])
def test_the_health_check_says_what_the_service_says(by_tls: bool, tmp_path: Path) -> None:
    if by_tls:
        require(shutil.which("openssl") is not None, "openssl is not here")
        certificate, key = Authority(tmp_path).sign("server")
        (tmp_path / "web.yml").write_text(f"tls_server_config: {{cert_file: {certificate}, key_file: {key}}}")
    process = Process()
    face = replace(process.face(), gate=WebGate(tmp_path / "web.yml" if by_tls else None))
    with served(face) as address:
        process.reason = "the store is away"
        assert not says_ready(address, tmp_path)
        process.reason = None
        assert says_ready(address, tmp_path)
        assert says_ready(address, tmp_path)
    assert not says_ready(address, tmp_path)
    assert failed_handshakes(face) == int(by_tls)  # and not one each time


def test_a_service_that_requires_a_certificate_is_asked_with_one(tmp_path: Path) -> None:
    require(shutil.which("openssl") is not None, "openssl is not here")
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    (certificate, key), own, strange = authority.sign("server"), authority.sign("health"), stranger.sign("health of another")
    (tmp_path / "web.yml").write_text(
        f"tls_server_config: {{cert_file: {certificate}, key_file: {key}, client_ca_file: {authority.file}, "
        "client_auth_type: RequireAndVerifyClientCert}"
    )
    process = Process()
    face = replace(process.face(), gate=WebGate(tmp_path / "web.yml"))
    with served(face) as address:
        process.reason = "the store is away"
        assert not says_ready(address, tmp_path, *own)
        process.reason = None
        assert says_ready(address, tmp_path, *own)
        assert failed_handshakes(face) == 0
        assert not says_ready(address, tmp_path)
        assert not says_ready(address, tmp_path, *strange)
        assert not says_ready(address, tmp_path, own[0], strange[1])  # no key of it
        for missing in ((own[0],), (own[0], tmp_path / "none.key"), (tmp_path / "none.crt", own[1])):
            told = ask(address, tmp_path, *missing)
            assert (told.returncode, told.stdout) == (1, "")
            assert told.stderr.startswith("ready: cannot read '")


def test_a_service_that_asks_for_no_certificate_is_answered_all_the_same(tmp_path: Path) -> None:
    require(shutil.which("openssl") is not None, "openssl is not here")
    own, key = Authority(tmp_path).sign("server")
    (tmp_path / "web.yml").write_text(f"tls_server_config: {{cert_file: {own}, key_file: {key}}}")
    with served(replace(Process().face(), gate=WebGate(tmp_path / "web.yml"))) as address:
        assert says_ready(address, tmp_path, own, key)


def test_one_that_does_not_answer_in_time_is_not_ready_and_not_taken_for_tls(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        assert not says_ready(f"http://127.0.0.1:{busy.getsockname()[1]}", tmp_path)
        busy.setblocking(False)
        busy.accept()[0].close()
        with pytest.raises(BlockingIOError):  # nobody came a second time, to try TLS
            busy.accept()
    assert not list(tmp_path.iterdir())


def test_nothing_that_listens_is_not_ready(tmp_path: Path) -> None:
    assert not says_ready("http://127.0.0.1:1", tmp_path)
