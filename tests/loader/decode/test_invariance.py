"""Where a sensor's captures were cut changes no sum: cut at every packet, in many places, or anywhere."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.traffic import TrafficPlan, generate
from loader.decode.columns import DecodeOptions
from tests.examples import examples
from tests.fuzz.containers import PCAP_SPAN_NS, Packet, read_packets
from tests.golden.make import CAPTURES
from tests.loader.decode.splitting import totals
from tests.shared_captures import needs_shared, shared_captures

OPTIONS = DecodeOptions(packets=True, carries=True)
_MOST_PACKETS = 400
_MOST_CUTS = 16


def _traffic(seed: int, packets: int, pace: float) -> list[Packet]:
    plan = TrafficPlan(seed=seed, packets=packets, packets_per_second=pace)
    return [Packet(ts, len(frame), 1, frame) for ts, frame in generate(plan)]


def _packets(content: bytes) -> list[Packet]:
    """Times that no pcap can tell go round."""
    return [packet._replace(ts=packet.ts % PCAP_SPAN_NS) for packet in read_packets(content, _MOST_PACKETS)]


@pytest.mark.parametrize("name", CAPTURES)
def test_a_golden_capture_cut_at_every_packet(name: str) -> None:
    packets = _packets(CAPTURES[name])
    whole = totals(packets, [], OPTIONS)
    for cut in range(1, len(packets)):
        assert totals(packets, [cut], OPTIONS) == whole, cut
    assert totals(packets, range(1, len(packets)), OPTIONS) == whole


@pytest.mark.parametrize("pace", [5.0, 200.0])
def test_traffic_cut_at_every_packet(pace: float) -> None:
    packets = _traffic(7, 150, pace)
    whole = totals(packets, [], OPTIONS)
    for cut in range(1, len(packets)):
        assert totals(packets, [cut], OPTIONS) == whole, cut


@settings(max_examples=examples(60))
@given(st.integers(0, 1_000), st.sampled_from([2.0, 50.0, 1_000.0]), st.sets(st.integers(1, 299), max_size=12))
def test_traffic_cut_anywhere_any_number_of_times(seed: int, pace: float, cuts: set[int]) -> None:
    packets = _traffic(seed, 300, pace)
    assert totals(packets, cuts, OPTIONS) == totals(packets, [], OPTIONS)


@needs_shared
def test_public_captures_cut_anywhere() -> None:
    """At every place between two packets, or at some of them where there are many; and at all of these at once."""
    different = []
    for path in shared_captures():
        packets = _packets(path.read_bytes())
        places = range(1, len(packets))
        cuts = list(places) if len(places) <= _MOST_CUTS else sorted(Random(path.name).sample(places, _MOST_CUTS))
        whole = totals(packets, [], OPTIONS)
        different += [(path.name, cut) for cut in [*([cut] for cut in cuts), cuts] if totals(packets, cut, OPTIONS) != whole]
    assert different == []
