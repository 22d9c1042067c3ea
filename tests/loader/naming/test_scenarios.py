"""What happens to names on a wire, case by case, each in captures of its own, on every store (decision 13)."""

from ipaddress import ip_address
from itertools import permutations
from pathlib import Path
from typing import NamedTuple

import pytest

from loader.naming.inventory import parse_inventory
from loader.naming.listed import Inventory
from loader.settings import LoaderSettings
from schema.tables import IPS_BY_NAME, NAMES_BY_IP
from tests.loader.naming.killed import NEVER, load_until_killed
from tests.loader.naming.script import ALICE, ALICE6, BOB, CDN, STRANGER, WEB, WEB6, Call
from tests.loader.naming.stand import Row, Stand

GRACE_S, LATE_S = LoaderSettings().name_grace_s, LoaderSettings().name_late_s
LABEL_63 = "x" * 63


def test_two_names_on_one_address_for_two_clients(stand: Stand) -> None:
    script = stand.script()
    script.tell(1, ALICE, "a.example", CDN)
    script.tell(2, BOB, "b.example", CDN)
    calls = [script.call(3, client, CDN) for client in (ALICE, BOB)]
    stand.load(script)
    assert stand.names(calls) == [("a.example", "dns"), ("b.example", "dns")]


def test_an_address_that_moves_between_names(stand: Stand) -> None:
    script = stand.script()
    script.tell(1, ALICE, "old.example", CDN, ttl=3600)
    calls = [script.call(2, ALICE, CDN)]
    script.tell(10, ALICE, "new.example", CDN, ttl=60)
    calls += [script.call(at, ALICE, CDN) for at in (11, 10 + 60 + GRACE_S, 10 + 60 + GRACE_S + 1)]
    stand.load(script)
    assert stand.names(calls) == [
        ("old.example", "dns"),
        ("new.example", "dns"),
        ("new.example", "dns"),
        ("old.example", "dns"),
    ]


def test_a_chain_of_eight_aliases_names_what_was_asked_for(stand: Stand) -> None:
    script = stand.script()
    aliases = [f"edge-{n}.cdn.example" for n in range(8)]
    script.tell(1, ALICE, "www.shop.example", CDN, WEB, aliases=aliases)
    calls = [script.call(2, ALICE, address) for address in (CDN, WEB)]
    stand.load(script)
    assert stand.names(calls) == [("www.shop.example", "dns")] * 2


def test_an_answer_after_the_flow_started_names_it_and_says_so(stand: Stand) -> None:
    script = stand.script()
    call = script.call(1, ALICE, WEB)
    script.tell(3, ALICE, "late.example", WEB)
    script.tell(4, ALICE, "later.example", WEB)
    stand.load(script)
    assert stand.name(call) == ("late.example", "dns_late")  # the nearest to the flow
    assert stand.row_of(call)["endpoint"] == "late.example"  # known when the capture was committed


def test_an_answer_too_late_names_nothing(stand: Stand) -> None:
    script = stand.script()
    calls = [script.call(at, ALICE, WEB) for at in (1, 2)]
    script.tell(2 + LATE_S, ALICE, "late.example", WEB)
    stand.load(script)
    assert stand.names(calls) == [(None, "none"), ("late.example", "dns_late")]


@pytest.mark.parametrize("restarts", [False, True])
def test_an_answer_in_the_next_capture_repairs_the_name_and_moves_no_counter(stand: Stand, restarts: bool) -> None:
    script = stand.script()
    call = script.call(1, ALICE, WEB)
    stand.load(script)
    before, ledger = stand.row_of(call), stand.store.ledger(stand.sensor)
    assert (before["hostname"], before["name_evidence"], before["endpoint"]) == (None, "none", WEB)
    if restarts:
        stand.restart()
    script.tell(3, ALICE, "late.example", WEB)
    stand.load(script)
    repaired = {"hostname": "late.example", "name_evidence": "dns_late", "name_conflict": False}
    assert stand.row_of(call) == before | repaired
    assert stand.store.ledger(stand.sensor).endpoints[WEB] == ledger.endpoints[WEB]
    assert sum(totals.flows for totals in stand.store.ledger(stand.sensor).endpoints.values()) == len(stand.rows())


