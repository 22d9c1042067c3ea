import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.capture_names import CaptureName, capture_name, is_sensor_name, parse_capture_name

SENSORS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True).filter(is_sensor_name)
YEARS_1970_TO_2200_NS = st.integers(0, 7_258_118_400 * 10**9)
SEQUENCES = st.integers(0, 10**18 - 1)


@given(SENSORS, YEARS_1970_TO_2200_NS, SEQUENCES)
def test_a_name_gives_back_what_it_was_made_of(sensor: str, started_ns: int, sequence: int) -> None:
    expected = CaptureName(sensor=sensor, started_ns=started_ns, sequence=sequence)
    name = capture_name(sensor, started_ns, sequence)
    assert parse_capture_name(name) == expected
    assert parse_capture_name(name + ".gz") == expected


@given(SENSORS, st.lists(st.tuples(YEARS_1970_TO_2200_NS, st.integers(0, 10**10 - 1)), min_size=2, max_size=2, unique=True))
def test_names_sort_as_their_time_and_sequence(sensor: str, moments: list[tuple[int, int]]) -> None:
    names = [capture_name(sensor, *moment) for moment in moments]
    assert (names[0] < names[1]) == (moments[0] < moments[1])


@given(st.text(max_size=80))
def test_any_text_parses_or_is_foreign(text: str) -> None:
    parse_capture_name(text)


@pytest.mark.parametrize(
    "name",
    [
        "eth0.pcap",
        "edge-1-20260231T000000.000000000Z-1.pcap",
        "edge-1-20261120T130455Z-1.pcap",
        "standalone-20261120T130455.000000000Z-1.pcap",
        "edge-1-20261120T130455.000000000Z-1.pcap.part",
    ],
)
def test_foreign_names(name: str) -> None:
    assert parse_capture_name(name) is None


@pytest.mark.parametrize("sensor", ["", "standalone", "../x", ".hidden", "a b", "x" * 65, "ä"])
def test_what_no_sensor_may_be_called(sensor: str) -> None:
    assert not is_sensor_name(sensor)
    with pytest.raises(ValueError, match="sensor name"):
        capture_name(sensor, 0, 1)
