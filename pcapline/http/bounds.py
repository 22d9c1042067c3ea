"""How much those who ask may take of a process."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The defaults are for machines that scrape and a few people who look."""

    # At once. One more ends the one that has waited longest without a whole request; where there is none, itself.
    connections: int = 128
    # Requests whose answer has not gone out. A scrape is answered in milliseconds: whoever comes to more is told to come again.
    in_flight: int = 32
    # Metrics pages that are put together at a time, a megabyte each; others wait.
    pages: int = 4
    # Passwords that wait to be computed, 100 ms each.
    passwords_waiting: int = 16
    # A request is there within so long of the connection, or of its own beginning; TLS is agreed on within it too.
    request_s: float = 10.0
    # Behind an answer a connection may lie idle for so long: longer than scrapes are apart, or each would cost a handshake.
    idle_s: int = 75
    # An answer of which nothing is read for so long is not read.
    answer_s: float = 20.0
    # Of a request.
    body_bytes: int = 1 << 20
    # Written at a time: whoever reads slowly holds up no more memory than a few of these.
    piece_bytes: int = 1 << 16