@pytest.mark.parametrize(("answered", "evidence"), [(0.5, "dns"), (3, "dns_late")])
def test_an_answer_in_a_capture_loaded_a_day_later(stand: Stand, answered: float, evidence: str) -> None:
    script = stand.script()
    script.tell(answered, ALICE, "missing.example", WEB)
    missing = stand.file(script)
    calls = [script.call(at, client, WEB) for at, client in ((1, ALICE), (1.5, BOB), (2, ALICE))]
    stand.load(script)
    script.call(100, ALICE, CDN)
    stand.load(script)
    before = [stand.row_of(call) for call in calls]
    stand.clock.advance(86_400)
    stand.restart()
    stand.load(missing)
    other = (None, "none") if evidence == "dns_late" else ("missing.example", "dns_other_client")
    named = ("missing.example", evidence)
    assert stand.names(calls) == [named, other, named]
    assert [stand.row_of(call)["endpoint"] for call in calls] == [row["endpoint"] for row in before]
    assert stand.store.ledger(stand.sensor).totals["out_of_order"] == 1


@pytest.mark.parametrize("asked", [(True, True), (False, True), (True, False), (False, False)])
@pytest.mark.parametrize(("told", "evidence"), [(95, "dns"), (120, "dns_late")])
def test_the_order_of_loading_chooses_no_name(stand: Stand, told: float, evidence: str, asked: tuple[bool, bool]) -> None:
    """A flow between, or before, two answers, each in a capture of its own."""
    for number, order in enumerate(permutations(range(3))):
        sensor = stand.beside(number)
        script = sensor.script()
        script.tell(told, ALICE, "right.example", WEB, asked=asked[0])
        files = [sensor.file(script)]
        call = script.call(100, ALICE, WEB)
        files.append(sensor.file(script))
        script.tell(150, ALICE, "wrong.example", WEB, asked=asked[1])
        files.append(sensor.file(script))
        sensor.load(*(files[i] for i in order))
        better = evidence == "dns_late" and asked == (False, True)
        assert sensor.name(call) == ("wrong.example" if better else "right.example", evidence), order
        sensor.assert_whole()


def test_a_ttl_of_zero_names_the_flow_that_it_was_asked_for(stand: Stand) -> None:
    script = stand.script()
    script.tell(1, ALICE, "once.example", WEB, ttl=0)
    calls = [script.call(1 + after, ALICE, WEB) for after in (0, 0.3, GRACE_S + 1)]
    stand.load(script)
    assert stand.names(calls) == [("once.example", "dns")] * 2 + [("once.example", "dns_stale")]


def test_past_its_ttl_a_name_is_marked_and_not_hidden(stand: Stand) -> None:
    script = stand.script()
    script.tell(1, ALICE, "old.example", WEB, ttl=60)
    calls = [script.call(at, ALICE, WEB) for at in (61 + GRACE_S, 62 + GRACE_S)]
    stand.load(script)
    calls.append(script.call(3_000, ALICE, WEB))
    stand.load(script)
    assert stand.names(calls) == [("old.example", "dns")] + [("old.example", "dns_stale")] * 2


def test_ipv6(stand: Stand) -> None:
    script = stand.script()
    script.tell(1, ALICE6, "six.example", WEB6, aliases=["edge.example"])
    call = script.call(2, ALICE6, WEB6)
    stand.load(script)
    assert stand.name(call) == ("six.example", "dns")


def test_one_name_over_udp_tcp_and_mdns(stand: Stand) -> None:
    script = stand.script()
    script.tell(1, ALICE, "nas.local", WEB)
    script.tell(1, ALICE, "nas.local", CDN, over_tcp=True)
    script.announce(1, "10.0.0.77", "nas.local")
    calls = [script.call(2, ALICE, address) for address in (WEB, CDN, "10.0.0.77")]
    calls.append(script.call(2, BOB, "10.0.0.77"))  # what is said to the group is said to all
    stand.load(script)
    assert stand.names(calls) == [("nas.local", "dns")] * 4


def test_a_handshake_that_contradicts_dns_wins_and_shows_the_conflict(stand: Stand) -> None:
    script = stand.script()
    script.tell(1, ALICE, "front.example", CDN)
    script.tell(1.5, ALICE, "side.example", CDN)
    calls = [script.call(2, ALICE, CDN, sni=name) for name in ("hidden.example", "front.example", "side.example")]
    calls.append(script.call(2, ALICE, WEB, sni="hidden.example"))
    script.tell(3, ALICE, "after.example", WEB)
    stand.load(script)
    assert [(stand.row_of(call)["hostname"], stand.row_of(call)["name_conflict"]) for call in calls] == [
        ("hidden.example", True), ("front.example", False), ("side.example", False), ("hidden.example", False)
    ]  # fmt: skip
    assert {stand.row_of(call)["name_evidence"] for call in calls} == {"sni"}


