"""The front door: the `pcapline` command and the wiring of the rooms."""

__version__ = "0.1.0"
