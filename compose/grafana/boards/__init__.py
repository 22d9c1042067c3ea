"""The dashboards, by the name of their file."""

from compose.grafana.boards.destinations import DESTINATIONS
from compose.grafana.boards.dns import DNS
from compose.grafana.boards.loader import LOADER
from compose.grafana.boards.overview import OVERVIEW
from compose.grafana.boards.sensors import SENSORS
from compose.grafana.boards.store import STORE

DASHBOARDS = {
    "overview": OVERVIEW,
    "destinations": DESTINATIONS,
    "dns": DNS,
    "loader": LOADER,
    "store": STORE,
    "sensors": SENSORS,
}
