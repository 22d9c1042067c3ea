"""Lineage is found in every store as the loader left it."""

from loader.review.lineage import Lineage, lineage_of
from schema.records import FlowKey, NameRepair
from schema.store.writing import ClaimRefusal
from schema.tables import FLOWS, NAMES_BY_ADDRESS, NAMES_BY_CLIENT
from tests.loader.naming.script import ALICE, BOB, CDN, RESOLVER, WEB, Call
from tests.loader.naming.stand import Stand
from tests.schema.store.samples import abandon, id_of, name_row, with_rows

TOLD = (NAMES_BY_CLIENT, NAMES_BY_ADDRESS)


def lineage(stand: Stand, call: Call) -> Lineage:
    row = stand.row_of(call)
    found = lineage_of(stand.store, row["capture_id"], row["frame"], row["destination_ip"], lambda _: None)
    assert found is not None
    assert found.row == {name: row[name] for name in found.row}
    return found


def test_answers_are_found_with_who_gave_them(stand: Stand) -> None:
    script = stand.script()
    script.tell(1, ALICE, "www.example", WEB, aliases=["edge.example"])
    script.tell(2, BOB, "bobs.example", CDN)
    stand.load(script)
    calls = [script.call(3, ALICE, WEB), script.call(3, ALICE, CDN), script.call(3, BOB, "198.51.100.99")]
    first = stand.load(script)[0].capture_id
    script.tell(5, BOB, "late.example", "198.51.100.99", over_tcp=True)
    stand.load(script)
    told, others, late = (lineage(stand, call) for call in calls)
    for found, hostname, transport in (
        (told, "www.example", "udp"),
        (others, "bobs.example", "udp"),
        (late, "late.example", "tcp"),
    ):
        assert found.answer is not None
        assert found.answer.record is not None
        assert found.answer.fact.hostname == hostname
        assert found.answer.record["transport"] == transport
        assert found.answer.record["resolver_ip"] == bytes(map(int, RESOLVER.split(".")))
        assert found.without.hostname is None
        assert found.capture is not None
        assert found.capture.facts.capture_id == first
    assert [found.repaired for found in (told, others, late)] == [False, False, True]


def test_without_the_newest_answer_the_one_before_it_names(stand: Stand) -> None:
    script = stand.script()
    script.tell(1, ALICE, "old.example", CDN, ttl=1)
    script.tell(2, ALICE, "unasked.example", CDN, asked=False)
    script.tell(3, ALICE, "new.example", CDN)
    call = script.call(100, ALICE, CDN)
    stand.load(script)
    without = lineage(stand, call).without
    assert (without.hostname, without.evidence) == ("unasked.example", "dns")


def test_a_row_that_is_not_there_has_none(stand: Stand) -> None:
    script = stand.script()
    call = script.call(1, ALICE, WEB)
    stand.load(script)
    row = stand.row_of(call)
    for capture_id, frame in ((row["capture_id"], 99), (bytes(16), row["frame"])):
        assert lineage_of(stand.store, capture_id, frame, row["destination_ip"], lambda _: None) is None


def test_a_later_answer_that_says_the_same_has_repaired_nothing(stand: Stand) -> None:
    script = stand.script()
    script.tell(80, ALICE, "x.example", WEB, ttl=600)
    first = stand.file(script)
    script.tell(90, ALICE, "x.example", WEB, ttl=600)
    second = stand.file(script)
    call = script.call(100, ALICE, WEB)
    one = stand.load(first)[0].capture_id
    stand.load(stand.file(script), second)
    found = lineage(stand, call)
    assert found.answer is not None
    assert (found.answer.fact.capture_id, found.repaired) == (one, False)
    assert found.without.hostname is None  # as it was when the row was committed


def test_an_attempt_that_does_not_count_gave_nothing(stand: Stand) -> None:
    script = stand.script()
    script.tell(1, ALICE, "www.example", WEB)
    call = script.call(50, ALICE, WEB)
    stand.load(script)
    row, start_ms = stand.row_of(call), stand.start_s * 1_000
    values = {"client_ip": row["source_ip"], "address": row["destination_ip"], "sensor": stand.sensor}
    dead = [
        name_row(id_of("dead"), 1, table, valid_from=start_ms + 40_000, valid_to=start_ms + 90_000, **values) for table in TOLD
    ]
    abandon(stand.loader().lease, with_rows({table: [row] for table, row in zip(TOLD, dead, strict=True)}, "dead"))
    found = lineage(stand, call)
    assert found.answer is not None
    assert (found.answer.fact.hostname, found.without.hostname) == ("www.example", None)


def test_a_repair_by_an_attempt_that_ended_before_its_commit(stand: Stand) -> None:
    """SQLite takes it back; Cassandra keeps it, and it is told whose it is."""
    script = stand.script()
    call = script.call(1, ALICE, WEB)
    stand.load(script)
    row, start_ms = stand.row_of(call), stand.start_s * 1_000
    values = {
        "client_ip": row["source_ip"],
        "address": row["destination_ip"],
        "sensor": stand.sensor,
        "hostname": "late.example",
    }
    rows = {table: [name_row(id_of("dead"), 2, table, valid_from=start_ms + 2_000, **values)] for table in TOLD}
    capture = with_rows(rows, "dead")
    key = FlowKey(*(row[name] for name in FLOWS.key))
    begun = stand.loader().lease.begin(capture.claim())
    assert not isinstance(begun, ClaimRefusal)
    with begun as attempt:
        attempt.write(capture.batches())
        assert attempt.repair([NameRepair(key, "late.example", "dns_late", conflict=False)]) == 1
    found = lineage(stand, call)
    if stand.open_store.url.startswith("sqlite"):
        assert (found.row["hostname"], found.answer, found.repaired) == (None, None, False)
    else:
        assert found.answer is not None
        assert found.answer.capture is not None
        assert (found.row["hostname"], found.answer.capture.facts.capture_id) == ("late.example", id_of("dead"))
        assert (found.answer.capture.state, found.repaired, found.without.hostname) == ("claimed", True, None)
