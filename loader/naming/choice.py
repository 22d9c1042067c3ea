"""The choice: of all that is known of a flow's destination, its name and the evidence for it (docs/decisions/0013-names.md)."""

from dataclasses import dataclass
from typing import NamedTuple

from loader.naming.facts import Told

_NS = 1_000_000_000
# Evidence, the best first; what others were told names only where nothing else does.
SAID = ("sni", "quic", "http")
EVIDENCE = (*SAID, "dns", "dns_late", "inventory", "dns_stale", "dns_other_client", "none")


class Name(NamedTuple):
    """A destination's name, the evidence for it and whether there is a conflict, as the columns of `flows` spell them."""

    hostname: str | None
    evidence: str
    fact: Told | None = None  # of a `dns_late` one, what it rests on
    conflict: bool = False  # the flow says this name, its client was told names by then, and this is none of them

    @property
    def awaits(self) -> bool:
        """Whether an answer that is yet to come may give a better one: there is no answer, or one that nobody asked for and
        that came late."""
        if self.evidence == "dns_late":
            return self.fact is not None and not self.fact.asked
        return self.evidence in ("inventory", "dns_stale", "dns_other_client", "none")


UNNAMED = Name(None, "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class NamingRules:
    """How long facts count, in nanoseconds."""

    grace_ns: int = 60 * _NS  # after the end of their TTL
    late_ns: int = 300 * _NS  # for flows that started before they were told


class Found(NamedTuple):
    """A fact that names a flow, of those that its client was told of its destination, and how."""

    how: int
    told: Told


# How a fact names, the greater the better.
BEFORE, LATER, RUNNING = 1, 2, 3
_EVIDENCE = {BEFORE: "dns_stale", LATER: "dns_late", RUNNING: "dns"}


def better(one: Found, other: Found) -> Found:
    """Of what two parts of the facts give, what the whole gives."""
    if one.how == other.how == LATER:
        return min(one, other, key=lambda found: (not found.told.asked, found.told))
    return max(one, other, key=lambda found: (found.how, found.told.asked, found.told))


def named(how: int, hostname: str, told: Told | None = None) -> Name:
    """The name that a fact gives, where nothing goes before it."""
    return Name(hostname, _EVIDENCE[how], told)


def choose(own: Name | None, listed: str | None, others: str | None) -> Name:
    """The name of a destination whose flow says none.

    `own`: by what its client was told of it; `listed`: what the operator's inventory calls it; `others`: the name that anybody
    was told of it last, before the flow started.
    """
    if own is not None and own.evidence != "dns_stale":
        return own
    if listed is not None:
        return Name(listed, "inventory")
    if own is not None:
        return own
    return UNNAMED if others is None else Name(others, "dns_other_client")
