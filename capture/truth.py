"""Ground truth: which rows must come out of made-up traffic, told by whoever made it.

It counts emissions and knows nothing of how captures are decoded. A flow has a row in every capture that holds packets of
it; its name is what its client had been told for its destination before the flow's first packet.
"""

import ipaddress
from dataclasses import asdict, dataclass, field
from typing import Any

from capture.emission import Emission, Flow, Lesson

_NS = 1_000_000_000
_FORGET_EVERY = 4_096  # flows begun between two looks at which flows are long over
_GRACE_NS = 60 * _NS  # what the loader's `name_grace_s` is by itself
_OVER_NS = 600 * _NS  # no made-up conversation is as long


@dataclass(slots=True, kw_only=True)
class FlowTruth:
    """One row of `flows`. Addresses as text, times in Unix ns; `frame` counts from 1 in its capture."""

    source_ip: str
    destination_ip: str
    source_port: int
    destination_port: int
    protocol: int
    frame: int
    first_ts_ns: int
    last_ts_ns: int
    chain_ts_ns: int  # of the first packet of the flow, in whatever capture
    hostname: str | None
    endpoint: str
    packets: int = 0
    bytes: int = 0
    packets_rev: int = 0
    bytes_rev: int = 0


@dataclass(slots=True, kw_only=True)
class DnsTruth:
    """One row of `dns_answers`: a record of a response, or (`rr_index` -1) a response without records."""

    frame: int
    ts_ns: int
    client_ip: str
    client_port: int
    resolver_ip: str
    txid: int
    rcode: int
    qname: str
    qtype: int
    rr_index: int
    section: str | None = None
    rr_name: str | None = None
    rr_type: str | None = None
    rr_ttl: int | None = None
    address: str | None = None
    rdata: str | None = None


@dataclass(slots=True, kw_only=True)
class EndpointTruth:
    """What is counted for one endpoint. `flows`: distinct rows."""

    flows: int = 0
    packets: int = 0
    bytes: int = 0
    packets_rev: int = 0
    bytes_rev: int = 0

    def add(self, row: "FlowTruth | EndpointTruth") -> None:
        """Count a flow row, or what another capture counted."""
        self.flows += row.flows if isinstance(row, EndpointTruth) else 1
        self.packets += row.packets
        self.bytes += row.bytes
        self.packets_rev += row.packets_rev
        self.bytes_rev += row.bytes_rev


@dataclass(slots=True, kw_only=True)
class CaptureTruth:
    """What must come out of one capture: packets = flow_packets + sum(non_flow)."""

    file: str = ""
    packets: int = 0
    flow_packets: int = 0
    non_flow: dict[str, int] = field(default_factory=dict)
    flows: list[FlowTruth] = field(default_factory=list)
    dns: list[DnsTruth] = field(default_factory=list)

    def lines(self) -> list[dict[str, Any]]:
        """As objects of a JSON lines file: the capture, then its rows."""
        head = {
            "record": "capture", "file": self.file, "packets": self.packets, "flow_packets": self.flow_packets,
            "non_flow": self.non_flow, "rows": {"flows": len(self.flows), "dns_answers": len(self.dns)},
        }  # fmt: skip
        flows = [{"record": "flow", "file": self.file, **asdict(row)} for row in self.flows]
        return [head, *flows, *({"record": "dns", "file": self.file, **asdict(row)} for row in self.dns)]


@dataclass(slots=True, kw_only=True)
class GroundTruth:
    """Sums over captures; the captures themselves where they were kept."""

    packets: int = 0
    flow_packets: int = 0
    non_flow: dict[str, int] = field(default_factory=dict)
    flow_rows: int = 0
    dns_rows: int = 0
    endpoints: dict[str, EndpointTruth] = field(default_factory=dict)
    captures: list[CaptureTruth] = field(default_factory=list)

    def add(self, capture: CaptureTruth) -> None:
        """Count one capture (it is not kept)."""
        self.packets += capture.packets
        self.flow_packets += capture.flow_packets
        self.flow_rows += len(capture.flows)
        self.dns_rows += len(capture.dns)
        for reason, packets in capture.non_flow.items():
            self.non_flow[reason] = self.non_flow.get(reason, 0) + packets
        for row in capture.flows:
            self.endpoints.setdefault(row.endpoint, EndpointTruth()).add(row)

    def line(self) -> dict[str, Any]:
        """The last line of a ground truth file."""
        return {
            "record": "total", "packets": self.packets, "flow_packets": self.flow_packets, "non_flow": self.non_flow,
            "rows": {"flows": self.flow_rows, "dns_answers": self.dns_rows},
            "endpoints": {name: asdict(self.endpoints[name]) for name in sorted(self.endpoints)},
        }  # fmt: skip


