"""Start a node, say its port, and stop it on Ctrl-C or SIGTERM; its data go with it.

With `--while-stdin` it stops when its standard input ends, and leaves Ctrl-C to those who hold the other end.
"""

import signal
import sys
import tempfile
from pathlib import Path

from tests.servers.cassandra.node import CassandraNode


def main() -> None:
    """Run until told to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="pcapline-cassandra-", ignore_cleanup_errors=True) as directory:
        node = CassandraNode(Path(directory), survives=False)  # nobody starts it again on these data
        try:
            node.start()
            print(node.port, flush=True)
            if "--while-stdin" in sys.argv[1:]:
                sys.stdin.read()
            else:
                signal.pause()
        except KeyboardInterrupt:
            pass
        finally:
            node.stop()


if __name__ == "__main__":
    main()
