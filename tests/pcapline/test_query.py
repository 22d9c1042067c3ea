"""`query`: flows of an address, a name, a domain, a client; answers to a name; the dictionary."""

import shlex
import sqlite3
import struct
from pathlib import Path

import pytest

from pcapline.program import program
from tests.pcapline.captures import START_S, capture, conversation, dns_answer, udp
from tests.pcapline.command import objects, pcapline
from tests.pcapline.test_bad_input import settled

HOSTS = ("a.example.com", "b.example.com", "c.example.com")
ADDRESS = "93.184.216.34"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three captures, loaded: three names at one address, each with its own client."""
    for number, host in enumerate(HOSTS):
        talk = conversation(host, packets=4 + number, client=f"10.0.0.{number + 1}")
        settled(tmp_path / f"{number}.pcap", capture(talk, start_s=START_S + number * 3600))
    loaded(tmp_path)
    return tmp_path


def loaded(folder: Path) -> None:
    done = pcapline("load", *sorted(folder.glob("*.pcap")), cwd=folder)
    assert done.returncode == 0, done.stderr


def dns(name: str, *, rcode: int | None = None, soa: bool = False, client: str = "10.0.0.7") -> bytes:
    """A query; with `rcode` a response to it without an answer, with `soa` as resolvers give it (RFC 2308 3)."""
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0" + struct.pack(">HH", 1, 1)
    flags = 0x0100 if rcode is None else 0x8180 | rcode
    message = struct.pack(">HHHHHH", 7, flags, 1, 0, soa, 0) + question
    if soa:
        message += b"\xc0\x0c" + struct.pack(">HHIH", 6, 1, 900, 30) + b"\x02ns\xc0\x0c\x02me\xc0\x0c" + bytes(20)
    ends, ports = ((client, "10.0.0.53"), (40_053, 53)) if rcode is None else (("10.0.0.53", client), (53, 40_053))
    return udp(*ends, ports, message)


def test_by_address_newest_first(folder: Path) -> None:
    flows = objects(pcapline("query", ADDRESS, "--json", cwd=folder))
    assert [flow["endpoint"] for flow in flows] == list(reversed(HOSTS))
    assert [flow["packets"] for flow in flows] == [6, 5, 4]


def test_by_name_leaves_out_other_names_at_the_address(folder: Path) -> None:
    flows = objects(pcapline("query", "B.example.com.", "--json", cwd=folder))
    assert [(flow["endpoint"], flow["source_ip"]) for flow in flows] == [("b.example.com", "10.0.0.2")]


def test_bounds(folder: Path) -> None:
    cut = pcapline("query", ADDRESS, "--json", "--limit", "2", cwd=folder)
    assert (len(objects(cut)), cut.stderr) == (2, "pcapline: these are the newest 2, there are more; --limit N shows more\n")
    assert pcapline("query", ADDRESS, "--limit", "3", cwd=folder).stderr == ""
    by_client = objects(pcapline("query", ADDRESS, "--json", "--source", "10.0.0.1", cwd=folder))
    assert [flow["endpoint"] for flow in by_client] == ["a.example.com"]
    assert pcapline("query", ADDRESS, "--last", "1h", cwd=folder).returncode == 6
    assert len(objects(pcapline("query", ADDRESS, "--last", "9000w", "--json", cwd=folder))) == 3
    assert pcapline("query", ADDRESS, "--last", "soon", cwd=folder).returncode == 2
    assert pcapline("query", ADDRESS, "--source", "here", cwd=folder).returncode == 2


def test_all_that_a_client_called(folder: Path) -> None:
    flows = objects(pcapline("query", "--source", "10.0.0.2", "--json", cwd=folder))
    assert [(flow["source_ip"], flow["endpoint"]) for flow in flows] == [
        ("10.0.0.2", "b.example.com"),
        ("10.0.0.2", "10.0.0.53"),
    ]
    none = pcapline("query", "--source", "10.9.9.9", cwd=folder)
    assert (none.returncode, none.stdout) == (6, "")
    assert none.stderr == "pcapline: nothing found for what 10.9.9.9 called\n"


def test_where_nothing_is_found_the_names_that_are_there_can_be_listed(folder: Path) -> None:
    none = pcapline("query", "nobody.example.com", "--store", "sqlite:pcapline.db", cwd=folder)
    assert none.returncode == 6
    in_dns, listed = (line.split("-m pcapline ", 1)[1] for line in none.stderr.splitlines()[1:])
    assert listed.partition(" or ")[0] == "query --names '*.example.com' --store sqlite:pcapline.db"
    assert pcapline(*shlex.split(listed.partition(" or ")[0]), cwd=folder).returncode == 0
    assert in_dns.startswith("query nobody.example.com --dns --store sqlite:pcapline.db or ")
    assert in_dns.endswith("query nobody.example.com --names --store sqlite:pcapline.db")
    for what in ("192.0.2.99", "localhost", "*.example.org --names"):
        assert "explain FILE" in pcapline("query", *what.split(), cwd=folder).stderr.splitlines()[-1]
    assert "'*.example.org'" not in pcapline("query", "example.org", cwd=folder).stderr, "the domain itself is not below it"


def test_hints_have_the_short_name_where_the_shell_finds_this_program_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("here", "elsewhere"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "pcapline").touch(0o755)
    typed = str(tmp_path / "here" / "pcapline")
    monkeypatch.setattr("sys.argv", [typed])
    for place, expected in (("here", "pcapline"), ("elsewhere", typed), ("nowhere", typed)):
        monkeypatch.setenv("PATH", str(tmp_path / place))
        assert program() == expected


def test_a_row_goes_by_a_name_of_its_own(folder: Path) -> None:
    rows = {flow["row"]: flow for flow in objects(pcapline("query", ADDRESS, "--json", cwd=folder))}
    assert len(rows) == 3
    for row, flow in rows.items():
        assert row == f"{flow['capture_id'].replace('-', '')}:{flow['frame']}@{ADDRESS}"


def test_all_names_below_a_domain(folder: Path) -> None:
    flows = objects(pcapline("query", "*.Example.com", "--json", cwd=folder))
    assert [flow["endpoint"] for flow in flows] == list(reversed(HOSTS))
    newest = objects(pcapline("query", "*.example.com", "--json", "--limit", "1", cwd=folder))
    assert newest == flows[:1]
    of_client = objects(pcapline("query", "*.example.com", "--json", "--source", "10.0.0.1", cwd=folder))
    assert of_client == flows[2:]
    assert pcapline("query", "*.a.example.com", cwd=folder).returncode == 6


@pytest.mark.parametrize("what", ["*.co.uk", "*.com", "*.localhost", "*."])
def test_names_below_a_public_suffix_are_refused(folder: Path, what: str) -> None:
    done = pcapline("query", what, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "public suffix" in done.stderr


def test_a_late_name_stands_beside_what_the_flow_was_counted_for(folder: Path) -> None:
    late = "UPDATE flows SET hostname = 'b.example.com', name_evidence = 'dns_late' WHERE endpoint = 'a.example.com'"
    with sqlite3.connect(folder / "pcapline.db") as store:
        assert store.execute(late).rowcount == 1
    for name in ("a.example.com", "b.example.com"):
        shown = pcapline("query", name, cwd=folder).stdout
        assert "a.example.com (b.example.com)" in shown
        assert "c.example.com" not in shown
    assert "c.example.com (" not in pcapline("query", ADDRESS, cwd=folder).stdout


def test_answers_to_a_name_and_the_lack_of_them(tmp_path: Path) -> None:
    asked = [dns("gone.example.com"), dns("gone.example.com", rcode=3), dns("mute.example.com", client="10.0.0.8")]
    asked += [dns("ill.example.com"), dns("ill.example.com", rcode=2), dns("www.example.com")]
    asked += [dns_answer("10.0.0.7", "www.example.com", ADDRESS)]
    settled(tmp_path / "dns.pcap", capture(asked))
    loaded(tmp_path)

    def answers(name: str, *further: str) -> list[tuple[object, ...]]:
        rows = objects(pcapline("query", name, "--dns", "--json", *further, cwd=tmp_path))
        return [(row["client_ip"], row["rcode"], row["latency_us"], row["address"]) for row in rows]

    assert answers("gone.example.com") == [("10.0.0.7", 3, 1000, None)]
    assert answers("ill.example.com") == [("10.0.0.7", 2, 1000, None)]
    assert answers("mute.example.com") == [("10.0.0.8", None, None, None)]
    assert answers("www.example.com") == answers("WWW.example.com", "--source", "10.0.0.7") == [("10.0.0.7", 0, 1000, ADDRESS)]
    assert answers("www.example.com", "--source", "10.0.0.8") == []
    shown = "".join(pcapline("query", f"{name}.example.com", "--dns", cwd=tmp_path).stdout for name in ("gone", "ill", "mute"))
    assert all(text in shown for text in ("NXDOMAIN", "SERVFAIL", "no answer", "1.0 ms"))


def test_what_answers_nothing_does_not_look_like_an_answer(tmp_path: Path) -> None:
    for number, rcode in enumerate((3, 0)):
        name = f"{number}.example.com"
        settled(tmp_path / "dns.pcap", capture([dns(name), dns(name, rcode=rcode, soa=True)], start_s=START_S + number))
        loaded(tmp_path)
        for done in (
            pcapline("query", name, "--dns", cwd=tmp_path),
            pcapline("read", "dns.pcap", "--dns", cwd=tmp_path),
            pcapline("explain", "dns.pcap", "2", "--no-deep", cwd=tmp_path),
        ):
            assert ("NXDOMAIN, authority: SOA ns." if rcode else " authority: SOA ns.") in done.stdout, done


def test_the_dictionary_both_ways_and_by_domain(folder: Path) -> None:
    of_address = objects(pcapline("query", ADDRESS, "--names", "--json", cwd=folder))
    assert [(row["hostname"], row["evidence"]) for row in of_address] == [(host, "dns") for host in reversed(HOSTS)]
    assert [row["first_seen"] for row in of_address] == [(START_S + hour * 3600) * 1000 + 1 for hour in (2, 1, 0)]
    of_name = objects(pcapline("query", "a.example.com", "--names", "--json", cwd=folder))
    assert [row["ip"] for row in of_name] == [ADDRESS]
    below = objects(pcapline("query", "*.example.com", "--names", "--json", "--limit", "2", cwd=folder))
    assert [row["hostname"] for row in below] == ["c.example.com", "b.example.com"]
    assert "c.example.com" in pcapline("query", ADDRESS, "--names", cwd=folder).stdout
    assert ADDRESS in pcapline("query", "a.example.com", "--names", cwd=folder).stdout
    assert pcapline("query", "192.0.2.1", "--names", cwd=folder).returncode == 6


@pytest.mark.parametrize("view", [[], ["--names"], ["--dns"]])
def test_it_tells_when_the_newest_row_was(folder: Path, view: list[str]) -> None:
    done = pcapline("query", "c.example.com", "--last", "1h", *view, cwd=folder)
    assert (done.returncode, done.stdout) == (6, "")
    assert "the newest row is of 20" in done.stderr


@pytest.mark.parametrize("what", ["192.0.2.1", "nobody.example.com", "*.example.net"])
def test_nothing_found_is_6(folder: Path, what: str) -> None:
    done = pcapline("query", what, cwd=folder)
    assert (done.returncode, done.stdout) == (6, "")
    assert what in done.stderr


def test_it_shows_the_statements_it_ran(folder: Path) -> None:
    statement = pcapline("query", ADDRESS, "--cql", cwd=folder).stderr
    assert "FROM flows" in statement
    store = sqlite3.connect(folder / "pcapline.db")
    assert len(store.execute(statement).fetchall()) == 3


@pytest.mark.parametrize(
    "what", ["http://www.example.com/", "10.0.0.0/8", "999.1.2.3", "two words", "10.0.0.1:443", "nosuch_name!", "*.x!.com"]
)
def test_nonsense_is_wrong_usage(folder: Path, what: str) -> None:
    assert pcapline("query", what, cwd=folder).returncode == 2


def test_a_name_is_found_as_people_write_it(tmp_path: Path) -> None:
    settled(tmp_path / "a.pcap", capture(conversation("www.xn--mnchen-3ya.de")))
    loaded(tmp_path)
    for what in ("www.münchen.de", "WWW.MÜNCHEN.DE", "*.münchen.de"):
        flows = objects(pcapline("query", what, "--json", cwd=tmp_path))
        assert [flow["endpoint"] for flow in flows] == ["www.xn--mnchen-3ya.de"]
    assert pcapline("query", "nobody.münchen.de", cwd=tmp_path).returncode == 6
    wrong = pcapline("query", "mün chen.de", cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "xn--" in wrong.stderr


@pytest.mark.parametrize("what", ["*", "*google.com", "www.*.com", "*.*", "*.*.com", "a*"])
@pytest.mark.parametrize("view", [[], ["--names"]])
def test_an_asterisk_stands_alone_before_a_name(tmp_path: Path, what: str, view: list[str]) -> None:
    done = pcapline("query", what, *view, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "'*.example.com'" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--dns", "--source", "10.0.0.1"],
        ["--names"],
        [ADDRESS, "--dns"],
        ["*.example.com", "--dns"],
        ["a.example.com", "--names", "--dns"],
        [ADDRESS, "--names", "--source", "10.0.0.1"],
    ],
)
def test_questions_that_are_none_are_wrong_usage(tmp_path: Path, arguments: list[str]) -> None:
    """They are refused before there is a store to ask."""
    done = pcapline("query", *arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
