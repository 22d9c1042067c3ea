"""Open flows from one capture to the next: their section of the carried state, format 5.

Words of the machine: a magic, the number of flows; then the flows, the last seen first, as `layout.CARRIED_FIELDS` columns.
Where words have another order of octets the magic is not known.
"""

from array import array
from collections.abc import Callable

from loader.decode import layout
from loader.decode.carried import UnreadableState
from loader.decode.flowtable import FlowTable
from loader.decode.namebook import is_word

_MAGIC = int.from_bytes(b"PLF5flow")
_HEAD = 2


def encode_flows(table: FlowTable, limit: int, renumber: Callable[[int], int]) -> bytes:
    """What the next capture needs of the open flows: at most `limit`, the last seen first. Idle ones are ended.

    `renumber`: gives what a flow said the numbers that its texts have there.
    """
    table.kernel.sweep()
    kernel, order = table.open_flows(layout.BY_LAST_SEEN)
    count = min(len(order), limit)
    table.words[layout.TABLE_NOT_CARRIED] = len(order) - count
    columns = array("Q", bytes(8 * layout.CARRIED_FIELDS * count))
    kernel.save(columns, count)
    said = columns[layout.CARRIED_NAME * count :]
    words = {word: renumber(word) for word in dict.fromkeys(said)}
    columns[layout.CARRIED_NAME * count :] = array("Q", map(words.__getitem__, said))
    head = array("Q", [_MAGIC, count])
    return head.tobytes() + columns.tobytes()


def restore_flows(table: FlowTable, carried: bytes, now: int, texts: int) -> None:
    """Put carried flows into an empty table; `now`: what the clock says; `texts`: how many are carried beside them. Raises
    `UnreadableState` for bytes that `encode_flows` did not make."""
    words = array("Q", carried[: len(carried) // 8 * 8])
    if len(words) < _HEAD or words[0] != _MAGIC:
        raise UnreadableState("the carried flows are of a format that this version does not know")
    count = words[1]
    columns = words[_HEAD:]
    if len(carried) != 8 * (_HEAD + count * layout.CARRIED_FIELDS):
        raise UnreadableState("the carried flows are cut")
    if not all(is_word(word, texts) for word in set(columns[layout.CARRIED_NAME * count :])):
        raise UnreadableState("a carried flow says what is not carried")
    table.words[layout.TABLE_CLOCK] = table.words[layout.TABLE_SWEPT] = now
    if table.restore(columns, count) < count:
        raise UnreadableState("a carried flow is in no state that is carried")
    table.words[layout.TABLE_LAST_ROW] = count and 1
