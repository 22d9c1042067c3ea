"""What those who ask may take: slow clients, many clients, large requests, answers that nobody reads."""

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from exporter.scrape import samples
from pcapline.http import HttpFace
from pcapline.http.bounds import Bounds
from pcapline.http.gate import WebGate
from tests.pcapline.http.test_guard import ALICE, users_and_tokens
from tests.pcapline.web import PAGE, Authority, Process, served
from tests.servers.prometheus import until

HEAD = b"GET /telemetry HTTP/1.1\r\nHost: 127.0.0.1\r\n"
QUICK = Bounds(connections=8, in_flight=4, request_s=0.5, answer_s=0.5)


@contextmanager
def bounded(process: Process, bounds: Bounds, gate: WebGate | None = None) -> Iterator[tuple[HttpFace, httpx.Client]]:
    face = replace(process.face(), bounds=bounds, gate=gate or WebGate())
    with served(face) as address, httpx.Client(base_url=address, verify=False) as client:
        yield face, client


def connect(client: httpx.Client) -> socket.socket:
    connection = socket.create_connection((client.base_url.host, client.base_url.port or 0))
    connection.settimeout(10)
    return connection


def counted(face: HttpFace, name: str) -> dict[str, float]:
    text = face.gate.counts.added_to((b"", ""), "")[0].decode()
    return {sample.labels["reason"]: sample.value for sample in samples(text) if sample.name.endswith(name)}


def dropped(face: HttpFace) -> dict[str, float]:
    return counted(face, "dropped_total")


def is_ended(connection: socket.socket) -> bool:
    """Whatever was sent before."""
    try:
        while connection.recv(65_536):
            pass
    except ConnectionError:
        pass
    return True


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        HEAD,
        b"POST /-/reload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n123",
        b"GET /-/healthy HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n123",
        HEAD + b"\r\n" + HEAD,
    ],
    ids=["nothing", "half a head", "half a body", "half a body that nobody wants", "half a second request"],
)
def test_a_request_that_does_not_come_is_not_waited_for(begun: bytes) -> None:
    with bounded(Process(), QUICK) as (face, client), connect(client) as connection:
        connection.sendall(begun)
        assert is_ended(connection)
        assert dropped(face) == {"slow": 1, "no_room": 0, "handshake": 0}


