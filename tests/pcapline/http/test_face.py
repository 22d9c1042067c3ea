"""The HTTP face, over a real socket."""

import gzip
import os
import socket
import threading
from pathlib import Path

import pytest

from pcapline.http import serve
from schema.errors import SettingsError
from tests.pcapline.web import PAGE, Process, client_of, served


def test_landing_page_is_escaped_and_leads_everywhere() -> None:
    with client_of(Process()) as client:
        answer = client.get("/")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert '<html lang="en">' in answer.text
        assert "<h1>pcapline &lt;exporter&gt;</h1>" in answer.text
        assert "Version 1&quot;2" in answer.text
        assert '<a href="/map?a=1&amp;b=2">Live &lt;map&gt;</a>' in answer.text
        for path in ("/telemetry", "/-/healthy", "/-/ready"):
            assert f'href="{path}"' in answer.text
            assert client.get(path).status_code == 200


def test_metrics_pass_the_accept_header_on_and_are_gzipped() -> None:
    process = Process()
    with client_of(process) as client:
        answer = client.get("/telemetry", headers={"Accept": "application/openmetrics-text", "Accept-Encoding": "identity"})
        assert answer.content.startswith(PAGE)
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        with client.stream("GET", "/telemetry", headers={"Accept-Encoding": "gzip"}) as packed:
            assert packed.headers["content-encoding"] == "gzip"
            assert gzip.decompress(b"".join(packed.iter_raw())).startswith(PAGE)
    assert process.accepted[0] == "application/openmetrics-text"


def test_ready_says_why_not_in_one_line() -> None:
    process = Process()
    with client_of(process) as client:
        assert client.get("/-/ready").status_code == 200
        process.reason = "the store\ndoes not answer"
        answer = client.get("/-/ready")
        assert (answer.status_code, answer.text) == (503, "the store does not answer\n")
        assert client.get("/-/healthy").status_code == 200


def test_what_is_not_there() -> None:
    with client_of(Process()) as client:
        assert client.get("/metrics").status_code == 404
        assert client.post("/telemetry").status_code == 405


def test_ipv6() -> None:
    with client_of(Process(), "[::1]:0") as client:
        assert client.get("/-/healthy").status_code == 200


def test_a_socket_that_listens_already() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with client_of(Process(), f"fd:{listener.detach()}") as client:
        assert client.get("/-/healthy").status_code == 200


def test_what_is_handed_over_must_listen() -> None:
    with socket.socket() as idle, Path(os.devnull).open() as file:
        for number in (idle.fileno(), file.fileno()):
            with pytest.raises(SettingsError, match=f"cannot listen on fd:{number}: "):
                serve(f"fd:{number}", Process().face(), threading.Event())
        assert idle.getsockname()  # and is left as it is


def test_a_port_in_use_is_the_operators_matter() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"cannot listen on 127\.0\.0\.1:{port}: .*in use.*--web\.listen-address"):
            serve(f"127.0.0.1:{port}", Process().face(), threading.Event())


@pytest.mark.parametrize("listen", ["", "10110", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "no such host:1"])
def test_an_address_that_is_none(listen: str) -> None:
    with pytest.raises(SettingsError, match="cannot listen on"):
        serve(listen, Process().face(), threading.Event())


def test_a_kept_connection_does_not_hold_up_the_end() -> None:
    with client_of(Process()) as client:
        assert client.get("/-/healthy").status_code == 200
        # the client keeps its connection open: `served` asserts that the server ends nevertheless


def test_whoever_may_come_from_elsewhere_unasked_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    for listen, lines in (("0.0.0.0:0", 1), ("127.0.0.1:0", 0), ("[::1]:0", 0)):
        caplog.clear()
        with served(Process().face(), listen):
            pass
        assert [r.getMessage().count("--web.config.file") for r in caplog.records] == [1] * lines
