"""The page of old names: a metric an endpoint, for graphs that were made before there were labels. Off unless asked for.

`hahaha.com` is `hahaha_com_writes_total` and `hahaha_com_write_throughput`. Endpoints that fall together are summed; where the
series of one of them is evicted, what it last showed stays in the sum. So a name's counter never falls while it is shown, and
is the same of every exporter of the store: it is a function of what the book and the ledgers say.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from exporter.metric_names import ENDPOINT_COUNTERS
from exporter.snapshot import Snapshot
from schema.records import OTHER_ENDPOINT

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_NO_NAME = re.compile(r"[^a-zA-Z0-9_]")
_THROUGHPUT_S = 30.0  # what a throughput is the mean of at least, twice that at most
_MODERN = ENDPOINT_COUNTERS[0].sample


@dataclass(frozen=True, slots=True)
class _Moment:
    """What was shown at a time (Unix seconds)."""

    at: float = 0.0
    writes: Mapping[str, int] = field(default_factory=dict)  # by old name


class LegacyPage:
    """`show` is for one thread, `page` for any."""

    def __init__(self) -> None:
        # A throughput is held against the first of two moments; a whole page of numbers each, so there are no more of them.
        self._since = self._next = _Moment()
        self._page = b""

    def show(self, snapshot: Snapshot) -> None:
        """From now on, this one. Where a network was never read the page stays as it was: its part of the sums is not known."""
        if any(sensor.network not in snapshot.networks for sensor in snapshot.sensors):
            return
        shown, evicted = _shown(snapshot), _evicted(snapshot)
        modern = {metric_name(endpoint): endpoint for endpoint in shown}
        kept = {endpoint: count for endpoint, count in evicted.items() if metric_name(endpoint) in modern}
        writes: Counter[str] = Counter()
        for endpoint, count in (*shown.items(), *kept.items()):
            writes[metric_name(endpoint)] += count
        merged = len(shown.keys() | kept.keys()) - len(modern)
        now = _Moment(snapshot.read_at, writes)
        self._turn(now)
        self._page = "".join(_lines(modern, now, self._since, merged)).encode()

    def page(self) -> bytes:
        """In text 0.0.4."""
        return self._page

    def _turn(self, now: _Moment) -> None:
        if not self._next.at:
            self._since = self._next = now
        elif not 0 <= now.at - self._next.at < _THROUGHPUT_S:  # a clock may have been set back
            self._since, self._next = self._next, now


def _lines(modern: Mapping[str, str], now: _Moment, since: _Moment, merged: int) -> Iterator[str]:
    seconds = now.at - since.at
    for name, count in now.writes.items():
        told = modern[name].replace("\\", r"\\").replace("\n", r"\n")
        yield f"# HELP {name}_writes_total Now {_MODERN}, server_address {told}\n"
        yield f"# TYPE {name}_writes_total counter\n{name}_writes_total {count}\n"
        rate = (count - since.writes.get(name, count)) / seconds if seconds > 0 else 0.0
        yield f"# HELP {name}_write_throughput Writes a second over the last minute at most; now rate({_MODERN}[1m])\n"
        yield f"# TYPE {name}_write_throughput gauge\n{name}_write_throughput {rate}\n"
    yield "# HELP pcapline_exporter_legacy_names_merged Endpoints that share an old name with another: with their sum.\n"
    yield f"# TYPE pcapline_exporter_legacy_names_merged gauge\npcapline_exporter_legacy_names_merged {merged}\n"


def metric_name(endpoint: str) -> str:
    """What an endpoint's metrics begin with."""
    name = _NO_NAME.sub("_", endpoint)
    return name if name and not name[0].isdigit() else f"_{name}"


def _shown(snapshot: Snapshot) -> Counter[str]:
    """Writes by endpoint that has a series, over all networks; the names know of none."""
    writes: Counter[str] = Counter()
    for network in snapshot.networks.values():
        for endpoint, totals in network.series.shown.items():
            writes[endpoint] += totals.flows
        writes[OTHER_ENDPOINT] += network.series.other.flows
    return writes


def _evicted(snapshot: Snapshot) -> Counter[str]:
    """Writes that series last showed which are no more, likewise."""
    writes: Counter[str] = Counter()
    for network in snapshot.networks.values():
        for endpoint, totals in network.evicted.items():
            writes[endpoint] += totals.flows
    return writes
