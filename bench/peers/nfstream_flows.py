"""`python -m bench.peers.nfstream_flows CAPTURE`: nfstream's flows, without its guesses at applications."""

import sys

from nfstream import NFStreamer


def main() -> None:
    """Print the number of flows."""
    streamer = NFStreamer(source=sys.argv[1], n_dissections=0, statistical_analysis=False)
    sys.stdout.write(f"{sum(1 for _ in streamer)} flows\n")


if __name__ == "__main__":
    main()
