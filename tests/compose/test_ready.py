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
from pcapline.http.gate import WebGate
from tests.pcapline.web import Authority, Process, served
from tests.servers import require

SCRIPT = Path(__file__).parents[2] / "compose" / "scripts" / "ready"


def says_ready(address: str, notes: Path) -> bool:
    port = str(urlsplit(address).port)
    asked = subprocess.run(
        [SCRIPT, port], env={**os.environ, "TMPDIR": str(notes)}, timeout=30, check=False, capture_output=True
    )
    return asked.returncode == 0


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
    page, _ = face.gate.counts.added_to((b"", ""), "")
    dropped = {sample.labels["reason"]: sample.value for sample in samples(page.decode()) if "dropped_total" in sample.name}
    assert dropped["handshake"] == int(by_tls)  # and not one each time


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
