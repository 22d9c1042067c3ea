"""What one made-up frame is: the vocabulary between the traffic generator and its ground truth."""

from typing import NamedTuple

from capture.dns_messages import Response


class Flow(NamedTuple):
    """The conversation that a packet belongs to, told from its initiator. Ports of ICMP: as Community ID maps them."""

    source: bytes
    destination: bytes
    source_port: int
    destination_port: int
    protocol: int
    started_ns: int  # with the rest: one of its kind


class Lesson(NamedTuple):
    """A DNS response as its client received it."""

    client: bytes
    client_port: int
    resolver: bytes
    transaction_id: int
    response: Response


class Emission(NamedTuple):
    """One frame, and what it is. Exactly one of `flow` and `reason` is set."""

    ts_ns: int
    frame: bytes
    flow: Flow | None
    reason: str | None  # why it is in no flow row
    forward: bool = True
    ip_length: int = 0
    lesson: Lesson | None = None
