"""Open flows from one capture to the next: their section of the carried state, format 2.

A header (magic, table clock, its packet time, a jump in doubt, number of flows), then the flows, the last seen first.
"""

import struct

from loader.decode import layout
from loader.decode.carried import UnreadableState
from loader.decode.flowtable import FlowTable
from schema.enums import Initiator

_MAGIC = b"PLF2"
_HEADER = struct.Struct("<4sQQQI")
# A's and B's address, ports and protocol, state, clocks of the last packet and of the row's first, time of the chain, tunnel.
_FLOW = struct.Struct("<QQQQQQQQQQ")
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


def encode_flows(table: FlowTable, limit: int) -> bytes:
    """What the next capture needs of the open flows: at most `limit`, the last seen first. Idle ones are ended."""
    table.kernel.sweep()
    words, rows = table.words, table.rows
    pending_row = words[layout.TABLE_PENDING_ROW] - 1
    flows = []
    for row in table.open_rows():
        values = [rows[row, field] for field in _FIELDS]
        values[5] = values[5] & layout.STATE_CHAIN | (_IN_DOUBT if row == pending_row else 0)
        values += table.aside[row, layout.ASIDE_CHAIN], rows[row, layout.FLOW_TUNNEL]
        flows.append(values)
    flows.sort(key=lambda values: (-values[6], values))
    del flows[limit:]
    clock = (words[layout.TABLE_CLOCK], words[layout.TABLE_REFERENCE], words[layout.TABLE_PENDING])
    return _HEADER.pack(_MAGIC, *clock, len(flows)) + b"".join(_FLOW.pack(*values) for values in flows)


def restore_flows(table: FlowTable, carried: bytes) -> None:
    """Put carried flows into an empty table; raises `UnreadableState` for bytes that `encode_flows` did not make."""
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
        _restore_flow(table, row, values)


def _restore_flow(table: FlowTable, row: int, values: tuple[int, ...]) -> None:
    for field, value in zip(_FIELDS, values, strict=False):
        table.rows[row, field] = value
    table.aside[row, layout.ASIDE_CHAIN], table.rows[row, layout.FLOW_TUNNEL] = values[-2:]
    state = values[5]
    if state & _IN_DOUBT:
        table.words[layout.TABLE_PENDING_ROW] = row + 1
    kept = state & layout.STATE_CHAIN & ((1 << layout.STATE_INITIATOR_SHIFT) - 1) & ~_IN_DOUBT
    table.rows[row, layout.FLOW_STATE] = kept | Initiator.CARRIED << layout.STATE_INITIATOR_SHIFT
    table.kernel.enter(row)
