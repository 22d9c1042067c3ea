"""Carried state that cannot be read is told apart from captures that cannot."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.decode import carriedstreams
from loader.decode.carried import UnreadableState
from loader.decode.columns import DecodeOptions
from loader.decode.said import SaidNames
from loader.reading import CaptureReading

from .captures import decode, ethernet, flow_rows, ipv4, pcap_header, record, udp

CAPTURE = pcap_header() + record(1_700_000_000_000_000, ethernet(ipv4("10.0.0.1", "10.0.0.2", 17, udp(40_000, 443))))
CARRIED = decode(CAPTURE, DecodeOptions(carries=True))[2]


@given(st.one_of(st.binary(min_size=1, max_size=80), st.integers(1, len(CARRIED) - 1).map(lambda cut: CARRIED[:cut])))
def test_other_bytes_are_an_unreadable_state(carried: bytes) -> None:
    with pytest.raises(UnreadableState):
        decode(CAPTURE, None, carried)


def test_a_capture_behind_an_unreadable_state_is_read_without_it(tmp_path: Path) -> None:
    path = tmp_path / "good.pcap"
    path.write_bytes(CAPTURE)
    alone, behind = CaptureReading(path, DecodeOptions()), CaptureReading(path, DecodeOptions(), CARRIED[:-1])
    assert list(flow_rows(behind.batches())) == list(flow_rows(alone.batches())) != []
    assert (alone.state_refused, behind.state_refused) == ("", "the carried state is cut")
    assert behind.report == alone.report


def test_what_is_not_carried_is_counted() -> None:
    frames = [ethernet(ipv4("10.0.0.1", "10.0.0.2", 17, udp(40_000 + n, 443))) for n in range(10)]
    capture = pcap_header() + b"".join(record(1_700_000_000_000_000 + n, frame) for n, frame in enumerate(frames))
    _, report, _ = decode(capture, DecodeOptions(carries=True, max_carried_flows=3))
    assert report.counters == {"flows_not_carried": 7}


def test_texts_that_find_no_room_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    said = SaidNames(120)
    for text in (b"www.example.com", b"a"):
        said.kernel.put(memoryview(text))
    monkeypatch.setattr(carriedstreams, "MAX_TEXT_BYTES", 10)
    texts = carriedstreams.CarriedTexts(said)
    assert [texts.word(word) for word in (1, 2, 1)] == [0, 1, 0]
    assert (texts.refused, texts.encode()) == (1, b"\x01\x00a")
