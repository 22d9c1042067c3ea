from hypothesis import given
from hypothesis import strategies as st

from loader.backoff import BackOff


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=40))
def test_waiting_times_grow_to_a_bound_and_begin_again(spreads: list[float]) -> None:
    source = iter(spreads)
    back_off = BackOff(lambda: next(source))
    for attempt in range(len(spreads)):
        longest = min(2**attempt, 30)
        assert longest / 2 <= back_off.failed() <= longest
        assert back_off.failing
    back_off.succeeded()
    assert not back_off.failing
