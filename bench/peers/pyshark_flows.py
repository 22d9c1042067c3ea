"""`python -m bench.peers.pyshark_flows CAPTURE`: a loop over pyshark's packets."""

import sys
from collections import Counter

import pyshark

Flow = tuple[frozenset[tuple[str, str]], str]


def main() -> None:
    """Print the number of flows."""
    flows: Counter[Flow] = Counter()
    packets = pyshark.FileCapture(sys.argv[1], keep_packets=False)
    for packet in packets:
        ip = packet.ip if "IP" in packet else packet.ipv6 if "IPV6" in packet else None
        if ip is not None:
            transport = packet[packet.transport_layer] if packet.transport_layer else None
            ports = (transport.srcport, transport.dstport) if transport is not None else ("", "")
            flows[frozenset(((ip.src, ports[0]), (ip.dst, ports[1]))), packet.transport_layer or ""] += 1
    packets.close()
    sys.stdout.write(f"{len(flows)} flows\n")


if __name__ == "__main__":
    main()
