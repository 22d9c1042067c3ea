"""What flows need that is not held: of clients that were told more than memory has room for (a forwarder, an address
translator, a group on a busy link), or for flows that started long before their capture. Pair by pair, client and destination:
the newest.
"""

from collections.abc import Collection, Iterable, Mapping
from itertools import chain

from loader.naming.cache import Pair, TellNamesOf, fact_of
from loader.naming.choice import NamingRules
from loader.naming.facts import GROUPS
from loader.naming.facttable import FactTable

Starts = Iterable[tuple[bytes, bytes, int]]  # client, destination, start of a flow
_ASKED_AT_ONCE = 64  # pairs


def crowded_pairs(crowded: Collection[bytes], flows: Starts) -> set[Pair]:
    """What these flows need of clients that are crowded."""
    groups = [group for group in GROUPS if group in crowded]
    return {(asker, address) for client, address, _ in flows for asker in chain((client,) if client in crowded else (), groups)}


def early_pairs(flows: Starts, groups: Collection[bytes], rules: NamingRules) -> dict[Pair, int]:
    """What to ask for these flows, each pair until the time (ns) of the last answer that may count; `groups`: those that were
    told anything."""
    until: dict[Pair, int] = {}
    for client, address, start_ns in flows:
        for asker in chain((client,), groups):
            until[asker, address] = max(until.get((asker, address), 0), start_ns + rules.late_ns)
    return until


def facts_of_pairs(pairs: Mapping[Pair, int], tell: TellNamesOf, rules: NamingRules, limit: int) -> tuple[FactTable, int]:
    """The facts of these pairs, of at most `limit` entries and those that were asked for with the last; and how many pairs were
    not asked about: the last in their order."""
    table, asked = FactTable(rules), sorted(pairs)
    for start in range(0, len(asked), _ASKED_AT_ONCE):
        if table.entries >= limit:
            return table, len(asked) - start
        table.add(map(fact_of, tell({pair: pairs[pair] for pair in asked[start : start + _ASKED_AT_ONCE]})))
    return table, 0
