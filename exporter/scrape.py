"""Reads the Prometheus text format, as a check on what writes it: shares nothing with the client library."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_LINE = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_LABEL = re.compile(r'(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)="(?P<value>(?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r'\\([\\n"])')


class Sample(NamedTuple):
    """One line of an exposition."""

    name: str
    labels: Mapping[str, str]
    value: float


def samples(text: str) -> Iterator[Sample]:
    """Every sample of a text 0.0.4 or OpenMetrics exposition. Lines end in LF alone: a label may hold any other break."""
    for line in text.split("\n"):
        if match := _LINE.match(line):
            labels = {label["name"]: _unescape(label["value"]) for label in _LABEL.finditer(match["labels"] or "")}
            yield Sample(match["name"], labels, float(match["value"]))


def _unescape(value: str) -> str:
    return _ESCAPE.sub(lambda escape: "\n" if escape[1] == "n" else escape[1], value)
