"""Grafana's dashboards are made from code: `python -m compose.grafana` writes dashboards/*.json anew."""
