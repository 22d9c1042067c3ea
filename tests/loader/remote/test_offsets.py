"""A partition is acknowledged up to the first reference that is not settled."""

from hypothesis import given
from hypothesis import strategies as st

from loader.remote.offsets import PartitionLog


def test_nothing_is_to_be_committed_before_the_first_is_settled() -> None:
    log = PartitionLog(1)
    for offset in (10, 11, 14):
        log.add(offset)
    log.settle(11)
    log.settle(14)
    assert log.to_commit() is None
    log.settle(10)
    assert log.to_commit() == 15
    assert not log.is_committed(14)
    log.committed(15)
    assert log.to_commit() is None
    assert log.is_committed(14)
    assert not log.is_committed(15)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_what_may_be_committed_has_no_hole(steps: list[int], chance: object) -> None:
    offsets = [sum(steps[: number + 1]) for number in range(len(steps))]
    log, order, settled = PartitionLog(1), list(offsets), set()
    chance.shuffle(order)  # type: ignore[attr-defined]
    for offset in offsets:
        log.add(offset)
    for offset in order:
        log.settle(offset)
        settled.add(offset)
        open_ones = [one for one in offsets if one not in settled]
        before = [one for one in offsets if not open_ones or one < open_ones[0]]
        assert log.to_commit() == (before[-1] + 1 if before else None)
