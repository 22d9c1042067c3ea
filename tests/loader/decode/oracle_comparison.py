"""The decoder against tshark over the public captures: `python -m tests.loader.decode.oracle_comparison`.

Packets are compared by their outermost IP header with the results beside each capture; where packets are in packets, and tshark
is here, by their innermost one too, with what tshark says now. Prints the share of equal rows over what is supported, and each
class of differences with its count and one example.
"""

import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path

from loader.reading.capture import DeepDecoder
from schema.errors import CaptureError
from tests.loader.decode.oracle_classes import UNEXPLAINED, UNSUPPORTED, Difference, class_of
from tests.loader.decode.oracle_rows import (
    DnsRow,
    Expected,
    Ours,
    PacketRow,
    Raw,
    alike,
    as_frame,
    as_outermost,
    by_frame,
    differing,
    expected_rows,
    inner_rows,
    is_custom_block,
    our_rows,
)
from tests.shared_captures import SHARED, shared_captures

_Rows = list[tuple[DnsRow, Raw]]


@dataclass
class Comparison:
    """What came of all captures."""

    captures: Counter[str] = field(default_factory=Counter)  # compared, or why not
    rows: Counter[str] = field(default_factory=Counter)  # tshark's, by kind
    differences: dict[str, list[Difference]] = field(default_factory=dict)  # by class

    def add(self, differences: Iterable[Difference]) -> None:
        """Classify."""
        for difference in differences:
            self.differences.setdefault(class_of(difference), []).append(difference)

    def share(self, kind: str) -> tuple[int, int]:
        """Rows of a kind that are equal, and rows over what is supported."""
        different = unsupported = 0
        for name, members in self.differences.items():
            count = sum(_kind(member) == kind and member.expected is not None for member in members)
            different += count
            unsupported += count if name in UNSUPPORTED else 0
        return self.rows[kind] - different, self.rows[kind] - unsupported

    def counts(self) -> dict[str, int]:
        """Differences by class."""
        return {name: len(members) for name, members in sorted(self.differences.items())}


def _kind(difference: Difference) -> str:
    if isinstance(difference.expected or difference.ours, DnsRow):
        return "dns"
    return "inner" if difference.inner else "packet"


def compare(captures: Iterable[Path], deep: DeepDecoder | None = None) -> Comparison:
    """Every capture in a container that is read; with `deep` what it makes of frames that the kernels have no use for."""
    comparison = Comparison()
    for capture in captures:
        expected = expected_rows(capture)
        try:
            ours = our_rows(capture, deep)
        except CaptureError as error:
            comparison.captures[f"refused: {error.reason}"] += 1
            continue
        comparison.captures["compared"] += 1
        comparison.rows.update(packet=_frames(expected, ours), dns=len(expected.dns))
        comparison.add(_packet_differences(capture, expected, ours))
        comparison.add(_dns_differences(capture, expected, ours))
        if (expected.nested or any(packet.outer for packet in ours.packets)) and shutil.which("tshark"):
            inner = inner_rows(capture)
            comparison.captures["compared by the innermost header"] += 1
            comparison.rows.update(inner=_frames(inner, ours))
            comparison.add(_packet_differences(capture, inner, ours, inner=True))
    return comparison


def _frames(expected: Expected, ours: Ours) -> int:
    return sum(not is_custom_block(raw, ours) for _, raw in expected.packets)


def _packet_differences(capture: Path, expected: Expected, ours: Ours, *, inner: bool = False) -> Iterator[Difference]:
    packets = [theirs for theirs in expected.packets if not is_custom_block(theirs[1], ours)]
    for frame, (theirs, mine) in enumerate(zip_longest(packets, ours.packets), start=1):
        row, raw = theirs or (None, {})
        our_row, reason, outer = mine or (None, None, [])
        if row and mine:
            row, our_row = alike(row, raw, mine.row)
            if reason == "unsupported_link_type" and not ours.deep:
                row, our_row = as_frame(row, our_row)
            elif not inner:
                row, our_row = as_outermost(row, our_row, mine)
        if row != our_row:
            found = _difference(capture, frame, (row, raw), our_row, ours, reason=reason, fragment=raw.get("frag", False))
            yield replace(found, inner=inner, depth=len(outer) + 1)


def _dns_differences(capture: Path, expected: Expected, ours: Ours) -> Iterator[Difference]:
    theirs, mine = by_frame(expected.dns, "n"), by_frame(ours.dns, "frame")
    for frame in sorted(theirs.keys() | mine.keys()):
        packet, reason, _ = ours.packets[frame - 1] if frame <= len(ours.packets) else (None, None, [])
        left, right = _left_over(theirs.get(frame, []), mine.get(frame, []))
        first = next((raw for _, raw in theirs.get(frame, [])), {})
        for their_row, our_row in zip_longest(left, right):
            row, raw = their_row or (None, first)
            our = our_row[0] if our_row else None
            fragment = bool(packet and packet.fragment)
            yield _difference(capture, frame, (row, raw), our, ours, reason=reason, fragment=fragment)


def _left_over(theirs: _Rows, mine: _Rows) -> tuple[_Rows, _Rows]:
    """The rows of a frame that the other side does not have."""
    shared = Counter(row for row, _ in theirs) & Counter(row for row, _ in mine)
    sides = []
    for rows in (theirs, mine):
        spent, left = shared.copy(), []
        for row in rows:
            if spent[row[0]]:
                spent[row[0]] -= 1
            else:
                left.append(row)
        sides.append(left)
    return sides[0], sides[1]


def _difference(
    capture: Path,
    frame: int,
    theirs: tuple[PacketRow | DnsRow | None, Raw],
    mine: PacketRow | DnsRow | None,
    ours: Ours,
    *,
    reason: str | None,
    fragment: bool,
) -> Difference:
    return Difference(
        capture=capture,
        frame=frame,
        expected=theirs[0],
        raw=theirs[1],
        ours=mine,
        fields=frozenset(differing(theirs[0], mine)),
        reason=reason,
        fragment=fragment,
        counters=dict(ours.report.counters),
        damage=dict(ours.report.damage),
    )


def _shown(difference: Difference) -> str:
    path = difference.capture.relative_to(SHARED / "captures") if SHARED else difference.capture
    lines = [
        f"    {path}, frame {difference.frame}",
        f"      tshark: {difference.expected}",
        f"      ours:   {difference.ours}",
    ]
    return "\n".join(lines)


def main() -> int:
    """Exit code 1 if anything is unexplained."""
    comparison = compare(shared_captures())
    print(f"captures: {dict(comparison.captures)}")
    for kind in ("packet", "inner", "dns"):
        equal, supported = comparison.share(kind)
        total = comparison.rows[kind]
        print(f"{kind}: {equal} of {supported} supported rows equal ({equal / max(supported, 1):.3%}); {total} rows in all")
    for name, members in sorted(comparison.differences.items(), key=lambda item: -len(item[1])):
        print(f"{len(members):6}  {name}\n{_shown(members[0])}")
    return int(UNEXPLAINED in comparison.differences)


if __name__ == "__main__":
    sys.exit(main())
