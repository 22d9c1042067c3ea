# mypy: disable-error-code="valid-type,untyped-decorator,misc,no-any-return,no-untyped-call,no-redef"

"""The kernel that lists the open rows of a flow table in an order, and copies them to what a sensor's next capture goes on
from, and back.

The rows' numbers depend on when rows were freed; what comes out depends on the flows alone.
"""

from __future__ import annotations

try:
    import cython
except ModuleNotFoundError:
    from schema import plain as cython

if cython.compiled:
    import cython.cimports.loader.decode.layout as layout
else:
    from loader.decode import layout


@cython.final
@cython.cclass
class OpenFlows:
    """Works on the arrays of a flow table; `order` and `spare` have a place for each open row."""

    rows: cython.ulonglong[::1]
    aside: cython.ulonglong[::1]
    table: cython.ulonglong[::1]
    order: cython.uint[::1]
    spare: cython.uint[::1]
    by: cython.int

    def __init__(
        self,
        tables: tuple[memoryview, memoryview],
        table: cython.ulonglong[::1],
        order: cython.uint[::1],
        spare: cython.uint[::1],
    ) -> None:
        """`tables`: rows and what is aside of them; `table`: its words."""
        self.rows, self.aside = tables
        self.table, self.order, self.spare = table, order, spare
        self.by = layout.BY_FRAME

    def listed(self, by: cython.int) -> int:
        """Write the numbers of the open rows to `order`, sorted `by` one of the words of `layout`; returns how many."""
        count: cython.Py_ssize_t = 0
        row: cython.Py_ssize_t
        self.by = by
        with cython.nogil:
            for row in range(self.table[layout.TABLE_HIGH]):
                if self.rows[row * layout.FLOW_WIDTH + layout.FLOW_STATE] & layout.STATE_OPEN:
                    self.order[count] = row
                    count += 1
            self._sort(count)
        return count

    @cython.cfunc
    @cython.nogil
    def _sort(self, count: cython.Py_ssize_t) -> cython.int:
        """Runs of 1, 2, 4, ... are merged; equal rows stay in the order of their numbers."""
        length: cython.Py_ssize_t = 1
        first: cython.Py_ssize_t
        while length < count:
            first = 0
            while first < count:
                self._merge(first, min(first + length, count), min(first + 2 * length, count))
                first += 2 * length
            self.order[:count] = self.spare[:count]
            length *= 2
        return 0

    @cython.cfunc
    @cython.nogil
    def _merge(self, first: cython.Py_ssize_t, middle: cython.Py_ssize_t, last: cython.Py_ssize_t) -> cython.int:
        """order[first:middle] and order[middle:last], each sorted, to spare[first:last]."""
        left: cython.Py_ssize_t = first
        right: cython.Py_ssize_t = middle
        n: cython.Py_ssize_t
        for n in range(first, last):
            if left < middle and (right == last or not self._before(self.order[right], self.order[left])):
                self.spare[n] = self.order[left]
                left += 1
            else:
                self.spare[n] = self.order[right]
                right += 1
        return 0

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _before(self, one: cython.Py_ssize_t, other: cython.Py_ssize_t) -> cython.bint:
        """Whether a row comes before another, in the order that is asked for."""
        a: cython.Py_ssize_t = one * layout.FLOW_WIDTH
        b: cython.Py_ssize_t = other * layout.FLOW_WIDTH
        k: cython.int
        if self.by != layout.BY_FRAME and self.rows[a + layout.FLOW_SEEN] != self.rows[b + layout.FLOW_SEEN]:
            return (self.rows[a + layout.FLOW_SEEN] < self.rows[b + layout.FLOW_SEEN]) == (self.by == layout.BY_SILENCE)
        if self.by != layout.BY_LAST_SEEN:
            return self.rows[a + layout.FLOW_FRAME] < self.rows[b + layout.FLOW_FRAME]
        for k in range(layout.FLOW_STATE):  # the key
            if self.rows[a + k] != self.rows[b + k]:
                return self.rows[a + k] < self.rows[b + k]
        return False

    def save(self, out: cython.ulonglong[::1], count: cython.Py_ssize_t) -> None:
        """Write the first `count` rows of `order` to `out`: `layout.CARRIED_FIELDS` columns, one behind the other."""
        n: cython.Py_ssize_t
        k: cython.Py_ssize_t
        at: cython.Py_ssize_t
        aside: cython.Py_ssize_t
        with cython.nogil:
            for n in range(count):
                at = self.order[n] * layout.FLOW_WIDTH
                aside = self.order[n] * layout.ASIDE_WIDTH
                for k in range(layout.CARRIED_CHAIN):
                    out[k * count + n] = self.rows[at + k]
                out[layout.FLOW_STATE * count + n] &= layout.STATE_CARRIED
                out[layout.CARRIED_CHAIN * count + n] = self.aside[aside + layout.ASIDE_CHAIN]
                out[layout.CARRIED_NAME * count + n] = self.aside[aside + layout.ASIDE_NAME]

    def load(self, columns: cython.ulonglong[::1], count: cython.Py_ssize_t) -> int:
        """Put `count` flows that `save` wrote into the first rows of an empty table; returns how many were, which are fewer
        where one is not open, or in no state that is carried. The table's index is the caller's."""
        n: cython.Py_ssize_t
        k: cython.Py_ssize_t
        at: cython.Py_ssize_t
        state: cython.ulonglong
        with cython.nogil:
            for n in range(count):
                at = n * layout.FLOW_WIDTH
                for k in range(layout.CARRIED_CHAIN):
                    self.rows[at + k] = columns[k * count + n]
                state = self.rows[at + layout.FLOW_STATE]
                if not state & layout.STATE_OPEN or state & ~layout.STATE_CARRIED:
                    break
                self.rows[at + layout.FLOW_STATE] = state & layout.STATE_CARRIED | layout.STATE_WAS_CARRIED
                self.aside[n * layout.ASIDE_WIDTH + layout.ASIDE_CHAIN] = columns[layout.CARRIED_CHAIN * count + n]
                self.aside[n * layout.ASIDE_WIDTH + layout.ASIDE_NAME] = columns[layout.CARRIED_NAME * count + n]
                self.table[layout.TABLE_HIGH] = self.table[layout.TABLE_USED] = n + 1
        return self.table[layout.TABLE_USED]
