"""Clients that were told more than memory has room for (a forwarder, an address translator, a group on a busy link).

Of them the store is asked only what flows in hand need: each of their destinations, the newest facts.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain

from loader.naming.cache import fact_of
from loader.naming.choice import NamingRules
from loader.naming.facts import GROUPS
from loader.naming.facttable import FactTable
from schema.records import NameTold

Pair = tuple[bytes, bytes]  # client, address
TellNamesOf = Callable[[Mapping[Pair, int]], Sequence[NameTold]]
_ASKED_AT_ONCE = 64  # pairs


def pairs_of(crowded: Collection[bytes], flows: Iterable[tuple[bytes, bytes, int]], rules: NamingRules) -> dict[Pair, int]:
    """What to ask for flows (client, destination, start), each pair until the time (ns) of the last answer that may count."""
    groups = [group for group in GROUPS if group in crowded]
    until: dict[Pair, int] = {}
    for client, address, start_ns in flows:
        for asker in chain((client,) if client in crowded else (), groups):
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
