"""The exporter: reads the store, never packets; shows it as metrics."""
