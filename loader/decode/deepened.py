"""The second pass: held frames through the same kernels, from the IP header that was found in them, or as they were.

They have tables of their own, of which nothing is carried: the next capture's held frames come after all its others, and
flows whose packets change places in time would be told wrongly.
"""

from array import array
from collections.abc import Mapping, Sequence

from loader.decode import layout
from loader.decode.columns import DecodedBatch, DecodeOptions, DecodeReport
from loader.decode.decoder import CaptureDecoder
from loader.decode.headers import HeaderKernel
from loader.decode.held import HeldFrame
from loader.decode.reasons import REASON_COUNT
from loader.decode.record import Record
from loader.decode.tables import table_of
from loader.decode.walking import WALK_FULL, WALK_MORE

_RAW_IP = 101
_OF_ALL_TIMES = "time_jumps"  # the first pass has heard the times of the held frames too


class HeldContainer(Record):
    """Held frames as a container, whose bytes are those of the frames, one behind the other.

    `offsets`: where in each frame its IP header begins, None where it has none.
    """

    frames: Sequence[HeldFrame]
    offsets: Sequence[int | None]
    header_bytes: int = 0
    corrupt: str = ""  # nothing of it ever is

    def walk(self, _buffer: memoryview, span: tuple[int, int], packets: memoryview, frame: int) -> tuple[int, int, int]:
        """As `Container.walk`."""
        at, first = span[0], frame - 1
        count = min(len(packets), len(self.frames) - first)
        for i in range(count):
            held, offset = self.frames[first + i], self.offsets[first + i]
            skipped = offset or 0
            packets[i, layout.PACKET_TS] = held.ts_ns
            packets[i, layout.PACKET_AT] = at + skipped
            link = held.link_type if offset is None else _RAW_IP
            packets[i, layout.PACKET_CAPTURED] = len(held.data) - skipped | link << layout.LINK_SHIFT
            packets[i, layout.PACKET_WIRE] = max(held.wire - skipped, 0)
            packets[i, layout.PACKET_FRAME] = held.frame
            at += len(held.data)
        return count, at, WALK_FULL if first + count < len(self.frames) else WALK_MORE

    def search(self, _buffer: memoryview, span: tuple[int, int], _final: bool) -> tuple[bool, int]:
        """There is nothing behind the last frame."""
        return False, span[1]

    def is_cut(self) -> bool:
        """All frames are whole."""
        return False

    def link_types(self) -> tuple[int, ...]:
        """Those of the frames."""
        return tuple(sorted({frame.link_type for frame in self.frames}))

    def counters(self) -> dict[str, int]:
        """Nothing but packets is in it."""
        return {}


def decode_held(
    frames: Sequence[HeldFrame], offsets: Sequence[int | None], options: DecodeOptions
) -> tuple[list[DecodedBatch], DecodeReport]:
    """Rows and balance of held frames; `offsets` as of `HeldContainer`."""
    decoder = CaptureDecoder(HeldContainer(frames, offsets), options.with_changes(carries=False))
    data = memoryview(b"".join(frame.data for frame in frames))
    decoder.feed(data, (0, len(data)), final=True)
    batches = [*decoder.drain(), *decoder.finish()]
    lengths = {frame.frame: (frame.wire, len(frame.data)) for frame in frames} if options.packets else {}
    for batch in batches:
        whole = [lengths[frame] for frame in batch.packets.frame]
        batch.packets.length = [wire for wire, _ in whole]
        batch.packets.captured_length = [captured for _, captured in whole]
    return batches, decoder.report()


def both_passes(first: DecodeReport, second: DecodeReport, told: Mapping[str, int]) -> DecodeReport:
    """The balance of a capture whose held frames were decoded in a second pass; `told`: counts of who looked into them."""
    again = {name: count for name, count in second.counters.items() if name != _OF_ALL_TIMES}
    return first.with_changes(
        flow_packets=first.flow_packets + second.flow_packets,
        non_flow=_sums(first.non_flow, second.non_flow),
        counters=_sums(_sums(first.counters, again), told),
    )


def _sums(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    return {name: first.get(name, 0) + second.get(name, 0) for name in {**first, **second}}


def payload_of(frame: HeldFrame, offset: int | None) -> bytes:
    """What of one frame's transport payload was captured; nothing where there is none."""
    packets = table_of(1, layout.PACKET_WIDTH)
    HeldContainer([frame], [offset]).walk(memoryview(b""), (0, 0), packets, 1)
    words = packets.cast("B").cast("Q")
    headers = HeaderKernel(table_of(layout.MAX_OUTER, layout.OUTER_WIDTH), array("Q", bytes(8 * layout.HEADERS_WIDTH)))
    headers.read(memoryview(frame.data), words, 1, array("Q", bytes(8 * REASON_COUNT)))
    if not words[layout.PACKET_KIND] & layout.KIND_TRANSPORT or not words[layout.PACKET_PAYLOAD]:
        return b""
    return frame.data[words[layout.PACKET_PAYLOAD] : words[layout.PACKET_PAYLOAD_END]]
