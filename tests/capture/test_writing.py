"""What the files of a sensor say of its drops, over restarts of tcpdump."""

from pathlib import Path

from capture.events import SensorEvent
from capture.handover import HandOver
from capture.pcap import file_header, record
from capture.rotation import Piece
from capture.tcpdump import Statistics
from capture.writing import CaptureWriter, Journal
from tests.capture.wire import beside

_PACKET = Piece(record(1, b"frame"), 1, 1, False)


def test_drops_that_no_file_has_said_when_tcpdump_restarts_are_said_by_the_next(tmp_path: Path) -> None:
    events: list[SensorEvent] = []
    with HandOver(tmp_path, "probe") as handover:
        writer = CaptureWriter(handover, Journal(events.append))
        writer.tcpdump_began()
        writer.write(file_header(), _PACKET)
        writer.close(Statistics(received=1, dropped=3))
        writer.close(Statistics(received=6, dropped=8, interface_dropped=2))  # no packet came through
        writer.tcpdump_began()
        writer.close(Statistics(received=4, dropped=4))  # nor in this run
        writer.tcpdump_began()
        writer.write(file_header(), _PACKET)
        writer.close(Statistics(received=2, dropped=1))
        writer.write(file_header(), _PACKET)
        writer.close(Statistics(received=3, dropped=2))
    facts = [beside(path) for path in sorted(tmp_path.glob("*.pcap"))]
    assert [fact["kernel_drops"] for fact in facts] == [3, 5 + 4 + 1, 1]
    assert [fact["interface_drops"] for fact in facts] == [0, 2, 0]
    assert [fact["received"] for fact in facts] == [1, 5 + 4 + 2, 1]
    assert (events[-1].counts.kernel_drops, events[-1].counts.interface_drops) == (14, 2)
