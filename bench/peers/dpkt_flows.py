"""`python -m bench.peers.dpkt_flows CAPTURE`: a loop over dpkt's objects."""

import sys
from collections import Counter
from pathlib import Path

import dpkt

Flow = tuple[frozenset[tuple[bytes, int]], int]


def main() -> None:
    """Print the number of flows."""
    flows: Counter[Flow] = Counter()
    with Path(sys.argv[1]).open("rb") as file:
        for _, data in dpkt.pcap.Reader(file):
            try:
                ip = dpkt.ethernet.Ethernet(data).data
            except (dpkt.UnpackError, IndexError):  # the latter is a fault of its own
                continue
            if isinstance(ip, dpkt.ip.IP | dpkt.ip6.IP6):
                transport = ip.data
                ports = (getattr(transport, "sport", 0), getattr(transport, "dport", 0))
                flows[frozenset(((ip.src, ports[0]), (ip.dst, ports[1]))), ip.p] += 1
    sys.stdout.write(f"{len(flows)} flows\n")


if __name__ == "__main__":
    main()
