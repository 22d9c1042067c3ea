"""Assigned numbers as tables that a kernel looks up without branching."""


def _counterparts() -> bytes:
    """Message type -> type of its answer plus one, 0 for none: ICMP, then ICMPv6 (Community ID specification, version 1)."""
    table = bytearray(512)
    icmp = ((8, 0), (13, 14), (15, 16), (17, 18), (10, 9))
    icmp6 = ((128, 129), (130, 131), (133, 134), (135, 136), (139, 140), (144, 145))
    for base, pairs in ((0, icmp), (256, icmp6)):
        for request, reply in pairs:
            table[base + request], table[base + reply] = reply + 1, request + 1
    return bytes(table)


def _bitmap(numbers: tuple[int, ...], size: int) -> bytes:
    """One bit a number."""
    bits = bytearray(size // 8)
    for number in numbers:
        bits[number >> 3] |= 1 << (number & 7)
    return bytes(bits)


# EtherTypes of protocols that carry no IP (IEEE and Wireshark's lists): XNS, wake on LAN, VINES, CDP, DTP, SRP, AVTP, DEC MOP,
# DECnet, LAT, AppleTalk, AARP, IPX, QNX, flow control, slow protocols, PPPoE discovery, HomePlug, EAPOL, PROFINET, ATA,
# EtherCAT, LLDP, SERCOS, GOOSE, GSE, SV, HomePlug AV, MRP, MACsec, MVRP, MMRP, PTP, CFM, FCoE, TDLS, mediaxtream, FIP, RoCE,
# IEEE 1905, HSR, loopback, Realtek.
_NO_IP = (
    0x0600, 0x0842, 0x0BAD, 0x2000, 0x2004, 0x22EA, 0x22F0, 0x6001, 0x6002, 0x6003, 0x6004, 0x6007, 0x809B, 0x80F3, 0x8137,
    0x8138, 0x8204, 0x8808, 0x8809, 0x8863, 0x887B, 0x888E, 0x8892, 0x88A2, 0x88A4, 0x88CC, 0x88CD, 0x88B8, 0x88B9, 0x88BA,
    0x88E1, 0x88E3, 0x88E5, 0x88F5, 0x88F6, 0x88F7, 0x8902, 0x8906, 0x890D, 0x8912, 0x8914, 0x8915, 0x893A, 0x892F, 0x9000,
    0x8899,
)  # fmt: skip
# Service access points (IEEE 802.2): null, LLC management, SNA, IP is apart, PROWAY, SNAP with an organisation's own protocols,
# spanning tree, X.25, BACnet, ARP, IPX, NetBIOS, OSI.
_KNOWN_LSAP = (
    0x00, 0x02, 0x03, 0x04, 0x05, 0x08, 0x0C, 0x0E, 0x42, 0x7E, 0x82, 0x98, 0xAA, 0xBC, 0xE0, 0xF0, 0xF4, 0xF8, 0xFE, 0xFF
)  # fmt: skip

COUNTERPARTS = _counterparts()
NO_IP = _bitmap(_NO_IP, 65_536)
KNOWN_LSAP = _bitmap(_KNOWN_LSAP, 256)
