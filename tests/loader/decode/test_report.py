"""What a report says of a capture's times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .captures import SECOND, decode, ethernet, ipv4, pcap_header, record, udp

_NOW, _1970, _2100 = 1_700_000_000, 5, 4_102_444_800


def _starts(seconds: list[int], frame: bytes = ethernet(bytes(28), 0x0806)) -> tuple[int, int]:
    """First packet's time, and the one that is believed, in seconds."""
    _, report, _ = decode(pcap_header() + b"".join(record(second * 1_000_000, frame) for second in seconds))
    assert report.first_ts_ns % SECOND == report.clock_first_ts_ns % SECOND == 0
    return report.first_ts_ns // SECOND, report.clock_first_ts_ns // SECOND


@pytest.mark.parametrize(
    ("seconds", "believed"),
    [
        ([], 0),
        ([_NOW], _NOW),
        ([_2100, _NOW], _NOW),
        ([_NOW, _2100], _NOW),
        ([_2100, _NOW, _NOW + 1], _NOW),
        ([_1970, _NOW, _NOW + 1], _NOW),
        ([_NOW, _2100, _NOW + 1], _NOW),
        ([_NOW, _1970, _NOW + 1], _NOW),
        ([_NOW, _NOW + 1, _2100], _NOW),
        ([_NOW, _NOW + 3600, _NOW + 3601], _NOW),
    ],
)
def test_one_wrong_date_is_not_when_a_capture_began(seconds: list[int], believed: int) -> None:
    first = seconds[0] if seconds else 0
    assert _starts(seconds) == (first, believed)
    assert _starts(seconds, ethernet(ipv4("10.0.0.1", "10.0.0.2", 17, udp(40_000, 443)))) == (first, believed)


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=5))
def test_the_believed_start_is_the_time_of_one_of_the_first_packets(seconds: list[int]) -> None:
    assert _starts(seconds)[1] in seconds[:3]


@given(st.lists(st.integers(_NOW, _NOW + 3600), min_size=1, max_size=5))
def test_where_nothing_jumps_the_first_packet_is_believed(seconds: list[int]) -> None:
    assert _starts(seconds) == (seconds[0], seconds[0])