class Witness:
    """Watches emissions go by, capture after capture, and states what must come of each."""

    def __init__(self) -> None:
        self._told: dict[tuple[bytes, bytes], list[tuple[int, int, str]]] = {}  # (from, until, name), in order of time
        self._names: dict[Flow, tuple[int, str | None]] = {}  # first packet and name of flows that may go on
        self._rows: dict[Flow, FlowTruth] = {}
        self._capture = CaptureTruth()

    def see(self, emission: Emission) -> None:
        """The next packet of the capture that is being written."""
        capture = self._capture
        capture.packets += 1
        if emission.flow is None:
            reason = emission.reason or ""
            capture.non_flow[reason] = capture.non_flow.get(reason, 0) + 1
            return
        capture.flow_packets += 1
        row = self._rows.get(emission.flow) or self._begin(emission.flow, emission.ts_ns)
        row.last_ts_ns = emission.ts_ns
        if emission.forward:
            row.packets += 1
            row.bytes += emission.ip_length
        else:
            row.packets_rev += 1
            row.bytes_rev += emission.ip_length
        if emission.lesson is not None:
            self._learn(emission.lesson, emission.ts_ns)

    def close(self, file: str) -> CaptureTruth:
        """The capture ends here: what must come of it. The next emission begins the next capture."""
        capture, self._capture, self._rows = self._capture, CaptureTruth(), {}
        capture.file = file
        return capture

    def _begin(self, flow: Flow, ts_ns: int) -> FlowTruth:
        if flow not in self._names:
            self._forget(ts_ns)
            self._names[flow] = (ts_ns, self._name_of(flow, ts_ns))
        chain_ts_ns, name = self._names[flow]
        destination = _text(flow.destination)
        row = FlowTruth(
            source_ip=_text(flow.source), destination_ip=destination, source_port=flow.source_port,
            destination_port=flow.destination_port, protocol=flow.protocol, frame=self._capture.packets,
            first_ts_ns=ts_ns, last_ts_ns=ts_ns, chain_ts_ns=chain_ts_ns, hostname=name, endpoint=name or destination,
        )  # fmt: skip
        self._rows[flow] = row
        self._capture.flows.append(row)
        return row

    def _forget(self, now_ns: int) -> None:
        if len(self._names) % _FORGET_EVERY == _FORGET_EVERY - 1:
            self._names = {flow: known for flow, known in self._names.items() if known[0] > now_ns - _OVER_NS}

    def _name_of(self, flow: Flow, ts_ns: int) -> str | None:
        """What was told last and still holds (its time to live, and a minute), else what was told last."""
        told = self._told.get((flow.source, flow.destination), [])
        valid = [name for _, until, name in told if ts_ns <= until + _GRACE_NS]
        return valid[-1] if valid else told[-1][2] if told else None

    def _learn(self, lesson: Lesson, ts_ns: int) -> None:
        response = lesson.response
        for answer in response.answers:
            if answer.address is not None:
                told = self._told.setdefault((lesson.client, answer.address), [])
                name = response.qname.lower()
                told[:] = [older for older in told if older[2] != name]
                told.append((ts_ns, ts_ns + answer.ttl * _NS, name))
        self._capture.dns.extend(_dns_rows(lesson, self._capture.packets, ts_ns))


def _dns_rows(lesson: Lesson, frame: int, ts_ns: int) -> list[DnsTruth]:
    response = lesson.response
    asked: dict[str, Any] = {
        "frame": frame, "ts_ns": ts_ns, "client_ip": _text(lesson.client), "client_port": lesson.client_port,
        "resolver_ip": _text(lesson.resolver), "txid": lesson.transaction_id, "rcode": response.rcode,
        "qname": response.qname.lower(), "qtype": int(response.qtype),
    }  # fmt: skip
    records = [("answer", answer) for answer in response.answers] + [("authority", soa) for soa in response.authority]
    rows = [
        DnsTruth(
            **asked, rr_index=index, section=section, rr_name=answer.owner.lower(), rr_type=answer.type.name,
            rr_ttl=answer.ttl, address=None if answer.address is None else _text(answer.address), rdata=answer.target,
        )
        for index, (section, answer) in enumerate(records)
    ]  # fmt: skip
    return rows or [DnsTruth(**asked, rr_index=-1)]


def _text(address: bytes) -> str:
    return str(ipaddress.ip_address(address))