def test_an_answer_that_was_missing_shows_the_conflict(stand: Stand) -> None:
    script = stand.script()
    script.tell(1, ALICE, "front.example", WEB)
    missing = stand.file(script)
    calls = [script.call(2, ALICE, WEB, sni=name) for name in ("front.example", "hidden.example")]
    stand.load(script)
    before = [stand.row_of(call) for call in calls]
    stand.load(missing)
    assert [stand.row_of(call) for call in calls] == [before[0], before[1] | {"name_conflict": True}]


@pytest.mark.parametrize("poisoned", [0.5, 1.5])
def test_an_answer_from_a_stranger_names_nothing_beside_the_one_that_was_asked_for(stand: Stand, poisoned: float) -> None:
    script = stand.script()
    script.tell(1, ALICE, "bank.example", WEB)
    script.tell(poisoned, ALICE, "evil.example", WEB, resolver=STRANGER, asked=False)
    call = script.call(2, ALICE, WEB)
    stand.load(script)
    assert stand.name(call) == ("bank.example", "dns")


@pytest.mark.parametrize("poisoned", [2.5, 3.5])
def test_nor_does_it_where_both_come_late(stand: Stand, poisoned: float) -> None:
    script = stand.script()
    call = script.call(2, ALICE, WEB)
    script.tell(poisoned, ALICE, "evil.example", WEB, resolver=STRANGER, asked=False)
    script.tell(3, ALICE, "bank.example", WEB)
    stand.load(script)
    assert stand.name(call) == ("bank.example", "dns_late")


def test_where_no_query_is_seen_answers_name_all_the_same(stand: Stand) -> None:
    """A tap that sees one direction."""
    script = stand.script()
    script.tell(1, ALICE, "bank.example", WEB, asked=False)
    call = script.call(2, ALICE, WEB)
    stand.load(script)
    assert stand.name(call) == ("bank.example", "dns")


def test_names_that_look_alike_stay_apart(stand: Stand) -> None:
    script = stand.script()
    names = ["a-b.com", "a.b.com", "1and1.com", "1.and1.com", f"{LABEL_63}.{LABEL_63}.{LABEL_63}.example"]
    calls = []
    for n, name in enumerate(names):
        script.tell(1 + n, ALICE, name, f"198.51.100.{n}")
        calls.append(script.call(10, ALICE, f"198.51.100.{n}"))
    stand.load(script)
    assert stand.names(calls) == [(name, "dns") for name in names]
    assert [stand.row_of(call)["endpoint"] for call in calls] == names
    for n, name in enumerate(names):
        address = ip_address(f"198.51.100.{n}").packed
        assert address in [row[IPS_BY_NAME.index("ip")] for row in stand.store.addresses_of(name).rows]
        assert name in [row[NAMES_BY_IP.index("hostname")] for row in stand.store.names_of(address).rows]


def test_labels_of_any_octets_are_escaped(stand: Stand) -> None:
    script = stand.script()
    wire = {
        (b"caf\xe9", b"example"): "caf\\233.example",
        (b"\xff\0.", b"Example"): "\\255\\000\\..example",
        (b"_other",): "_other",
    }
    calls = []
    for n, name in enumerate(wire):
        script.tell(1, ALICE, name, f"198.51.100.{n}")
        calls.append(script.call(2, ALICE, f"198.51.100.{n}"))
    stand.load(script)
    assert stand.names(calls) == [(name, "dns") for name in wire.values()]
    assert stand.row_of(calls[2])["endpoint"] == "\\095other"


def test_what_another_client_was_told_is_marked_as_such(stand: Stand) -> None:
    script = stand.script()
    calls = [script.call(1, ALICE, WEB)]
    script.tell(2, BOB, "bobs.example", WEB)
    calls.append(script.call(3, ALICE, WEB))
    stand.load(script)
    calls.append(script.call(4, ALICE, WEB))
    stand.load(script)
    other = ("bobs.example", "dns_other_client")
    assert stand.names(calls) == [(None, "none"), other, other]
    script.tell(5, ALICE, "alices.example", WEB)
    stand.load(script)
    assert stand.names(calls) == [("alices.example", "dns_late")] * 3