def test_a_connection_may_lie_idle_behind_an_answer_and_then_no_longer() -> None:
    bounds = replace(QUICK, request_s=0.2, idle_s=1)
    with bounded(Process(), bounds) as (face, client), connect(client) as connection:
        for _ in range(3):
            connection.sendall(b"HEAD /telemetry HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
            threading.Event().wait(0.4)
        assert is_ended(connection)
        assert dropped(face)["slow"] == 0


def test_a_byte_now_and_then_does_not_help() -> None:
    with bounded(Process(), QUICK) as (face, client), connect(client) as connection:
        with pytest.raises(ConnectionError):
            for _ in range(100):
                connection.sendall(b"x")
                threading.Event().wait(0.05)
        assert dropped(face)["slow"] == 1


def test_a_handshake_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    server, key = Authority(tmp_path).sign("server")
    (tmp_path / "web.yml").write_text(f"tls_server_config: {{cert_file: {server}, key_file: {key}}}")
    with bounded(Process(), QUICK, WebGate(tmp_path / "web.yml")) as (face, client), connect(client) as connection:
        connection.sendall(b"\x16\x03\x01")
        assert is_ended(connection)
        until(lambda: dropped(face)["handshake"] == 1, "it is counted")


def test_many_who_do_not_ask_keep_nobody_out() -> None:
    bounds = replace(QUICK, request_s=60)
    with bounded(Process(), bounds) as (face, client), ExitStack() as stack:
        idle = [stack.enter_context(connect(client)) for _ in range(40)]
        for connection in idle[-8:]:
            connection.sendall(HEAD)
        for _ in range(3):
            assert client.get("/telemetry").status_code == 200
        assert dropped(face)["no_room"] >= 40 + 1 - 8
        assert is_ended(idle[0])


def test_many_handshakes_keep_nobody_out(tmp_path: Path) -> None:
    server, key = Authority(tmp_path).sign("server")
    (tmp_path / "web.yml").write_text(f"tls_server_config: {{cert_file: {server}, key_file: {key}}}")
    bounds = replace(QUICK, request_s=60)
    with bounded(Process(), bounds, WebGate(tmp_path / "web.yml")) as (face, client), ExitStack() as stack:
        idle = [stack.enter_context(connect(client)) for _ in range(40)]
        assert client.get("/telemetry").status_code == 200
        assert dropped(face)["no_room"] >= 40 + 1 - 8
        assert is_ended(idle[0])


class Slow(Process):
    """Whose page takes until the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on, self.asked = threading.Event(), threading.Semaphore(0)

    def metrics(self, accept: str) -> tuple[bytes, str]:
        self.asked.release()
        assert self.go_on.wait(60)
        return super().metrics(accept)


def test_more_than_there_is_room_for_are_told_to_come_again() -> None:
    process = Slow()
    bounds = Bounds(in_flight=4)
    with bounded(process, bounds) as (_, client), ExitStack() as stack:
        waiting = [stack.enter_context(connect(client)) for _ in range(4)]
        for connection in waiting:
            connection.sendall(HEAD + b"\r\n")
        for _ in waiting:
            assert process.asked.acquire(timeout=10)
        for _ in range(50):
            refused = client.get("/telemetry")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        process.go_on.set()
        for connection in waiting:
            assert connection.recv(15) == b"HTTP/1.1 200 OK"
        page = client.get("/telemetry").text
        assert 'pcapline_web_requests_refused_total{reason="busy"} 50.0' in page


def test_guessing_passwords_keeps_nobody_out_who_is_known(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text(users_and_tokens())
    gate = WebGate(tmp_path / "web.yml")
    with bounded(Process(), Bounds(passwords_waiting=2), gate) as (face, client), ExitStack() as stack:
        assert client.get("/telemetry", auth=ALICE).status_code == 200
        with gate.passwords.lock:  # a computation that takes as long as this block
            guesses = [stack.enter_context(connect(client)) for _ in range(3)]
            for number, connection in enumerate(guesses):
                credentials = base64.b64encode(f"alice:{number}".encode())
                connection.sendall(HEAD + b"Authorization: Basic " + credentials + b"\r\n\r\n")
            until(lambda: counted(face, "refused_total")["busy"] == 1, "two wait, and the third was told to come again")
            for _ in range(20):
                assert client.get("/telemetry", auth=ALICE).status_code == 200
        assert sorted(connection.recv(12) for connection in guesses) == [b"HTTP/1.1 401"] * 2 + [b"HTTP/1.1 503"]


def test_an_answer_that_nobody_reads_is_not_kept() -> None:
    process = Process(b"x" * (32 << 20))
    with bounded(process, QUICK) as (face, client), ExitStack() as stack:
        deaf = [stack.enter_context(connect(client)) for _ in range(3)]
        for connection in deaf:
            connection.sendall(HEAD + b"\r\n")
        until(lambda: dropped(face)["slow"] == 3, "they are ended")
        assert client.get("/telemetry").content.startswith(process.body)


def test_what_is_large_comes_whole() -> None:
    process = Process()
    with bounded(process, Bounds()) as (_, client):
        for length in (0, 1, 65_535, 65_536, 65_537, 1 << 20):
            process.body = body = b"y" * length
            plain = client.get("/telemetry", headers={"Accept-Encoding": "identity"}).content
            assert plain.startswith(body + b"# HELP")
            assert client.get("/telemetry").content.startswith(body + b"# HELP")


@pytest.mark.parametrize("framing", ["Content-Length: 2000000", "Transfer-Encoding: chunked"])
def test_a_body_that_is_too_large(framing: str) -> None:
    with bounded(Process(), Bounds(body_bytes=1_000)) as (_, client), connect(client) as connection:
        head = f"POST /-/reload HTTP/1.1\r\nHost: 127.0.0.1\r\n{framing}\r\n\r\n"
        connection.sendall(head.encode())
        if "chunked" in framing:
            connection.sendall((b"3e8\r\n" + b"z" * 1_000 + b"\r\n") * 2)
        else:
            assert connection.recv(64).startswith(b"HTTP/1.1 413 ")
        assert client.get("/telemetry").content.startswith(PAGE)


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"\x00" * 100,
        b"GET " + b"a" * 70_000,
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"x: y\r\n" * 20_000,
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    ],
)
def test_what_is_no_request(bytes_sent: bytes) -> None:
    with bounded(Process(), QUICK) as (_, client), connect(client) as connection:
        with suppress(ConnectionError):  # the other side may have hung up before all was sent
            connection.sendall(bytes_sent)
            assert connection.recv(64)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 431", b"")
        assert client.get("/telemetry").content.startswith(PAGE)
