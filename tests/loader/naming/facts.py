"""Facts made up for tests, and the choice as docs/decisions/0013-names.md says it: word for word, with no thought of speed."""

from collections.abc import Sequence

from loader.decode.columns import DnsColumns, FlowColumns
from loader.naming.choice import NamingRules
from loader.naming.facts import Told
from schema.records import NameTold

ALICE, BOB, WEB, CDN = b"\x0a\x00\x00\x01", b"\x0a\x00\x00\x02", b"\xc0\x00\x02\x01", b"\xc0\x00\x02\x02"
MDNS = bytes([224, 0, 0, 251])
# Client, address, time in ms, TTL in s, name, whether the query was seen.
Row = tuple[bytes, bytes, int, int, str, bool]


def dns(*rows: Row) -> DnsColumns:
    """As the decoder gives them."""
    n = range(len(rows))
    return DnsColumns(
        frame=[i + 1 for i in n],
        ts_ns=[row[2] * 1_000_000 for row in rows],
        client_ip=[row[0] for row in rows],
        client_port=[53000 for _ in n],
        resolver_ip=[BOB for _ in n],
        transport=["udp" for _ in n],
        kind=["dns" for _ in n],
        txid=[1 for _ in n],
        rcode=[0 for _ in n],
        qname=[row[4] for row in rows],
        qtype=[1 for _ in n],
        latency_us=[10 if row[5] else None for row in rows],
        section=["answer" for _ in n],
        rr_index=[0 for _ in n],
        rr_name=[row[4] for row in rows],
        rr_type=["A" for _ in n],
        rr_ttl=[row[3] for row in rows],
        address=[row[1] for row in rows],
        rdata=[None for _ in n],
        names=[row[4] for row in rows],
    )


def answers(*rows: tuple[bytes, bytes, int, int, str]) -> DnsColumns:
    """The same, asked for."""
    return dns(*((*row, True) for row in rows))


def flow(client: bytes, address: bytes, start_ms: int, said: str | None = None) -> FlowColumns:
    """What naming looks at."""
    return FlowColumns(
        source_ip=[client],
        destination_ip=[address],
        frame=[1],
        chain_ts_ns=[start_ms * 1_000_000],
        said_name=[said],
        said_by=[said and "sni"],
    )


def stored(row: Row, capture_id: bytes, frame: int) -> NameTold:
    """As a row of the store."""
    client, address, at_ms, ttl, name, asked = row
    return NameTold(
        client_ip=client,
        address=address,
        valid_from_ns=at_ms * 1_000_000,
        hostname=name,
        capture_id=capture_id,
        valid_to_ns=at_ms * 1_000_000 + ttl * 10**9,
        frame=frame,
        asked=asked,
    )


def best(
    own: Sequence[Told], at: int, rules: NamingRules, listed: str | None, others: Sequence[Told]
) -> tuple[str | None, str]:
    """Name and evidence, by trying every fact."""
    before = [fact for fact in own if fact.valid_from_ns <= at]
    running = [fact for fact in before if at <= fact.valid_to_ns + rules.grace_ns]
    if running:
        return max(running, key=lambda fact: (fact.asked, fact)).hostname, "dns"
    late = [fact for fact in own if at < fact.valid_from_ns <= at + rules.late_ns]
    if late:
        return min(late, key=lambda fact: (not fact.asked, fact)).hostname, "dns_late"
    if listed is not None:
        return listed, "inventory"
    if before:
        return max(before, key=lambda fact: (fact.asked, fact)).hostname, "dns_stale"
    of_others = [fact for fact in others if fact.valid_from_ns <= at]
    return (max(of_others).hostname, "dns_other_client") if of_others else (None, "none")


def is_nobody(client: bytes) -> bool:
    """Of no client what it was told is shared out."""
    return not client
