"""Layers in any order: the innermost IP header makes the row, those around it are listed, and no cut makes another packet."""

import struct
from ipaddress import ip_address

import dpkt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loader.decode import layout
from loader.decode.reasons import REASON_TEXT, TOO_MANY_LAYERS
from pcapline.objects import Object, packet_objects
from tests.examples import examples
from tests.golden import frames as f
from tests.golden import tunnels as t
from tests.golden.tunnel_captures import CAPTURES
from tests.golden.writing import START_US

from .captures import assert_balanced, decode, ethernet, flow_rows, ipv4, pcap_header, record, tcp, udp

Pair = list[str]
PORTS = (40_000, 443)


def _ends(packet: bytes) -> Pair:
    span = (12, 4) if t.version(packet) == 4 else (8, 16)
    return [str(ip_address(packet[at : at + span[1]])) for at in (span[0], sum(span))]


def _rows(capture: bytes) -> list[Object]:
    batches, report, _ = decode(capture)
    assert_balanced(batches, report)
    return [row for batch in batches for row in packet_objects(batch.packets)]


def _row(link_type: int, frame: bytes, *, wire: int | None = None) -> Object:
    (row,) = _rows(pcap_header(link_type) + record(START_US, frame, wire=wire))
    return row


@st.composite
def inner_packets(draw: st.DrawFn) -> bytes:
    body = draw(st.sampled_from([(17, udp(*PORTS, b"hello")), (6, tcp(*PORTS, 0x18))]))
    if draw(st.booleans()):
        return ipv4(f.HOST, f.SERVER, *body)
    return f.ipv6(f.HOST6, f.SERVER6, *body)


@st.composite
def ethernet_frames(draw: st.DrawFn, packet: bytes) -> tuple[bytes, tuple[int, ...]]:
    """A packet in a frame, and the frame's tags; a tag takes two of the four that a tunnelled frame may have."""
    kind = draw(st.sampled_from(["plain", "tag", "mpls", "pppoe", "snap", "service chain"]))
    if kind == "tag":
        tag = draw(st.integers(0, 4095))
        return t.framed(packet, (tag,)), (tag,)
    made = {
        "plain": lambda: t.framed(packet),
        "mpls": lambda: ethernet(t.labels(packet, *range(16, 16 + draw(st.integers(1, 16)))), 0x8847),
        "pppoe": lambda: ethernet(t.pppoe(packet), 0x8864),
        "snap": lambda: t.snap(packet),
        "service chain": lambda: ethernet(t.service_chain(packet, 1 if t.version(packet) == 4 else 2), 0x894F),
    }
    return made[kind](), ()


# What dpkt reads too.
_OF_DPKT = ("ip-in-ip", "ip-in-ip6", "gre", "gre-key", "gre-bridge")


@st.composite
def nested(draw: st.DrawFn) -> tuple[int, bytes, list[Pair], tuple[int, ...]]:
    """Link type, frame, the address pairs from the outside in, and the tags."""
    packet = draw(inner_packets())
    pairs, tags = [_ends(packet)], ()
    for name in draw(st.lists(st.sampled_from(sorted(t.HEADERS)), max_size=layout.MAX_OUTER + 1)):
        header, more = t.HEADERS[name], ()
        if header.takes == "ethernet":
            frame, more = draw(ethernet_frames(packet)) if len(tags) < 3 else (t.framed(packet), ())
            packet = header.wrap(frame)
        else:
            packet = header.wrap(packet)
        pairs, tags = [_ends(packet), *pairs], more + tags
    links = {
        1: lambda: draw(ethernet_frames(packet)) if len(tags) < 4 else (t.framed(packet), ()),
        101: lambda: (packet, ()),
        113: lambda: (f.cooked(packet, t.ethertype(packet)), ()),
        276: lambda: (f.cooked2(packet, t.ethertype(packet)), ()),
        9: lambda: (b"\xff\x03" + t.ppp(packet), ()),
        104: lambda: (b"\x0f\x00" + struct.pack(">H", t.ethertype(packet)) + packet, ()),
        108: lambda: (f.family(2, packet, ">"), ()),
    }
    link = draw(st.sampled_from(sorted(links)))
    frame, more = links[link]()
    return link, frame, pairs, more + tags


