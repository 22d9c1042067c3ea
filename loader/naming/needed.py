"""What is needed of a client's facts by flows that start at a time or later: of names that are told again and again, little."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from loader.naming.facts import Fact, Told

_NEVER = -1


def needed(facts: Iterable[Fact], horizon_ns: int) -> Iterator[Fact]:
    """Of facts in any order, those without which a flow that starts at the horizon (Unix ns) or later could be named, or be in
    conflict, otherwise: pair by pair, of each the oldest first.

    All that was told behind the horizon. Of what was told before it a fact is not, where a newer one of the same pair and name,
    before the horizon too, runs at least as long, and was asked for if it was: it is preferred whenever the other one counts.
    The newest of a pair is among them. Of parts that were sifted before, the same is needed as of the whole.
    """
    pairs: defaultdict[tuple[bytes, bytes], list[Told]] = defaultdict(list)
    for client, address, told in facts:
        pairs[client, address].append(told)
    for (client, address), of_pair in pairs.items():
        of_pair.sort()
        for told in reversed(list(_newest_first(of_pair, horizon_ns))):
            yield Fact(client, address, told)


def _newest_first(of_pair: list[Told], horizon_ns: int) -> Iterator[Told]:
    asked_until: dict[str, int] = {}
    until: dict[str, int] = {}
    for told in reversed(of_pair):
        name, end_ns = told.hostname, told.valid_to_ns
        if told.valid_from_ns <= horizon_ns:
            if end_ns <= (asked_until if told.asked else until).get(name, _NEVER):
                continue
            until[name] = max(end_ns, until.get(name, _NEVER))
            if told.asked:
                asked_until[name] = max(end_ns, asked_until.get(name, _NEVER))
        yield told
