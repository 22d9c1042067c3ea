"""The JSON API of a real exporter: what the command line says, it says; and it ends when it is told to."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from tests.pcapline.captures import capture, conversation
from tests.pcapline.command import objects, pcapline
from tests.pcapline.test_services import Process, eventually, service, url_in

Running = tuple[Path, Process, httpx.Client]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """An exporter over one loaded capture, which asks for a token."""
    (tmp_path / "talk.pcap").write_bytes(capture(conversation()))
    assert pcapline("load", "talk.pcap", "--sensor", "edge", cwd=tmp_path).returncode == 0
    digest = sha256(b"read it").hexdigest()
    (tmp_path / "web.yml").write_text(f"pcapline_tokens: [{{name: reader, role: read, sha256: {digest}}}]\n")
    with service("exporter", "--web.listen-address", "127.0.0.1:0", "--web.config.file", "web.yml", cwd=tmp_path) as (
        process,
        log,
    ):
        eventually(lambda: "all sensors are followed" in log.read_text(), process, log)
        base = url_in(log).removesuffix("/metrics") + "/api/v1"
        with httpx.Client(base_url=base, headers={"Authorization": "Bearer read it"}, timeout=30) as client:
            yield tmp_path, process, client


def test_it_says_what_the_command_line_says(running: Running) -> None:
    folder, process, client = running
    flows = client.get("/flows", params={"name": "www.example.com"}).json()["flows"]
    assert flows == objects(pcapline("query", "www.example.com", "--json", cwd=folder)) != []
    below = client.get("/flows", params={"below": "example.com"}).json()["flows"]
    assert below == objects(pcapline("query", "*.example.com", "--json", cwd=folder)) == flows
    answers = client.get("/dns", params={"name": "www.example.com"}).json()["answers"]
    assert answers == objects(pcapline("query", "www.example.com", "--dns", "--json", cwd=folder)) != []
    names = client.get("/names", params={"address": flows[0]["destination_ip"]}).json()["names"]
    assert names == objects(pcapline("query", flows[0]["destination_ip"], "--names", "--json", cwd=folder)) != []
    row = flows[0]["row"]
    assert [client.get(f"/flows/{row}/lineage").json()] == objects(pcapline("explain", row, "--json", cwd=folder))
    named = client.get("/flows", params={"name": "münchen.example"})
    assert (named.status_code, named.json()["flows"]) == (200, [])

    assert client.post("/reconcile").json()["type"] == "urn:pcapline:problem:not-allowed"
    unknown = client.get("/flows", headers={"Authorization": "Bearer guessed"})
    assert (unknown.status_code, unknown.headers["content-type"]) == (401, "application/problem+json")
    assert unknown.headers["www-authenticate"] == "Bearer"

    with client.stream("GET", "/stream", params={"since": "0"}) as stream:
        first = next(stream.iter_lines())
        process.terminate()  # while it is open
        process.communicate(timeout=60)
    assert (first, process.returncode) == ("event: changes", 143)
