"""What an HTTP face counts of itself. The front door's only door to prometheus_client."""

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from exporter.api.exchange import PREFIX

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series a counter for what `process_start_time_seconds` says
_REFUSALS = ("unauthorized", "closed", "forbidden", "busy", "too_large")
_ENDS = ("slow", "no_room", "handshake")
_END_OF_PAGE = b"# EOF\n"  # of OpenMetrics


class WebCounts:
    """Every method may be called from any thread."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._refused = Counter(
            "pcapline_web_requests_refused", "HTTP requests that no route was asked for.", ["reason"], registry=registry
        )
        self._dropped = Counter(
            "pcapline_web_connections_dropped", "Connections ended before their answer was read.", ["reason"], registry=registry
        )
        self._answers = Counter(
            "pcapline_web_answers",
            f"Answers over HTTP. Path: one of the pages, {PREFIX} for all of the JSON API, or other.",
            ["path", "status"],
            registry=registry,
        )
        self._failures = Counter(
            "pcapline_web_config_reload_failures",
            "Times the web configuration was read anew in vain; the one before stayed in force.",
            registry=registry,
        )
        self._successful = Gauge(
            "pcapline_config_last_reload_successful", "1 when the last reading of the configuration was.", registry=registry
        )
        self._success_at = Gauge(
            "pcapline_config_last_reload_success_timestamp_seconds",
            "Unix time of the last reading of the configuration that was successful.",
            registry=registry,
        )
        for reason in _REFUSALS:
            self._refused.labels(reason)
        for reason in _ENDS:
            self._dropped.labels(reason)

    def refused(self, reason: str) -> None:
        """A request: unauthorized | closed | forbidden | busy | too_large."""
        self._refused.labels(reason).inc()

    def answered(self, path: str, status: int) -> None:
        """A request. `path`: one of a few, not what somebody may have made up."""
        self._answers.labels(path, str(status)).inc()

    def dropped(self, reason: str) -> None:
        """A connection: slow (a deadline passed) | no_room | handshake (there was no TLS with it)."""
        self._dropped.labels(reason).inc()

    def reloaded(self, at: float) -> None:
        """The configuration is that of this moment (Unix time)."""
        self._successful.set(1)
        self._success_at.set(at)

    def reload_failed(self) -> None:
        """It is that of before."""
        self._successful.set(0)
        self._failures.inc()

    def added_to(self, page: tuple[bytes, str], accept: str) -> tuple[bytes, str]:
        """A metrics page and its content type, with these counts behind it."""
        encode, _ = choose_encoder(accept)
        body, content_type = page
        return body.removesuffix(_END_OF_PAGE) + encode(self._registry), content_type
