"""The name of a flow row comes back as what it was made of, and nothing else is one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.row_id import format_row_id, parse_row_id

addresses = st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16)


@given(st.binary(min_size=16, max_size=16), st.integers(1, 2**31 - 1), addresses)
def test_round_trip(capture_id: bytes, frame: int, destination: bytes) -> None:
    assert parse_row_id(format_row_id(capture_id, frame, destination)) == (capture_id, frame, destination)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "www.example.com",
        f"{'0' * 32}:1",
        f"{'0' * 31}:1@10.0.0.1",
        f"{'0' * 32}:0@10.0.0.1",
        f"{'0' * 32}:-1@10.0.0.1",
        f"{'0' * 32}:2147483648@10.0.0.1",
        f"{'0' * 32}:1@10.0.0.256",
        f"{'0' * 32}:1@10.0.0.1 ",
        f"{'0' * 32}:\u0661@10.0.0.1",
    ],
)
def test_what_names_no_row(text: str) -> None:
    with pytest.raises(ValueError, match="names no row"):
        parse_row_id(text)
