"""The page of old names: a metric an endpoint, for graphs that were made before there were labels. Off unless asked for.

`hahaha.com` is `hahaha_com_writes_total` and `hahaha_com_write_throughput`. Endpoints that fall together are summed.
"""

import re
from collections import Counter, deque
from collections.abc import Iterator, Mapping

from exporter.metric_names import ENDPOINT_COUNTERS
from exporter.snapshot import Snapshot
from schema.records import OTHER_ENDPOINT

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_NO_NAME = re.compile(r"[^a-zA-Z0-9_]")
_THROUGHPUT_S = 60.0  # what a throughput is the mean of
_MOST_MOMENTS = 64
_MODERN = ENDPOINT_COUNTERS[0].sample


class LegacyPage:
    """`show` is for one thread, `page` for any."""

    def __init__(self) -> None:
        self._moments: deque[tuple[float, Mapping[str, int]]] = deque(maxlen=_MOST_MOMENTS)  # when, writes by old name
        self._page = b""

    def show(self, snapshot: Snapshot) -> None:
        """From now on, this one."""
        endpoints = _writes(snapshot)
        names = {endpoint: metric_name(endpoint) for endpoint in endpoints}
        writes: Counter[str] = Counter()
        for endpoint, count in endpoints.items():
            writes[names[endpoint]] += count
        while self._moments and snapshot.read_at - self._moments[0][0] > _THROUGHPUT_S:
            self._moments.popleft()
        self._moments.append((snapshot.read_at, writes))
        self._page = "".join(self._lines(names, writes)).encode()

    def page(self) -> bytes:
        """In text 0.0.4."""
        return self._page

    def _lines(self, names: Mapping[str, str], writes: Mapping[str, int]) -> Iterator[str]:
        modern = {name: endpoint for endpoint, name in names.items()}
        oldest_at, oldest = self._moments[0]
        seconds = self._moments[-1][0] - oldest_at
        for name, count in writes.items():
            told = modern[name].replace("\\", r"\\").replace("\n", r"\n")
            yield f"# HELP {name}_writes_total Now {_MODERN}, server_address {told}\n"
            yield f"# TYPE {name}_writes_total counter\n{name}_writes_total {count}\n"
            rate = (count - oldest.get(name, count)) / seconds if seconds > 0 else 0.0
            yield f"# HELP {name}_write_throughput Writes a second over the last minute; now rate({_MODERN}[1m])\n"
            yield f"# TYPE {name}_write_throughput gauge\n{name}_write_throughput {rate}\n"
        merged = len(names) - len(writes)
        yield "# HELP pcapline_exporter_legacy_names_merged Endpoints that share an old name with another: with their sum.\n"
        yield f"# TYPE pcapline_exporter_legacy_names_merged gauge\npcapline_exporter_legacy_names_merged {merged}\n"


def metric_name(endpoint: str) -> str:
    """What an endpoint's metrics begin with."""
    name = _NO_NAME.sub("_", endpoint)
    return name if name and not name[0].isdigit() else f"_{name}"


def _writes(snapshot: Snapshot) -> Counter[str]:
    """By endpoint, over all networks; the names know of none."""
    writes: Counter[str] = Counter()
    for network in snapshot.networks.values():
        for endpoint, totals in network.series.shown.items():
            writes[endpoint] += totals.flows
        writes[OTHER_ENDPOINT] += network.series.other.flows
    return writes
