"""The verdict of a check of the identities, and how one adds up. Pure values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

IDENTITIES = ("packets", "rows", "totals", "metrics")
# So many differences are told one by one; the rest is only counted.
MAX_NAMED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Sums of all numbers compared, and of their absolute differences: errors never cancel each other."""

    name: str
    left: int
    right: int
    difference: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One number that is not what it should be."""

    identity: str
    sensor: str = ""  # "" where the number is a network's
    subject: str  # what was counted: `packets`, a table, a total's name
    left: int
    right: int
    capture_id: bytes = b""  # where the number is a capture's
    file_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What the check of `packets` and `rows` saw."""

    captures: int = 0  # committed, of the sensors that were checked
    checked: int = 0
    expired: int = 0  # of those checked: all rows are gone by age, only the ledger's own numbers were compared

    def plus(self, other: "Coverage") -> "Coverage":
        """Of the sensors of both."""
        return Coverage(
            captures=self.captures + other.captures,
            checked=self.checked + other.checked,
            expired=self.expired + other.expired,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What all checks of one process have recounted so far."""

    alive: int = 0  # committed captures whose rows have not all expired
    covered: int = 0  # of them, those recounted at least once
    since_ms: int = 0  # when the one was recounted that waits the longest for its next turn; 0: not all were yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """The verdict over committed captures. An identity that could not be checked is absent."""

    at_ms: int
    identities: tuple[Identity, ...]
    coverage: Coverage
    differing: tuple[Difference, ...]  # the first MAX_NAMED
    differing_count: int
    reach: Reach | None = None  # of a check that is one of many

    @property
    def holds(self) -> bool:
        """Every identity that was checked holds."""
        return self.differing_count == 0


@dataclass(slots=True)
class Tally:
    """Comparisons as they are made."""

    sums: dict[str, list[int]] = field(default_factory=dict)
    differing: list[Difference] = field(default_factory=list)
    differing_count: int = 0

    def begin(self, identity: str) -> None:
        """From here the identity counts as checked, even where there is nothing to compare."""
        self.sums.setdefault(identity, [0, 0, 0])

    def compare(self, pair: Difference) -> None:
        """Add one pair of numbers, equal or not."""
        sums = self.sums[pair.identity]
        for place, number in enumerate((pair.left, pair.right, abs(pair.left - pair.right))):
            sums[place] += number
        if pair.left != pair.right:
            self.differing_count += 1
            if len(self.differing) < MAX_NAMED:
                self.differing.append(pair)

    def agree(self, identity: str, whole: int) -> None:
        """Add numbers that were found equal, by their sum."""
        sums = self.sums[identity]
        sums[0] += whole
        sums[1] += whole

    def identities(self) -> tuple[Identity, ...]:
        """All that was checked, in the order of IDENTITIES."""
        return tuple(
            Identity(name=name, left=left, right=right, difference=difference)
            for name, (left, right, difference) in sorted(self.sums.items(), key=_order)
        )


def _order(item: tuple[str, object]) -> int:
    return IDENTITIES.index(item[0])


def sides(left: Mapping[str, int], right: Mapping[str, int]) -> list[tuple[str, int, int]]:
    """Two maps of numbers side by side: (name, left, right), 0 where a side has none."""
    return [(name, left.get(name, 0), right.get(name, 0)) for name in sorted({*left, *right})]
