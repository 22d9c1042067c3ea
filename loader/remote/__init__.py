"""Captures from elsewhere: object storage and Kafka in front of the spool (docs/decisions/0020)."""
