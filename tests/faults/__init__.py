"""Faults made on purpose, each with what must hold after it; docs/reliability.md is their table."""
