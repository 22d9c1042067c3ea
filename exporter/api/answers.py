"""What is answered: a struct each, from which the document's schemas are made. Counts and times are integers."""

from typing import Annotated

from msgspec import Meta, Struct

from exporter.api.rows import AnswerRow, FlowRow, NameRow

Next = Annotated[str | None, Meta(description="`cursor` of the next page; null: there is none.")]
Counts = dict[str, int]


class Answer(Struct, frozen=True, kw_only=True):
    """An answer."""


class Endpoint(Answer, frozen=True, kw_only=True):
    """Totals of one endpoint over all committed captures. Without `_rev`: to it; with it: back."""

    network: str
    endpoint: str
    flows: Annotated[int, Meta(description="Writes: distinct flow rows.")]
    packets: int
    bytes: int
    packets_rev: int
    bytes_rev: int
    series: Annotated[bool, Meta(description="Whether the metrics page has a series of its own for it.")]


class Endpoints(Answer, frozen=True, kw_only=True):
    """Endpoints as of these ledger positions."""

    endpoints: list[Endpoint]
    matching: Annotated[int, Meta(description="How many there are in all that match.")]
    positions: Annotated[Counts, Meta(description="Sensor: `seq` of the newest commit that is counted.")]
    next: Next


class Flows(Answer, frozen=True, kw_only=True):
    """Flow rows, newest first."""

    flows: list[FlowRow]
    next: Next


class DnsAnswers(Answer, frozen=True, kw_only=True):
    """Rows of `dns_answers`, newest first."""

    answers: list[AnswerRow]
    next: Next


class Names(Answer, frozen=True, kw_only=True):
    """Rows of the dictionary, by name or address."""

    names: list[NameRow]
    next: Next


class Capture(Answer, frozen=True, kw_only=True):
    """What became of one capture; counts of one that is not loaded are null."""

    capture_id: str
    file: str
    sensor: str
    state: str
    reason: str
    detail: str
    seq: int | None
    loaded_at_ms: int
    size_bytes: int
    first_ts_ns: int
    last_ts_ns: int
    packets: int
    kernel_drops: int | None
    flow_packets: int | None
    non_flow: Counts | None
    rows: Counts | None


class Captures(Answer, frozen=True, kw_only=True):
    """Captures in their order."""

    captures: list[Capture]
    next: Next


class LineageCapture(Answer, frozen=True, kw_only=True):
    """A capture in a lineage."""

    capture_id: str
    file: str
    sensor: str
    state: str
    reason: str
    loaded_at_ms: int


class LineageAnswer(Answer, frozen=True, kw_only=True):
    """A DNS answer that gave a name."""

    hostname: str
    capture: LineageCapture | None
    frame: int
    ts_ns: int
    client_ip: str
    resolver_ip: str | None
    transport: str | None
    kind: str | None
    ttl: int
    asked: bool


class LineageWithout(Answer, frozen=True, kw_only=True):
    """What the row would be called without what named it."""

    hostname: str | None
    name_evidence: str
    answer: LineageAnswer | None


class Lineage(Answer, frozen=True, kw_only=True):
    """Where a flow row comes from, as `pcapline explain ROW --json` says it."""

    record: str
    row: str
    flow: FlowRow
    capture: LineageCapture | None
    chain_start_ns: int
    answer: LineageAnswer | None
    repaired: bool
    contradicted_by: list[str]
    without: LineageWithout
    file: str | None
    frames: list[int] | None
    named_in: int | None


class Sensor(Answer, frozen=True, kw_only=True):
    """A sensor, and how far its ledger is followed."""

    sensor: str
    network: str
    first_seen_ms: int
    seq: Annotated[int, Meta(description="Of the newest commit that is counted; 0: none.")]
    newest_packet_ns: Annotated[int | None, Meta(description="Unix ns; null: not known.")]
    reads: Annotated[bool, Meta(description="Whether its ledger could be read last time.")]
    loader: Annotated[str, Meta(description="Who holds its lease, HOST:PID:RANDOM; empty: nobody.")]
    lease_until_ms: int


class Sensors(Answer, frozen=True, kw_only=True):
    """Sensors by name."""

    sensors: list[Sensor]
    next: Next


class Identity(Answer, frozen=True, kw_only=True):
    """An identity and its two sides, as sums of all numbers compared; errors never cancel each other in `difference`."""

    identity: str
    left: int
    right: int
    difference: int


class Difference(Answer, frozen=True, kw_only=True):
    """One number that is not what it should be."""

    differs: str
    sensor: str
    subject: str
    left: int
    right: int
    capture_id: str | None
    file: str | None


class Coverage(Answer, frozen=True, kw_only=True):
    """What the check recounted, and all checks of this process together."""

    captures: Annotated[int, Meta(description="Committed.")]
    checked: Annotated[int, Meta(description="Of them, recounted by this check.")]
    expired: Annotated[int, Meta(description="Of those checked, their rows are gone by age.")]
    alive: Annotated[int, Meta(description="Committed captures whose rows have not all expired.")]
    covered: Annotated[int, Meta(description="Of them, recounted at least once by this process.")]
    covered_since_ms: Annotated[int, Meta(description="When the one was recounted that waits the longest; 0: not all were.")]


class Verdict(Answer, frozen=True, kw_only=True):
    """The last check of the identities; `at_ms` null: there was none yet."""

    at_ms: int | None
    holds: bool | None
    identities: list[Identity]
    coverage: Coverage | None
    differences: Annotated[list[Difference], Meta(description="The first hundred.")]
    differing: Annotated[int, Meta(description="How many numbers differ.")]


class Health(Answer, frozen=True, kw_only=True):
    """What the exporter is, and whether what it shows is current."""

    version: str
    store: str
    store_up: bool
    ready: bool
    reason: Annotated[str | None, Meta(description="Why it is not ready, in one line.")]
    schema_version: int | None
    wanted_schema_version: int | None
    refresh_seconds: float


class Gained(Answer, frozen=True, kw_only=True):
    """What one commit added to an endpoint; `_other` stands for those that are not named."""

    endpoint: str
    flows: int
    packets: int
    bytes: int
    packets_rev: int
    bytes_rev: int


class Change(Answer, frozen=True, kw_only=True):
    """One commit."""

    sensor: str
    network: str
    seq: int
    capture_id: str
    loaded_at_ms: int
    packets: int
    flow_packets: int
    flow_bytes: int
    rows: Counts
    non_flow: Counts
    endpoints: Annotated[list[Gained] | None, Meta(description="Largest first; null: no longer kept.")]
    endpoint_count: Annotated[int | None, Meta(description="How many it had in all.")]


class Gap(Answer, frozen=True, kw_only=True):
    """Steps of a sensor's ledger that cannot be told: read its totals anew."""

    sensor: str
    after_seq: int
    next_seq: int


class Changes(Answer, frozen=True, kw_only=True):
    """Commits behind a place in every sensor's ledger, each sensor's in order."""

    changes: list[Change]
    gaps: list[Gap]
    next: Annotated[str, Meta(description="`since` of the next question.")]
    more: Annotated[bool, Meta(description="Whether there are more at once.")]


class Accepted(Answer, frozen=True, kw_only=True):
    """An operation that is going to be done."""

    accepted: bool
    last_checked_at_ms: Annotated[int | None, Meta(description="`at_ms` of /verify until then.")]
