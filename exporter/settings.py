"""Settings of the exporter; the grammar that reads them is `schema.settings`."""

from dataclasses import dataclass

from schema.errors import SettingsError
from schema.settings import file_setting

# Beyond it one scrape takes seconds and Prometheus pays for series nobody looks at; the rest is in `_other`.
HARD_ENDPOINT_LIMIT = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ExporterSettings:
    """Every field with its default; durations in seconds."""

    listen: str = "127.0.0.1:10110"
    telemetry_path: str = "/metrics"
    web_config: str = file_setting()  # TLS, and who may ask: a file in the format of Prometheus' exporter-toolkit
    created: bool = True  # OpenMetrics pages say when each counter began: series of their own, or not (docs/decisions/0002)
    legacy_names: bool = False  # answer /metrics/legacy as well: a metric an endpoint, as in hahaha_com_writes_total
    discovered_port: int = 10_111  # of the loaders that /api/v1/sd/prometheus names: their `loader.listen`
    max_endpoints: int = 2_000  # endpoints of a network with series of their own; exporters of one store agree on it
    refresh_s: float = 5.0  # how often the ledgers are followed
    reconcile_s: float = 300.0  # how often the identities are checked
    reconcile_captures: int = 200  # a check recounts so many captures of each sensor: the newest, and as many others by turns

    def __post_init__(self) -> None:
        """Refuse what cannot work, by name and with the range."""
        if not 1 <= self.max_endpoints <= HARD_ENDPOINT_LIMIT:
            raise SettingsError(f"exporter.max_endpoints is {self.max_endpoints}: give 1 to {HARD_ENDPOINT_LIMIT}")
        if not self.telemetry_path.startswith("/") or self.telemetry_path == "/":
            raise SettingsError(f"exporter.telemetry_path is {self.telemetry_path!r}: give a path such as /metrics")
        if not 1 <= self.discovered_port <= 65_535:
            raise SettingsError(f"exporter.discovered_port is {self.discovered_port}: give 1 to 65535")
        for name in ("refresh_s", "reconcile_s", "reconcile_captures"):
            if getattr(self, name) <= 0:
                raise SettingsError(f"exporter.{name} is {getattr(self, name)}: give a number above 0")
