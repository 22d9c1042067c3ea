"""What can be wrong with a request, as RFC 9457 problems: each with its status, and with what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from msgspec import UNSET, Struct, UnsetType

from exporter.api.exchange import Answered


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: `name` is what programs go by."""

    name: str
    status: int
    title: str


UNKNOWN_PARAMETER = Kind("unknown-parameter", 400, "There is no such parameter")
BAD_PARAMETER = Kind("bad-parameter", 400, "A parameter has a value that means nothing")
BAD_CURSOR = Kind("bad-cursor", 400, "The cursor is not one of this question")
UNAUTHORIZED = Kind("unauthorized", 401, "Nobody known asks")
NOT_ALLOWED = Kind("not-allowed", 403, "This needs the role `operate`")
NOT_OPEN = Kind("not-open", 403, "From elsewhere only users and tokens may ask")
NOT_FOUND = Kind("not-found", 404, "There is nothing here")
WRONG_METHOD = Kind("wrong-method", 405, "This path does not take this method")
TOO_LARGE = Kind("too-large", 413, "The body is larger than any that is asked for")
TOO_BROAD = Kind("too-broad", 422, "The question is too broad to be answered within bounds")
INTERNAL = Kind("internal", 500, "The exporter has a fault")
STORE_REFUSES = Kind("store-refuses", 500, "The store does not do what it should")
NEEDS_SETUP = Kind("needs-setup", 501, "Something has to be set up first")
BUSY = Kind("busy", 503, "Too many requests at once")
STORE_AWAY = Kind("store-away", 503, "The store does not answer")
STORE_SCHEMA = Kind("store-schema", 503, "The store's tables are not those of this build")

KINDS = (
    UNKNOWN_PARAMETER,
    BAD_PARAMETER,
    BAD_CURSOR,
    UNAUTHORIZED,
    NOT_ALLOWED,
    NOT_OPEN,
    NOT_FOUND,
    WRONG_METHOD,
    TOO_LARGE,
    TOO_BROAD,
    INTERNAL,
    STORE_REFUSES,
    NEEDS_SETUP,
    BUSY,
    STORE_AWAY,
    STORE_SCHEMA,
)
MEDIA_TYPE = "application/problem+json"
_RETRY_AFTER_S = "2"
_URI = "urn:pcapline:problem:"


class Problem(Struct, frozen=True, kw_only=True):
    """Why a request has no answer (RFC 9457, `application/problem+json`)."""

    type: str
    title: str
    status: int
    detail: str
    remedy: str
    parameter: str | UnsetType = UNSET


class ProblemError(Exception):
    """A request that cannot be answered, and what to do about it."""

    def __init__(self, kind: Kind, detail: str, remedy: str, *, parameter: str | None = None) -> None:
        """`parameter`: which one is at fault, where it is one."""
        super().__init__(detail)
        self.kind, self.detail, self.remedy, self.parameter = kind, detail, remedy, parameter

    def document(self) -> Problem:
        """As it is told."""
        return Problem(
            type=_URI + self.kind.name,
            title=self.kind.title,
            status=self.kind.status,
            detail=self.detail,
            remedy=self.remedy,
            parameter=UNSET if self.parameter is None else self.parameter,
        )


def refusal(error: ProblemError, headers: Mapping[str, str]) -> Answered:
    """The answer that it is, with these headers and its own."""
    own = {"Content-Type": MEDIA_TYPE, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    if error.kind.status == 503:
        own["Retry-After"] = _RETRY_AFTER_S
    return Answered(status=error.kind.status, body=msgspec.json.encode(error.document()), headers={**own, **headers})


def bad_parameter(parameter: str, detail: str, remedy: str) -> ProblemError:
    """A value that means nothing."""
    return ProblemError(BAD_PARAMETER, detail, remedy, parameter=parameter)
