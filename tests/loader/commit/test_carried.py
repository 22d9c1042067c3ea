"""What one capture hands to the next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.commit.carried import MAX_BYTES, NO_SEQUENCE, CarriedState
from loader.decode import layout
from loader.naming import awaiting
from loader.naming.awaiting import Awaiting
from tests.loader.naming.test_awaiting import entries

states = st.builds(
    CarriedState,
    first_ts_ns=st.integers(-(2**63), 2**63 - 1),
    clock_ns=st.integers(-(2**63), 2**63 - 1),
    sequence=st.integers(NO_SEQUENCE, 2**63 - 1),
    open_flows=st.binary(max_size=64),
    awaiting=st.lists(entries.map(Awaiting.record), max_size=2).map(tuple),
)


@given(states)
def test_what_is_stored_is_what_comes_back(state: CarriedState) -> None:
    assert CarriedState.decode(state.encode()) == state


def test_nothing_carried_yet() -> None:
    assert CarriedState.decode(None).is_before(5, None)


@given(st.binary(max_size=80))
def test_a_state_that_is_not_ours_carries_nothing_and_says_so(data: bytes) -> None:
    state = CarriedState.decode(data)
    assert state.unreadable
    assert (state.open_flows, state.awaiting, state.sequence) == (b"", (), NO_SEQUENCE)


@given(states)
def test_one_of_another_version_is_told_as_that(state: CarriedState) -> None:
    """And not as one that is spoilt."""
    encoded = state.encode()
    for version in set(range(256)) - {encoded[0]}:
        told = CarriedState.decode(bytes((version,)) + encoded[1:]).unreadable
        assert told == f"it has version {version:02x}; this loader reads {encoded[0]:02x}"


@given(states, st.data())
def test_nor_does_one_that_is_cut(state: CarriedState, data: st.DataObject) -> None:
    encoded = state.encode()
    cut = data.draw(st.integers(0, len(encoded) - 1))
    assert CarriedState.decode(encoded[:cut]).unreadable


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


def test_as_many_flows_as_a_decoder_holds_come_back() -> None:
    flows = bytes(8 * layout.CARRIED_FIELDS * layout.MAX_OPEN_FLOWS)
    waiting = tuple(bytes(awaiting.RECORD_BYTES) for _ in range(awaiting.MAX_AWAITING))
    state = CarriedState(open_flows=flows, awaiting=waiting)
    assert CarriedState.decode(state.encode()) == state


def test_bytes_that_say_they_are_more_than_any_state_are_of_no_use() -> None:
    spoilt = CarriedState(open_flows=bytes(MAX_BYTES)).encode()
    assert "too many" in CarriedState.decode(spoilt).unreadable
