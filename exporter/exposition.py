"""The metrics page: what the ledgers say is written ahead, when it changes; the rest when it is asked for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from exporter.lines import counter_lines, lines_of
from exporter.metric_names import ENDPOINT_COUNTERS
from exporter.metrics import of_build, of_endpoints, of_ledgers, of_moment
from exporter.snapshot import Snapshot

_OPENMETRICS = "application/openmetrics-text"
_END = b"# EOF\n"  # of an OpenMetrics page
# Content types that are written ahead: text, OpenMetrics, and two more as clients name them.
_KINDS = 4
_Encoder = Callable[[CollectorRegistry], bytes]


@dataclass(frozen=True, slots=True)
class _Shown:
    """A snapshot, and what its ledgers say by content type."""

    snapshot: Snapshot
    ledgers: dict[str, bytes] = field(default_factory=dict)


class Exposition:
    """The metrics page of one exporter: the snapshot it was shown last, and the process itself. `show` is for one thread,
    `page` for any."""

    def __init__(self, snapshot: Snapshot, version: str, *, created: bool = True) -> None:
        """`created`: an OpenMetrics page says of each counter when it began; text 0.0.4 has no words for it."""
        self._shown, self._created = _Shown(snapshot), created
        self._encoders: dict[str, _Encoder] = {}  # of the content types that were asked for
        self._process = CollectorRegistry()
        self._process.register(_Families(lambda: of_build(version)))
        ProcessCollector(registry=self._process)
        PlatformCollector(registry=self._process)
        GCCollector(registry=self._process)

    def show(self, snapshot: Snapshot) -> None:
        """From now on, this one. Takes two microseconds a series where its ledgers say something else than before."""
        ledgers = self._shown.ledgers
        if snapshot.networks != self._shown.snapshot.networks:
            ledgers = {
                content_type: self._written(content_type, encode, snapshot)
                for content_type, encode in list(self._encoders.items())
            }
        self._shown = _Shown(snapshot, ledgers)

    def page(self, accept: str = "") -> tuple[bytes, str]:
        """The exposition and its content type, chosen by an `Accept` header. All of it is of one snapshot."""
        encode, content_type = choose_encoder(accept)
        shown = self._shown
        ledgers = shown.ledgers.get(content_type)
        if ledgers is None:
            ledgers = self._written(content_type, encode, shown.snapshot)
            if len(self._encoders) < _KINDS:
                self._encoders[content_type] = encode
                shown.ledgers[content_type] = ledgers
        moment = _encoded(encode, lambda: of_moment(shown.snapshot))
        return b"".join((ledgers, moment, encode(self._process))), content_type

    def _written(self, content_type: str, encode: _Encoder, snapshot: Snapshot) -> bytes:
        created, networks = self._created and content_type.startswith(_OPENMETRICS), list(snapshot.networks.values())
        parts = [_encoded(encode, lambda: of_ledgers(snapshot, created=created))]
        lines = lines_of(networks, created=created)
        for spec in ENDPOINT_COUNTERS:
            parts += [_encoded(encode, partial(of_endpoints, spec)), counter_lines(spec, lines)]
        return b"".join(parts)


def _encoded(encode: _Encoder, families: Callable[[], Iterator[Metric]]) -> bytes:
    registry = CollectorRegistry()
    registry.register(_Families(families))
    return encode(registry).removesuffix(_END)


class _Families(Collector):
    """Builds its metrics anew each time, so that what is gone is gone from the page."""

    def __init__(self, families: Callable[[], Iterator[Metric]]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return self._families()