@settings(max_examples=examples(500))
@given(nested())
def test_any_nesting_gives_the_inner_packet_and_lists_the_outer_ones(
    made: tuple[int, bytes, list[Pair], tuple[int, ...]],
) -> None:
    link, frame, pairs, tags = made
    batches, report, _ = decode(pcap_header(link) + record(START_US, frame))
    assert_balanced(batches, report)
    (row,) = packet_objects(batches[0].packets)
    read = pairs[: layout.MAX_OUTER + 1]
    assert [*row["outer"], [row["source_ip"], row["destination_ip"]]] == read
    assert tuple(row["vlan"]) == tags[: len(row["vlan"])]
    if len(pairs) > len(read):
        assert report.non_flow == {REASON_TEXT[TOO_MANY_LAYERS]: 1}
        return
    assert tuple(row["vlan"]) == tags
    assert (row["source_port"], row["destination_port"]) == PORTS
    (flow,) = flow_rows(batches)
    assert (flow["tunnel"] != 0) == (len(pairs) > 1)
    inner = 20 if ":" not in pairs[-1][0] else 40
    assert flow["bytes"] == inner + (13 if row["protocol"] == 17 else 20)


@settings(max_examples=examples(200))
@given(inner_packets(), st.lists(st.sampled_from(_OF_DPKT), max_size=5), st.lists(st.integers(1, 4095), max_size=2))
def test_dpkt_finds_the_same_packets(packet: bytes, names: list[str], tags: list[int]) -> None:
    for name in names:
        packet = t.HEADERS[name].wrap(t.framed(packet) if t.HEADERS[name].takes == "ethernet" else packet)
    frame = t.framed(packet, tuple(tags))
    layers, seen = [], dpkt.ethernet.Ethernet(frame)
    while not isinstance(seen, bytes):
        layers.append(seen)
        seen = seen.data
    ends = [[str(ip_address(ip.src)), str(ip_address(ip.dst))] for ip in layers if isinstance(ip, dpkt.ip.IP | dpkt.ip6.IP6)]
    row = _row(1, frame)
    assert [*row["outer"], [row["source_ip"], row["destination_ip"]]] == ends
    assert (row["source_port"], row["destination_port"]) == (layers[-1].sport, layers[-1].dport)


@pytest.mark.parametrize("name", [name for name in CAPTURES if name.startswith(("tunnel-", "link-", "between-"))])
def test_no_cut_makes_another_packet(name: str) -> None:
    """Snapped after every byte, on the wire or in the capture only, a frame gives what of its headers is whole, or nothing."""
    capture = CAPTURES[name]
    link, at = int.from_bytes(capture[20:24], "little"), 24
    while at < len(capture):
        size = int.from_bytes(capture[at + 8 : at + 12], "little")
        frame = capture[at + 16 : at + 16 + size]
        at += 16 + size
        whole = _row(link, frame)
        known = [[None, None], *whole["outer"], [whole["source_ip"], whole["destination_ip"]]]
        cuts = [record(START_US, frame[:cut], wire=wire) for cut in range(size) for wire in (size, cut)]
        for row in _rows(pcap_header(link) + b"".join(cuts)):
            ends = [*row["outer"], [row["source_ip"], row["destination_ip"]]]
            assert ends == known[1 : len(ends) + 1] or ends == known[:1]
            if ends[-1] == known[-1]:
                assert row["source_port"] in (whole["source_port"], None)


def test_a_tunnel_has_one_hash_both_ways_and_another_for_each_network() -> None:
    batches, _, _ = decode(CAPTURES["tunnels-apart"])
    flows = list(flow_rows(batches))
    tunnels = [flow["tunnel"] for flow in flows]
    assert sorted(flow["packets"] + flow["packets_rev"] for flow in flows) == [1, 1, 1, 1, 1, 2, 2]  # type: ignore[operator]
    assert len(set(tunnels)) == len(flows) == 7
    assert tunnels.count(0) == 1


def test_a_tunnels_hash_is_the_same_for_ever() -> None:
    """Flow ids are made of it."""
    batches, _, _ = decode(CAPTURES["tunnel-vxlan"])
    assert {flow["tunnel"] for flow in flow_rows(batches)} == {13_185_621_570_656_411_272}


@pytest.mark.parametrize("tags", [1, 3, 9])
def test_a_failed_guess_leaves_no_tags_and_no_reason(tags: int) -> None:
    """A datagram to the port of VXLAN, whose payload only begins like a tagged frame."""
    payload = bytes([8]) + bytes(7) + ethernet(b"none", 0x0806, tuple(range(100, 100 + tags)))
    packet = ipv4("10.0.0.1", "10.0.0.2", 17, udp(40_000, 4789, payload))
    batches, report, _ = decode(pcap_header() + record(START_US, ethernet(packet, tags=(7,))))
    (row,) = packet_objects(batches[0].packets)
    assert (report.non_flow, list(row["vlan"]), row["destination_port"]) == ({}, [7], 4789)
