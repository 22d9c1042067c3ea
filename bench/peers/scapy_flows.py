"""`python -m bench.peers.scapy_flows CAPTURE`: a loop over scapy's packets."""

import sys
from collections import Counter

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.utils import PcapReader

Flow = tuple[frozenset[tuple[str, int]], int]


def main() -> None:
    """Print the number of flows."""
    flows: Counter[Flow] = Counter()
    with PcapReader(sys.argv[1]) as packets:
        for packet in packets:
            ip = packet.getlayer(IP) or packet.getlayer(IPv6)
            if ip is not None:
                transport = ip.getlayer(TCP) or ip.getlayer(UDP)
                ports = (transport.sport, transport.dport) if transport else (0, 0)
                protocol = ip.proto if isinstance(ip, IP) else ip.nh
                flows[frozenset(((ip.src, ports[0]), (ip.dst, ports[1]))), protocol] += 1
    sys.stdout.write(f"{len(flows)} flows\n")


if __name__ == "__main__":
    main()
