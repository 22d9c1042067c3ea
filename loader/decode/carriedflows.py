"""Open flows from one capture to the next: their section of the carried state, format 3.

A header (magic, table clock, its packet time, a jump in doubt, number of flows), then the flows, the last seen first.
"""

import struct
from collections.abc import Callable

from loader.decode import layout
from loader.decode.carried import UnreadableState
from loader.decode.flowtable import FlowTable
from loader.decode.namebook import is_word
from schema.enums import Initiator

_MAGIC = b"PLF3"
_HEADER = struct.Struct("<4sQQQI")
# A's and B's address, ports and protocol, state, clocks of the last packet and of the row's first, time of the chain, tunnel,
# what the initiator said (in numbers of the carried texts).
_FLOW = struct.Struct("<QQQQQQQQQQQ")
_FIELDS = (
    layout.FLOW_A_HI,
    layout.FLOW_A_LO,
    layout.FLOW_B_HI,
    layout.FLOW_B_LO,
    layout.FLOW_PORTS,
    layout.FLOW_STATE,
    layout.FLOW_SEEN,
    layout.FLOW_STARTED,
)
_IN_DOUBT = 32  # in the state: the flow of the packet whose jump nobody has confirmed


def encode_flows(table: FlowTable, limit: int, renumber: Callable[[int], int]) -> bytes:
    """What the next capture needs of the open flows: at most `limit`, the last seen first. Idle ones are ended.

    `renumber`: gives what a flow said the numbers that its texts have there.
    """
    table.kernel.sweep()
    words, rows = table.words, table.rows
    pending_row = words[layout.TABLE_PENDING_ROW] - 1
    flows = []
    for row in table.open_rows():
        values = [rows[row, field] for field in _FIELDS]
        values[5] = values[5] & layout.STATE_CHAIN | (_IN_DOUBT if row == pending_row else 0)
        aside = table.aside
        values += aside[row, layout.ASIDE_CHAIN], rows[row, layout.FLOW_TUNNEL], aside[row, layout.ASIDE_NAME]
        flows.append(values)
    flows.sort(key=lambda values: (-values[6], values))
    words[layout.TABLE_NOT_CARRIED] = max(len(flows) - limit, 0)
    del flows[limit:]
    for values in flows:
        values[-1] = renumber(values[-1])
    clock = (words[layout.TABLE_CLOCK], words[layout.TABLE_REFERENCE], words[layout.TABLE_PENDING])
    return _HEADER.pack(_MAGIC, *clock, len(flows)) + b"".join(_FLOW.pack(*values) for values in flows)


def restore_flows(table: FlowTable, carried: bytes, texts: int) -> None:
    """Put carried flows into an empty table; `texts`: how many are carried beside them. Raises `UnreadableState` for bytes that
    `encode_flows` did not make."""
    if len(carried) < _HEADER.size or carried[:4] != _MAGIC:
        raise UnreadableState("the carried flows are of a format that this version does not know")
    _, clock, reference, pending, count = _HEADER.unpack_from(carried)
    if len(carried) != _HEADER.size + count * _FLOW.size:
        raise UnreadableState("the carried flows are cut")
    words = table.words
    words[layout.TABLE_CLOCK], words[layout.TABLE_REFERENCE], words[layout.TABLE_PENDING] = clock, reference, pending
    words[layout.TABLE_SWEPT] = clock
    while len(table.rows) < count + 2:
        table.make_room(layout.WANT_ROWS)
    words[layout.TABLE_HIGH] = words[layout.TABLE_USED] = count
    for row, values in enumerate(_FLOW.iter_unpack(carried[_HEADER.size :])):
        if not is_word(values[-1], texts):
            raise UnreadableState("a carried flow says what is not carried")
        _restore_flow(table, row, values)


def _restore_flow(table: FlowTable, row: int, values: tuple[int, ...]) -> None:
    for field, value in zip(_FIELDS, values, strict=False):
        table.rows[row, field] = value
    aside, rows = table.aside, table.rows
    aside[row, layout.ASIDE_CHAIN], rows[row, layout.FLOW_TUNNEL], aside[row, layout.ASIDE_NAME] = values[-3:]
    state = values[5]
    if state & _IN_DOUBT:
        table.words[layout.TABLE_PENDING_ROW] = row + 1
    kept = state & layout.STATE_CHAIN & ((1 << layout.STATE_INITIATOR_SHIFT) - 1) & ~_IN_DOUBT
    table.rows[row, layout.FLOW_STATE] = kept | Initiator.CARRIED << layout.STATE_INITIATOR_SHIFT
    table.kernel.enter(row)
