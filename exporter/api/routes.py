"""Every path of the API: what it takes, what it answers, who answers. The only list there is of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from exporter.api import answers, questions
from exporter.api.captures import capture, captures
from exporter.api.changes import changes
from exporter.api.dictionary import names
from exporter.api.endpoints import endpoints
from exporter.api.flows import answers as dns_answers
from exporter.api.flows import flows, lineage
from exporter.api.problems import NOT_FOUND, Kind
from exporter.api.standing import health, reconcile, sensors, verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One path with one method."""

    path: str  # behind the prefix; `{name}` is a field of the question
    summary: str
    question: type[questions.Question]
    answer: type[answers.Answer]
    ask: Callable[..., Any]  # (World, question) -> answer
    method: str = "GET"
    status: int = 200
    problems: tuple[Kind, ...] = ()  # beside those that every path may answer with
    is_shown: bool = False  # made from the exporter's snapshot alone
    streams: bool = False  # the same answers again and again, as server-sent events

    @property
    def operates(self) -> bool:
        """Whether it changes something."""
        return self.method == "POST"

    def path_values(self, path: str) -> dict[str, str] | None:
        """What stands in the path where the route has names; None: it is another's."""
        given, wanted = path.split("/"), self.path.split("/")
        if len(given) != len(wanted):
            return None
        values = {}
        for part, want in zip(given, wanted, strict=True):
            if want.startswith("{"):
                values[want[1:-1]] = part
            elif part != want:
                return None
        return values


ROUTES = (
    Route(
        path="/endpoints",
        summary="Totals by endpoint: writes, packets, bytes",
        question=questions.EndpointsQuestion,
        answer=answers.Endpoints,
        ask=endpoints,
        is_shown=True,
    ),
    Route(
        path="/flows",
        summary="Flow rows, newest first",
        question=questions.FlowsQuestion,
        answer=answers.Flows,
        ask=flows,
    ),
    Route(
        path="/flows/{row}/lineage",
        summary="Where a flow row comes from: its capture, and what named it",
        question=questions.RowQuestion,
        answer=answers.Lineage,
        ask=lineage,
        problems=(NOT_FOUND,),
    ),
    Route(
        path="/dns",
        summary="Who asked for a name and what they were told, newest first",
        question=questions.AnswersQuestion,
        answer=answers.DnsAnswers,
        ask=dns_answers,
    ),
    Route(
        path="/names",
        summary="The dictionary: names of an address, addresses of a name, names below a domain",
        question=questions.NamesQuestion,
        answer=answers.Names,
        ask=names,
    ),
    Route(
        path="/captures",
        summary="What became of captures",
        question=questions.CapturesQuestion,
        answer=answers.Captures,
        ask=captures,
    ),
    Route(
        path="/captures/{capture_id}",
        summary="What became of one capture",
        question=questions.CaptureQuestion,
        answer=answers.Capture,
        ask=capture,
        problems=(NOT_FOUND,),
    ),
    Route(
        path="/sensors",
        summary="Sensors, and how far their ledgers are followed",
        question=questions.SensorsQuestion,
        answer=answers.Sensors,
        ask=sensors,
    ),
    Route(
        path="/changes",
        summary="Commits as they come, of all sensors",
        question=questions.ChangesQuestion,
        answer=answers.Changes,
        ask=changes,
    ),
    Route(
        path="/stream",
        summary="The same as server-sent events: `event: changes`, its `id` is the next `since`",
        question=questions.ChangesQuestion,
        answer=answers.Changes,
        ask=changes,
        streams=True,
    ),
    Route(
        path="/verify",
        summary="The last check of the identities",
        question=questions.Nothing,
        answer=answers.Verdict,
        ask=verdict,
        is_shown=True,
    ),
    Route(
        path="/health",
        summary="What the exporter is, and whether what it shows is current",
        question=questions.Nothing,
        answer=answers.Health,
        ask=health,
    ),
    Route(
        path="/reconcile",
        summary="Check the identities now",
        question=questions.Nothing,
        answer=answers.Accepted,
        ask=reconcile,
        method="POST",
        status=202,
    ),
)
