"""QUIC Initials: the vectors of the RFCs, hellos over several of them, and what is none."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loader.decode import quic
from loader.decode.assembly import Assembly
from loader.decode.quic import decrypt, initial_at, keys_of
from tests.examples import examples

from .captures import decode, flow_rows
from .said_wire import alpn, capture_of, crypto_frame, datagram, hello, initial, padding, protected, server_name

V1, V2 = 1, 0x6B33_43CF
CONNECTION = bytes.fromhex("8394c8f03e515708")
# RFC 9001 A.2: the CRYPTO frame of the client's first packet, which is padded to 1,162 octets.
PLAIN = bytes.fromhex(
    "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e868"
    "04fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578"
    "616d706c652e636f6dff01000100000a00080006001d00170018001000070005"
    "04616c706e000500050100000000003300260024001d00209370b2c9caa47fba"
    "baf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b000302030400"
    "0d0010000e0403050306030203080408050806002d00020101001c0002400100"
    "3900320408ffffffffffffffff05048000ffff07048000ffff08011001048000"
    "75300901100f088394c8f03e51570806048000ffff"
).ljust(1_162, b"\0")
# How the packet begins and ends there (RFC 9001 A.2, RFC 9369 A.2): its last 16 octets authenticate all of it.
ENDS = {
    V1: ("c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11", "e221af44860018ab0856972e194cd934"),
    V2: ("d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485", "a18b2faa745b6fe189cf772a9f84cbfc"),
}


def _of_the_rfc(version: int) -> bytes:
    front = {V1: "c300000001088394c8f03e5157080000449e", V2: "d36b3343cf088394c8f03e5157080000449e"}[version]
    return protected(bytes.fromhex(front), b"\0\0\0\2", PLAIN, CONNECTION, version)


def said(frames: list[bytes]) -> list[tuple[object, object, object]]:
    batches, _, _ = decode(capture_of(frames))
    return [(row["said_name"], row["said_by"], row["alpn"]) for row in flow_rows(batches)]


@pytest.mark.parametrize("version", [V1, V2])
def test_the_packet_of_the_rfc(version: int) -> None:
    packet = _of_the_rfc(version)
    begins, ends = map(bytes.fromhex, ENDS[version])
    assert (packet[: len(begins)], packet[-len(ends) :], len(packet)) == (begins, ends, 1_200)
    assert (found := initial_at(packet, 0)) is not None
    assert decrypt(keys_of(version, CONNECTION), packet, found) == PLAIN
    assert said([datagram(packet)]) == [("example.com", "quic", "alpn")]


def test_the_keys_of_the_rfc() -> None:
    assert [part.hex() for part in keys_of(V1, CONNECTION)] == [
        "1f369613dd76d5467730efcbe3b1a22d",
        "fa044b2f42a3fd3b46fb255c",
        "9f50449e04a0e810283a1e9933adedd2",
    ]


HELLO = hello(server_name(b"Big.Example"), padding(1_500), alpn(b"h3"))


@settings(max_examples=examples(60))
@given(st.lists(st.integers(1, len(HELLO) - 1), max_size=8), st.randoms(use_true_random=False))
def test_crypto_frames_in_any_order_over_several_packets(cuts: list[int], random: object) -> None:
    edges = sorted({0, len(HELLO), 600, 1_200, *cuts})
    frames = [crypto_frame(a, HELLO[a:b]) for a, b in pairwise(edges)]
    random.shuffle(frames)  # type: ignore[attr-defined]
    datagrams: list[bytes] = [b""]
    for frame in frames:
        if len(datagrams[-1]) + len(frame) > 1_150:
            datagrams.append(b"")
        datagrams[-1] += frame
    assert said([datagram(initial(content)) for content in datagrams]) == [("big.example", "quic", "h3")]


def test_the_second_packet_is_protected_as_the_first_whatever_its_connection_id() -> None:
    first = initial(crypto_frame(0, HELLO[:900]))
    second = initial(crypto_frame(900, HELLO[900:]), b"server-chose", keys_from=b"12345678")
    assert said([datagram(first), datagram(second)]) == [("big.example", "quic", "h3")]


def test_a_servers_answer_is_not_tried() -> None:
    batches, report, _ = decode(
        capture_of([datagram(initial(crypto_frame(0, HELLO[:900]))), datagram(_of_the_rfc(V1), back=True)])
    )
    assert "quic_undecryptable" not in report.counters
    assert [row["said_name"] for row in flow_rows(batches)] == [None]


def test_what_its_keys_do_not_fit_is_counted() -> None:
    packet = _of_the_rfc(V1)
    broken = packet[:-1] + bytes([packet[-1] ^ 1])
    _, report, _ = decode(capture_of([datagram(broken)] * 12))
    assert report.counters["quic_undecryptable"] == 8, "one flow has eight tries"


def test_a_cut_packet_is_counted() -> None:
    frame = datagram(_of_the_rfc(V1))
    capture = capture_of([frame])
    cut = capture[:24] + capture[24:32] + (500).to_bytes(4, "little") + capture[36:40] + frame[:500]
    _, report, _ = decode(cut)
    assert report.counters["quic_not_read"] == 1


def test_without_the_library_initials_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    quic._cipher.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "cryptography.exceptions", None)
    try:
        batches, report, _ = decode(capture_of([datagram(_of_the_rfc(V1))]))
    finally:
        quic._cipher.cache_clear()
    assert report.counters["quic_not_read"] == 1
    assert [row["said_name"] for row in flow_rows(batches)] == [None]


def test_frames_that_wait_without_end_are_given_up() -> None:
    """Every second octet of a hello, which never comes whole."""
    packet = datagram(initial(b"".join(crypto_frame(1 + 2 * n, b"x") for n in range(110))))
    batches, report, _ = decode(capture_of([packet] * 4))
    assert report.counters == {"quic_not_read": 1}
    assert [row["said_name"] for row in flow_rows(batches)] == [None]


@settings(max_examples=examples(200))
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30), st.binary(min_size=1, max_size=1)), max_size=40))
def test_the_first_copy_of_each_octet_stands_in_any_order(parts: list[tuple[int, int, bytes]]) -> None:
    assembly, octets = Assembly(), dict[int, bytes]()
    for at, length, fill in parts:
        assembly.add(at, fill * length, fill)
        for n in range(at, at + length):
            octets.setdefault(n, fill)
    behind = next(n for n in range(100) if n not in octets)
    assert assembly.data == b"".join(octets[n] for n in range(behind))
    held = [(piece.offset + n, piece.octets[n : n + 1]) for piece in assembly.held for n in range(len(piece.octets))]
    assert held == sorted((n, octet) for n, octet in octets.items() if n >= behind)
    assert all(set(piece.octets) == set(piece.origin) for piece in assembly.held), "each part has its own packet's words"
    assert assembly.size - Assembly().size == len(assembly.data) + sum(piece.size for piece in assembly.held)


@settings(max_examples=examples(60))
@given(st.data())
def test_any_octets_behind_an_initials_head_are_harmless(data: st.DataObject) -> None:
    packet = bytearray(_of_the_rfc(data.draw(st.sampled_from([V1, V2]))))
    for at, octet in data.draw(st.lists(st.tuples(st.integers(5, 1_199), st.integers(0, 255)), min_size=1, max_size=6)):
        packet[at] = octet
    cut = data.draw(st.integers(20, 1_200))
    decode(capture_of([datagram(bytes(packet[:cut]))]))


@settings(max_examples=examples(60))
@given(st.binary(max_size=200))
def test_any_frames_are_harmless(frames: bytes) -> None:
    decode(capture_of([datagram(initial(frames))]))
