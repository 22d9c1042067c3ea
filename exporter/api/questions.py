"""The parameters of every question: a struct each. What is accepted and what is documented come from these declarations."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from exporter.api.problems import UNKNOWN_PARAMETER, ProblemError, bad_parameter
from exporter.api.values import Seq

LONGEST_PLACE = 49_152  # of `changes`: some 800 sensors; the whole of a request may have 64 KiB before its body
_FIELD = re.compile(r"(?:`\$\.(\w+)(?:\[\.\.\.\])?`|required field `(\w+)`)")
_EXPECTED = re.compile(r"Expected `(\w+)`")
_WORDS = {"int": "a whole number", "str": "text", "bool": "true or false"}

Limit = Annotated[int, Meta(ge=1, le=1000, description="At most so many.")]
Since = Annotated[str, Meta(max_length=64, description="Not before this time: Unix nanoseconds or RFC 3339.")]
Until = Annotated[str, Meta(max_length=64, description="Before this time: Unix nanoseconds or RFC 3339.")]
Cursor = Annotated[str, Meta(max_length=2048, description="`next` of the answer before, to the same question.")]
Address = Annotated[str, Meta(max_length=64)]
Name = Annotated[str, Meta(min_length=1, max_length=1024)]
Sensor = Annotated[str, Meta(max_length=255, description="The sensor's name.")]
Network = Annotated[str, Meta(max_length=255, description="The network's name.")]


class Question(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of one request."""


class Nothing(Question, frozen=True, kw_only=True):
    """No parameters."""


class EndpointsQuestion(Question, frozen=True, kw_only=True):
    """Which endpoints, and in which order."""

    network: Network | None = None
    search: Annotated[str, Meta(max_length=255, description="Only endpoints whose name has this text.")] | None = None
    sort: Annotated[
        Literal["flows", "packets", "bytes", "packets_rev", "bytes_rev", "endpoint"],
        Meta(
            description="Largest first, or by name. `flows` are the writes. Numbers grow between two pages: no endpoint comes "
            "twice, and one that has grown past the cursor meanwhile comes in neither (`positions` say whether anything was "
            "committed). By name each comes once."
        ),
    ] = "flows"
    limit: Limit = 100
    cursor: Cursor | None = None


class FlowsQuestion(Question, frozen=True, kw_only=True):
    """Which flows: one of `address`, `name` and `below`, or `source` alone; `source` also narrows the others."""

    address: Annotated[Address, Meta(description="Who was called.")] | None = None
    name: Annotated[Name, Meta(description="By which name it was called.")] | None = None
    below: Annotated[Name, Meta(description="A domain: all names below it.")] | None = None
    source: Annotated[Address, Meta(description="Who called.")] | None = None
    since: Since | None = None
    until: Until | None = None
    limit: Limit = 100
    cursor: Cursor | None = None


class AnswersQuestion(Question, frozen=True, kw_only=True):
    """Which DNS answers."""

    name: Annotated[Name, Meta(description="The name that was asked for.")]
    client: Annotated[Address, Meta(description="Who asked.")] | None = None
    since: Since | None = None
    until: Until | None = None
    limit: Limit = 100
    cursor: Cursor | None = None


class NamesQuestion(Question, frozen=True, kw_only=True):
    """What the dictionary knows of one of these."""

    address: Annotated[Address, Meta(description="Names seen for this address.")] | None = None
    name: Annotated[Name, Meta(description="Addresses seen for this name.")] | None = None
    below: Annotated[Name, Meta(description="Names seen below this domain.")] | None = None
    since: Annotated[Since, Meta(description="Seen since this time: Unix nanoseconds or RFC 3339.")] | None = None
    limit: Limit = 100
    cursor: Cursor | None = None


class CapturesQuestion(Question, frozen=True, kw_only=True):
    """Which captures. Loaded ones come by sensor and in the order of their commits, others by their ids (a read of all)."""

    state: Annotated[
        Literal["loaded", "quarantined", "dismissed", "claimed"],
        Meta(description="`dismissed`: quarantined, until somebody looked. `claimed`: being loaded, or given up while it was."),
    ] = "loaded"
    sensor: Sensor | None = None
    since: Annotated[Seq, Meta(description="Of `sensor`: loaded by later commits than this `seq`.")] | None = None
    limit: Annotated[int, Meta(ge=1, le=200, description="At most so many.")] = 50
    cursor: Cursor | None = None


class CaptureQuestion(Question, frozen=True, kw_only=True):
    """Which capture."""

    capture_id: Annotated[str, Meta(max_length=64, description="Its id, with or without hyphens.")]


class RowQuestion(Question, frozen=True, kw_only=True):
    """Which flow row."""

    row: Annotated[str, Meta(max_length=128, description="`row` of a flow: CAPTURE_ID:FRAME@DESTINATION_IP.")]


class SensorsQuestion(Question, frozen=True, kw_only=True):
    """Which sensors."""

    network: Network | None = None
    limit: Limit = 100
    cursor: Cursor | None = None


class ChangesQuestion(Question, frozen=True, kw_only=True):
    """From where on."""

    since: (
        Annotated[
            str,
            Meta(
                max_length=LONGEST_PLACE,
                description="`next` of the answer before; 0: from the beginning; without it: from now on.",
            ),
        ]
        | None
    ) = None
    sensor: Annotated[str, Meta(max_length=255, description="Only this sensor's.")] | None = None
    endpoints: Annotated[
        int, Meta(ge=0, le=200, description="Of each commit, so many endpoints by name; the others as one sum.")
    ] = 50
    limit: Annotated[int, Meta(ge=1, le=200, description="At most so many commits.")] = 50


_Asked = TypeVar("_Asked", bound=Question)


def question_of(kind: type[_Asked], query: Iterable[tuple[str, str]], path: Mapping[str, str]) -> _Asked:
    """The question that these parameters are; raises a problem that names the one at fault."""
    known = kind.__struct_fields__
    given: dict[str, Any] = dict(path)
    for name, value in query:
        if name not in known or name in path:
            raise _unknown(name, [field for field in known if field not in path])
        if name in given:
            raise bad_parameter(name, f"{name} is given twice", "give it once")
        given[name] = value
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _told(str(error)) from error


def _unknown(name: str, known: list[str]) -> ProblemError:
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    remedy = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known) or 'none'}"
    return ProblemError(UNKNOWN_PARAMETER, f"no parameter is called {name!r}", remedy, parameter=name)


def _told(text: str) -> ProblemError:
    """msgspec's words: "Expected `int` >= 1 - at `$.limit`", "Object missing required field `name`"."""
    found = _FIELD.search(text)
    parameter = "" if found is None else found[1] or found[2]
    if text.startswith("Object missing"):
        return bad_parameter(parameter, f"{parameter} is missing", f"give {parameter}=...")
    expected = _EXPECTED.sub(lambda word: f"Expected {_WORDS.get(word[1], word[1])}", text.partition(" - at ")[0])
    return bad_parameter(parameter, f"{parameter}: {expected}", "see /api/v1/openapi.json for what it takes")
