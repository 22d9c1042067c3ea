"""What flows need that is not held: of clients that were told more than memory has room for (a forwarder, an address
translator, a group on a busy link), or for flows that started long before their capture. Pair by pair, client and destination:
the newest.
"""

from collections.abc import Collection, Iterable, Mapping
from itertools import chain

from loader.naming.choice import NamingRules
from loader.naming.facts import GROUPS
from loader.naming.facttable import FactTable
from loader.naming.pairs import Pair, Span, TellNamesOf, told_of

Starts = Iterable[tuple[bytes, bytes, int]]  # client, destination, start of a flow
_ASKED_AT_ONCE = 64  # pairs


def crowded_pairs(crowded: Collection[bytes], flows: Starts) -> set[Pair]:
    """What these flows need of clients that are crowded."""
    groups = [group for group in GROUPS if group in crowded]
    return {(asker, address) for client, address, _ in flows for asker in chain((client,) if client in crowded else (), groups)}


def early_pairs(flows: Starts, groups: Collection[bytes], rules: NamingRules) -> dict[Pair, Span]:
    """What to ask for these flows, up to the last answer that may count; `groups`: those that were told anything."""
    spans: dict[Pair, Span] = {}
    for client, address, start_ns in flows:
        for pair in ((asker, address) for asker in chain((client,), groups)):
            first, until = spans.get(pair, (start_ns, 0))
            spans[pair] = Span(min(first, start_ns), max(until, start_ns + rules.late_ns))
    return spans


def facts_of_pairs(pairs: Mapping[Pair, Span], tell: TellNamesOf, rules: NamingRules, limit: int) -> tuple[FactTable, int]:
    """The facts of these pairs, of at most `limit` entries and those that were asked for with the last; and of how many not all
    is there: the last in their order are not asked about."""
    table, asked, cut = FactTable(rules), sorted(pairs), 0
    for start in range(0, len(asked), _ASKED_AT_ONCE):
        if table.entries >= limit:
            return table, cut + len(asked) - start
        for told in told_of({pair: pairs[pair] for pair in asked[start : start + _ASKED_AT_ONCE]}, tell):
            table.add(told.facts)
            cut += told.is_cut
    return table, cut
