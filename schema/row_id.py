"""The name that a flow row goes by: what `query` prints and `explain` takes."""

import re
from ipaddress import ip_address

from schema.addresses import address_text

_ROW_ID = re.compile(r"([0-9a-f]{32}):([0-9]{1,10})@([0-9a-fA-F.:]+)")
_MAX_FRAME = 2**31 - 1  # of the column


def format_row_id(capture_id: bytes, frame: int, destination: bytes) -> str:
    """`CAPTURE_ID:FRAME@DESTINATION_IP`: the capture in hexadecimal, the row's first frame, whom it called (4 or 16 bytes)."""
    return f"{capture_id.hex()}:{frame}@{address_text(destination)}"


def parse_row_id(text: str) -> tuple[bytes, int, bytes]:
    """Capture id, frame and destination of what `format_row_id` gave; raises ValueError for anything else."""
    found = _ROW_ID.fullmatch(text)
    try:
        if found is not None and 0 < int(found[2]) <= _MAX_FRAME:
            return bytes.fromhex(found[1]), int(found[2]), ip_address(found[3]).packed
    except ValueError:
        pass  # no address: told as everything else is
    raise ValueError(f"{text!r} names no row: CAPTURE_ID:FRAME@DESTINATION_IP")
