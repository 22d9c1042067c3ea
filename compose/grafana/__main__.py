"""Write the dashboards that Grafana is provisioned with."""

import json
from pathlib import Path

from compose.grafana.boards import DASHBOARDS

FOLDER = Path(__file__).parent / "dashboards"


def texts() -> dict[str, str]:
    """The content of every file, by its name."""
    return {f"{name}.json": json.dumps(dashboard.json(), indent=1) + "\n" for name, dashboard in DASHBOARDS.items()}


if __name__ == "__main__":
    for name, text in texts().items():
        (FOLDER / name).write_text(text)
