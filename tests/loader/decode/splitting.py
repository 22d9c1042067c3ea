"""One capture as several of a sensor: what must be the same however it was cut, in the terms of the rows."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Any

from loader.decode.columns import DecodedBatch, DecodeOptions, DecodeReport
from tests.fuzz.containers import Packet, pcapng_blocks, write_block, write_pcap
from tests.loader.decode.captures import decode

_NS_PCAP = 0xA1B23C4D
_TUPLE = ("source_ip", "destination_ip", "source_port", "destination_port", "protocol", "tunnel", "chain_ts_ns")
# Blocks are those of the containers written here. A QUIC flow whose hello was read is not carried: what more its ends send is
# looked at again.
_OF_CAPTURES = ("pcapng_blocks/", "quic_not_read", "quic_undecryptable", "tls_hellos")
_COUNTS = ("packets", "bytes", "packets_rev", "bytes_rev")


@dataclass(slots=True)
class Totals:
    """Of all captures of a sensor, in which a flow is what its chain of rows says, and a frame is numbered through."""

    frames: int
    non_flow: Counter[str]
    counters: Counter[str]
    chains: Counter[tuple[Any, ...]]  # (5-tuple, tunnel, time of the first packet, which count)
    minutes: Counter[tuple[Any, ...]]
    packets: list[tuple[Any, ...]]
    dns: Counter[tuple[Any, ...]]


def written(packets: list[Packet]) -> bytes:
    """A capture that says all of them: pcap where one link type is enough."""
    if len({packet.link for packet in packets}) > 1:
        return b"".join(map(write_block, pcapng_blocks(packets, Random(0), exact=True)))
    return write_pcap(packets, _NS_PCAP)


def totals(packets: list[Packet], cuts: Iterable[int], options: DecodeOptions) -> Totals:
    """Decode the packets as captures that end at the cuts, each with what the one before it carried."""
    sums = Totals(0, Counter(), Counter(), Counter(), Counter(), [], Counter())
    carried: bytes | None = None
    for first, last in pairwise([0, *sorted(cuts), len(packets)]):
        batches, report, carried = decode(written(packets[first:last]), options, carried)
        for batch in batches:
            _add(sums, batch)
        _add_report(sums, report)
    return sums


def _add_report(sums: Totals, report: DecodeReport) -> None:
    assert report.frames == report.flow_packets + sum(report.non_flow.values())
    sums.frames += report.frames
    sums.non_flow.update(report.non_flow)
    sums.counters.update({name: n for name, n in report.counters.items() if not name.startswith(_OF_CAPTURES)})


def _rows(columns: Any) -> Iterable[dict[str, Any]]:
    names = list(type(columns).__annotations__)
    for values in zip(*(getattr(columns, name) for name in names), strict=True):
        yield dict(zip(names, values, strict=True))


def _add(sums: Totals, batch: DecodedBatch) -> None:
    """`sums.frames` is still that of the captures before."""
    chains = [tuple(row[name] for name in _TUPLE) for row in _rows(batch.flows)]
    for chain, row in zip(chains, _rows(batch.flows), strict=True):
        sums.chains.update({(*chain, name): row[name] for name in _COUNTS})
    for row in _rows(batch.minutes):
        sums.minutes.update({(*chains[row["flow"]], row["minute"], name): row[name] for name in _COUNTS})
    for row in _rows(batch.packets):
        # A flow's first hello stands; whether a further one is read, nobody but the capture's own memory decides.
        del row["said_name"], row["said_by"]
        sums.packets.append((row.pop("frame") + sums.frames, *row.values()))
    for row in _rows(batch.dns):
        frame = row.pop("frame")  # an unanswered query's may be of a capture before
        sums.dns[(0 if row["rcode"] is None else frame + sums.frames, *row.values())] += 1
