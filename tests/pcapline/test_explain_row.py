"""`pcapline explain ROW`: what named a flow, and what would have been said without it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.loader.naming.script import ALICE, BOB, RESOLVER, WEB, Call, Script
from tests.pcapline.command import objects, pcapline

START_S = 1_795_003_200
Told = dict[str, Any]


class Desk:
    """A directory with a store, and captures loaded into it in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script = Script(START_S)

    def load(self, name: str, *options: str) -> Path:
        """What the script has since the last time."""
        path = self.script.write(self.folder / name)
        done = pcapline("load", path, *(options or ("--sensor", "edge")), cwd=self.folder)
        assert done.returncode == 0, done.stderr
        return path

    def row_of(self, call: Call, address: str = WEB) -> Told:
        """As `query` prints it."""
        done = pcapline("query", address, "--source", call.client, "--json", cwd=self.folder)
        (row,) = (row for row in objects(done) if row["source_port"] == call.port)
        return row

    def explain(self, call: Call, *options: str | Path) -> Told:
        (told,) = objects(pcapline("explain", self.row_of(call)["row"], "--json", *options, cwd=self.folder))
        return told

    def explain_to_people(self, call: Call, *options: str | Path) -> str:
        done = pcapline("explain", self.row_of(call)["row"], *options, cwd=self.folder)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def said_of(told: Told) -> tuple[Any, ...]:
    answer = told["answer"]
    at = (answer["ts_ns"] - START_S * 1_000_000_000) / 1_000_000_000
    return answer["hostname"], answer["capture"]["file"], answer["frame"], at, answer["client_ip"], answer["resolver_ip"]


def test_the_very_answer_that_gave_the_name(desk: Desk) -> None:
    desk.script.tell(1, ALICE, "old.example", WEB, ttl=600, asked=False)
    desk.script.tell(2, ALICE, "www.example", WEB, ttl=60)
    desk.load("one.pcap")
    call = desk.script.call(3, ALICE, WEB, packets=3)
    path = desk.load("two.pcap")
    told = desk.explain(call, "--file", path)
    assert said_of(told) == ("www.example", "one.pcap", 3, 2, ALICE, RESOLVER)
    assert (told["answer"]["ttl"], told["answer"]["asked"], told["answer"]["transport"]) == (60, True, "udp")
    assert (told["repaired"], told["capture"]["file"], told["frames"]) == (False, "two.pcap", [1, 2, 3, 4])
    assert told["flow"] == desk.row_of(call)
    without = told["without"]
    assert (without["hostname"], without["name_evidence"], without["answer"]["asked"]) == ("old.example", "dns", False)
    shown = desk.explain_to_people(call, "--file", path)
    for words in (
        "frame 3 of one.pcap",
        f"by {RESOLVER} 1.000 s before",
        "TTL 60 s, asked for",
        "1-4: 4 packets",
        "old.example (dns)",
    ):
        assert words in shown


def test_a_repaired_name_says_so_and_what_it_was_counted_for(desk: Desk) -> None:
    call = desk.script.call(1, ALICE, WEB)
    desk.load("one.pcap")
    assert (desk.explain(call)["answer"], desk.explain(call)["without"]["hostname"]) == (None, None)
    desk.script.tell(2, BOB, "bobs.example", WEB)
    desk.script.tell(3, ALICE, "late.example", WEB)
    desk.load("two.pcap")
    told = desk.explain(call)
    assert (told["repaired"], told["flow"]["endpoint"], told["flow"]["name_evidence"]) == (True, WEB, "dns_late")
    assert said_of(told)[:4] == ("late.example", "two.pcap", 4, 3)
    assert told["without"]["hostname"] is None  # what another was told came after the flow
    shown = desk.explain_to_people(call)
    assert f"named by two.pcap after it was counted for {WEB}" in shown
    assert "2.000 s after the flow began" in shown
    assert "it would have no name" in shown
    assert pcapline("verify", cwd=desk.folder).returncode == 0


def test_a_handshake_is_found_in_its_capture(desk: Desk) -> None:
    desk.script.tell(1, ALICE, "front.example", WEB)
    call = desk.script.call(2, ALICE, WEB, sni="hidden.example")
    path = desk.load("one.pcap")
    told = desk.explain(call, "--file", path)
    assert (told["named_in"], told["answer"], told["contradicted_by"]) == (4, None, ["front.example"])
    assert (told["without"]["hostname"], told["without"]["name_evidence"]) == ("front.example", "dns")
    shown = desk.explain_to_people(call, "--file", path)
    assert "hidden.example, the server name of its TLS hello (frame 4)" in shown
    assert "DNS had told its client front.example" in shown


def test_another_clients_answer_and_the_inventory(desk: Desk) -> None:
    desk.script.tell(1, BOB, "bobs.example", WEB)
    call = desk.script.call(2, ALICE, WEB)
    desk.load("one.pcap")
    told = desk.explain(call)
    assert (told["flow"]["name_evidence"], said_of(told)[4]) == ("dns_other_client", BOB)
    (desk.folder / "hosts").write_text(f"{WEB} web.office.example\n")
    (desk.folder / "pcapline.toml").write_text('[loader]\ninventory = "hosts"\n')
    assert desk.explain(call)["without"]["hostname"] == "web.office.example"
    listed = desk.script.call(3, ALICE, WEB)
    desk.load("two.pcap")
    told = desk.explain(listed)
    assert (told["flow"]["hostname"], told["answer"]) == ("web.office.example", None)
    assert (told["without"]["hostname"], told["without"]["name_evidence"]) == ("bobs.example", "dns_other_client")


def test_a_file_that_stood_alone(desk: Desk) -> None:
    desk.script.tell(1, ALICE, "www.example", WEB)
    call = desk.script.call(2, ALICE, WEB)
    desk.load("one.pcap", "--network", "office")
    assert said_of(desk.explain(call)) == ("www.example", "one.pcap", 2, 1, ALICE, RESOLVER)


def test_what_is_not_there_is_told_in_a_line(desk: Desk) -> None:
    call = desk.script.call(1, ALICE, WEB)
    desk.load("one.pcap")
    row = desk.row_of(call)["row"]
    desk.script.call(2, ALICE, WEB)
    other = desk.script.write(desk.folder / "other.pcap")
    run: Callable[..., Any] = lambda *given: pcapline("explain", *given, cwd=desk.folder)  # noqa: E731
    for done, code, words in (
        (run(row.replace(":1@", ":9@")), 6, "there is no row"),
        (run(row, "--file", other), 1, "it is capture"),
        (run(row, "--file", "gone.pcap"), 1, "gone.pcap: no such file"),
        (run(row, "7"), 2, "a row has no FRAME"),
        (run(row[1:]), 2, "is neither a file nor a row id (32 hex digits:FRAME@ADDRESS)"),
        (run(other, "--file", other), 2, "--file goes with a row"),
    ):
        assert (done.returncode, done.stdout) == (code, "")
        assert words in done.stderr


def test_names_from_the_wire_cannot_steer_a_terminal(desk: Desk) -> None:
    desk.script.tell(1, ALICE, (b"\x1b[31m", b"example"), WEB)
    call = desk.script.call(2, ALICE, WEB)
    desk.load("one.pcap")
    assert "\x1b" not in desk.explain_to_people(call)
