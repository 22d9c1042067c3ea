"""What one capture hands to the next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.carried import NO_SEQUENCE, CarriedState
from schema.errors import StoreError

states = st.builds(
    CarriedState,
    first_ts_ns=st.integers(-(2**63), 2**63 - 1),
    sequence=st.integers(NO_SEQUENCE, 2**63 - 1),
    open_flows=st.binary(max_size=64),
)


@given(states)
def test_what_is_stored_is_what_comes_back(state: CarriedState) -> None:
    assert CarriedState.decode(state.encode()) == state


def test_nothing_carried_yet() -> None:
    assert CarriedState.decode(None).is_before(5, None)


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x02" + bytes(16)])
def test_a_state_that_is_not_ours_is_told(data: bytes) -> None:
    with pytest.raises(StoreError):
        CarriedState.decode(data)


@pytest.mark.parametrize(
    ("first_ts_ns", "sequence", "in_order"),
    [
        (99, None, False),  # earlier than the newest: late
        (100, None, True),
        (50, 8, True),  # the sensor's clock was set back; its count goes on
        (200, 1, True),  # the sensor lost its count; its clock goes on
        (50, 6, False),
    ],
)
def test_order_is_the_sensors_own(first_ts_ns: int, sequence: int | None, in_order: bool) -> None:
    assert CarriedState(first_ts_ns=100, sequence=7).is_before(first_ts_ns, sequence) is in_order
