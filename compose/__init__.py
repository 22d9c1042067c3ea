"""The stack: docker compose, images, Prometheus configuration and rules, Grafana provisioning."""
