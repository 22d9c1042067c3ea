"""The end-to-end probe: asks Prometheus how many of its own questions have become a counter there.

A sensor captures this container's packets. Each question is one TCP connection, so one flow row, counted for the name that
the question was sent to; SEEN is touched whenever that counter has grown since this start.
"""

import json
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

TARGET = "prometheus.pcapline.internal"
COUNTER = f'sum(pcapline_endpoint_writes_total{{server_address="{TARGET}"}})'
SEEN = Path("/tmp/seen")
EVERY_S = 5.0


def writes() -> float | None:
    """What the counter shows; 0 before its first sample; None while Prometheus does not answer."""
    url = f"http://{TARGET}:9090/api/v1/query?" + urllib.parse.urlencode({"query": COUNTER})
    try:
        with urllib.request.urlopen(url, timeout=EVERY_S) as answer:
            found = json.load(answer)["data"]["result"]
    except (OSError, ValueError) as error:
        sys.stderr.write(f"probe: {error}\n")
        return None
    return float(found[0]["value"][1]) if found else 0.0


def main() -> None:
    """For ever: this process is stopped from outside."""
    shown = None
    while True:
        now = writes()
        if now is not None:
            if shown is not None and now > shown:
                SEEN.touch()
                sys.stderr.write(f"probe: {now - shown:.0f} more questions are counted\n")
            shown = now
        time.sleep(EVERY_S)


if __name__ == "__main__":
    main()
