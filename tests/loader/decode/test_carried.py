"""Carried state that cannot be read is told apart from captures that cannot."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.decode.carried import UnreadableState
from loader.decode.columns import DecodeOptions
from loader.reading import CaptureReading
from schema.errors import StoreError

from .captures import decode, ethernet, ipv4, pcap_header, record, udp

CAPTURE = pcap_header() + record(1_700_000_000_000_000, ethernet(ipv4("10.0.0.1", "10.0.0.2", 17, udp(40_000, 443))))
CARRIED = decode(CAPTURE, DecodeOptions(carries=True))[2]


@given(st.one_of(st.binary(min_size=1, max_size=80), st.integers(1, len(CARRIED) - 1).map(lambda cut: CARRIED[:cut])))
def test_other_bytes_are_an_unreadable_state(carried: bytes) -> None:
    with pytest.raises(UnreadableState):
        decode(CAPTURE, None, carried)


def test_an_unreadable_state_is_the_stores_error(tmp_path: Path) -> None:
    path = tmp_path / "good.pcap"
    path.write_bytes(CAPTURE)
    with pytest.raises(StoreError, match="the carried state cannot be read: the carried state is cut"):
        list(CaptureReading(path, DecodeOptions(), CARRIED[:-1]).batches())
