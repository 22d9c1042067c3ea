"""The loader's own bytes, packed."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.reading.codecs import packed, unpacked

# RFC 8878 3.1.1: one segment, with its content's size in eight octets; an empty raw block, the last.
ROOM = 1_000
CLAIM = b"\x28\xb5\x2f\xfd\xe0" + (ROOM + 1).to_bytes(8, "little") + b"\x01\0\0"


@given(st.binary())
def test_what_was_packed_comes_back(data: bytes) -> None:
    assert unpacked(packed(data), len(data)) == data


@given(st.binary(min_size=1), st.data())
def test_other_bytes_are_told(data: bytes, draw: st.DataObject) -> None:
    whole = packed(data)
    at = draw.draw(st.integers(0, len(whole) - 1))
    flipped = whole[:at] + bytes((whole[at] ^ draw.draw(st.integers(1, 255)),)) + whole[at + 1 :]
    for other in (whole[:at], whole + b"x"):
        with pytest.raises(ValueError, match="packed bytes"):
            unpacked(other, ROOM)
    with suppress(ValueError):
        assert unpacked(flipped, ROOM) == data  # a bit that says nothing


def test_no_more_is_unpacked_than_there_is_room_for() -> None:
    with pytest.raises(ValueError, match="too many"):
        unpacked(CLAIM, ROOM)
    with pytest.raises(ValueError, match="too many"):
        unpacked(packed(bytes(ROOM + 1)), ROOM)
    assert unpacked(packed(bytes(ROOM)), ROOM) == bytes(ROOM)