def test_every_row_of_a_chain_gets_the_late_name(stand: Stand) -> None:
    script = stand.script()
    call = script.call(1, ALICE, WEB)
    stand.load(script)
    script.go_on(20, call, WEB)
    stand.load(script)
    script.tell(30, ALICE, "late.example", WEB)
    script.go_on(31, call, WEB)
    stand.load(script)
    rows = stand.rows_of(call)
    assert [(row["hostname"], row["name_evidence"]) for row in rows] == [("late.example", "dns_late")] * 3
    assert [row["endpoint"] for row in rows] == [WEB, WEB, "late.example"]
    assert len({row["flow_id"] for row in rows}) == 1


def inventory_of(text: str) -> Inventory:
    parsed = parse_inventory(text.encode())
    assert isinstance(parsed, Inventory)
    return parsed


def test_the_inventory_names_what_dns_did_not_in_time(stand: Stand) -> None:
    stand.inventory = inventory_of(f"198.51.100.0/24 office.example\n{WEB} web.office.example")
    script = stand.script()
    script.tell(1, ALICE, "old.example", CDN, ttl=0)
    script.tell(1, BOB, "bobs.example", WEB)
    calls = [script.call(2, BOB, WEB), script.call(100, ALICE, WEB), script.call(2 + GRACE_S, ALICE, CDN)]
    stand.load(script)
    stand.inventory = inventory_of(f"{WEB} other.example")
    calls.append(script.call(110, ALICE, WEB))
    stand.load(script)
    listed = [("web.office.example", "inventory"), ("office.example", "inventory"), ("other.example", "inventory")]
    assert stand.names(calls) == [("bobs.example", "dns"), *listed]
    at, by = IPS_BY_NAME.index("ip"), IPS_BY_NAME.index("evidence")
    for name, address in (("office.example", CDN), ("other.example", WEB)):
        found = {(row[at], row[by]) for row in stand.store.addresses_of(name).rows}
        assert found == {(ip_address(address).packed, "inventory")}
    script.tell(120, ALICE, "late.example", WEB)
    stand.load(script)
    late = ("late.example", "dns_late")
    assert stand.names(calls) == [("bobs.example", "dns"), late, listed[1], late]
    assert [stand.row_of(call)["endpoint"] for call in calls] == ["bobs.example", *(name for name, _ in listed)]


@pytest.mark.parametrize("in_order", [True, False])
def test_killed_at_any_moment_while_it_repairs_it_repairs_all_the_same(stand: Stand, in_order: bool) -> None:
    """The process that loads the answer is killed at one of its looks at the clock, of which the last lies between the repair
    and the commit; then another one loads it."""
    embedded = stand.open_store.url.startswith("sqlite")
    looks = killed_while_repairing(stand.beside(0), in_order, NEVER).looks
    assert looks is not None
    assert looks > 4
    for moment in range(1 if embedded else looks, looks + 1):
        victim = stand.beside(moment)
        looked, call, before, path = killed_while_repairing(victim, in_order, moment)
        assert looked is None
        # SQLite shows the repair with the commit.
        assert (victim.row_of(call) != before) == (moment == looks and not embedded)
        victim.load(path)
        evidence = "dns_late" if in_order else "dns"
        assert victim.row_of(call) == before | {"hostname": "missing.example", "name_evidence": evidence}
        assert victim.store.ledger(victim.sensor).totals["names_repaired"] == 1
        victim.assert_whole()


class Killed(NamedTuple):
    """A flow, its row before, and the capture with its answer, that a process was killed over."""

    looks: int | None  # at the clock, if it was not
    call: Call
    before: Row
    path: Path


def killed_while_repairing(victim: Stand, in_order: bool, moment: int) -> Killed:
    """Load a flow, then in a process of its own the answer that names it."""
    script = victim.script()
    call = script.call(100, ALICE, WEB)
    victim.load(script)
    script.tell(101 if in_order else 99, ALICE, "missing.example", WEB)
    before, path = victim.row_of(call), victim.file(script)
    victim.restart()
    return Killed(load_until_killed(victim.open_store.url, victim.sensor, path, moment), call, before, path)
