"""A flow row's lineage, as an object and as lines for people."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pcapline.output import FLOW_FIELDS, table_lines
from pcapline.text import count_text, printable
from pcapline.values import time_text
from schema.addresses import address_text
from schema.records import CaptureRecord
from schema.tables import FLOWS

if TYPE_CHECKING:
    from loader.review.flowframes import FlowFrames
    from loader.review.lineage import Answer, Lineage

Object = dict[str, Any]
_NS = 1_000_000_000
_RANGES_SHOWN = 12
_SAID = {
    "sni": "the server name of its TLS hello",
    "quic": "the server name of its QUIC hello",
    "http": "the Host of its request",
}


def lineage_object(lineage: "Lineage", file: str | None, frames: "FlowFrames | None") -> Object:
    """`file` and `frames`: the capture that was looked into, and the row's packets in it."""
    from schema.objects import stored_flow_objects

    (flow,) = stored_flow_objects([tuple(lineage.row[name] for name in FLOWS.names)])
    answer, without = lineage.answer, lineage.without
    return {
        "record": "lineage",
        "row": flow["row"],
        "flow": flow,
        "capture": _capture(lineage.capture),
        "chain_start_ns": lineage.start_ns,
        "answer": _answer(answer),
        "repaired": lineage.repaired,
        "contradicted_by": list(lineage.contradicted_by),
        "without": {
            "hostname": without.hostname,
            "name_evidence": without.evidence,
            "answer": _answer(lineage.without_answer),
        },
        "file": file,
        "frames": None if frames is None else frames.frames,
        "named_in": None if frames is None else frames.named_in,
    }


def _capture(record: CaptureRecord | None) -> Object | None:
    if record is None:
        return None
    facts = record.facts
    return {
        "capture_id": facts.capture_id.hex(),
        "file": facts.file_name,
        "sensor": record.sensor,
        "state": record.state,
        "reason": record.reason,
        "loaded_at_ms": record.loaded_at_ms,
    }


def _answer(answer: "Answer | None") -> Object | None:
    if answer is None:
        return None
    fact, record = answer.fact, answer.record or {}
    return {
        "hostname": fact.hostname,
        "capture": _capture(answer.capture),
        "frame": fact.frame,
        "ts_ns": fact.valid_from_ns,
        "client_ip": address_text(fact.client_ip),
        "resolver_ip": address_text(record["resolver_ip"]) if record else None,
        "transport": record.get("transport"),
        "kind": record.get("kind"),
        "ttl": (fact.valid_to_ns - fact.valid_from_ns) // _NS,
        "asked": fact.asked,
    }


def lineage_lines(item: Object) -> Iterator[str]:
    """The object for people."""
    flow, capture = item["flow"], item["capture"]
    yield from (item["row"], *table_lines([flow], FLOW_FIELDS), "")
    state = f"{capture['state']} ({capture['reason']})" if capture["reason"] else capture["state"]
    loaded = time_text(capture["loaded_at_ms"] * 1_000_000)
    yield _line("capture", f"{printable(capture['file'])}, sensor {printable(capture['sensor'])}: {state} {loaded}")
    yield _line("frames", _frames(item))
    if flow["chain_age_ns"]:
        yield _line("chain", f"began {time_text(item['chain_start_ns'])}: in an earlier row")
    yield _line("name", _name(item))
    if item["answer"]:
        yield _line("answer", _answer_text(item["answer"], item["chain_start_ns"]))
    if item["repaired"]:
        by = _by(item["answer"])
        yield _line("repaired", f"named{by} after it was counted for {printable(flow['endpoint'])}, which stays")
    if flow["name_conflict"]:
        yield _line(
            "conflict", f"DNS had told its client {', '.join(map(printable, item['contradicted_by'])) or 'another name'}"
        )
    if flow["name_evidence"] != "none":
        yield _line("without", _without(item["without"], item["chain_start_ns"]))


def _by(answer: Object | None) -> str:
    capture = answer["capture"] if answer else None
    if capture is None:
        return ""
    unfinished = "" if capture["state"] == "loaded" else f" ({capture['state']}: it does not count yet)"
    return f" by {printable(capture['file'])}{unfinished}"


def _line(title: str, text: str) -> str:
    return f"{title:<10}{text}"


def _frames(item: Object) -> str:
    flow = item["flow"]
    count = count_text(flow["packets"] + flow["packets_rev"], "packet")
    if item["frames"] is None:
        return f"{flow['frame']} is the first of {count} (--file CAPTURE finds them all)"
    ranges = list(_ranges(item["frames"]))
    more = ", ..." if len(ranges) > _RANGES_SHOWN else ""
    return f"{', '.join(ranges[:_RANGES_SHOWN])}{more}: {count} of {printable(item['file'])}"


def _ranges(frames: Iterable[int]) -> Iterator[str]:
    """Rising numbers, those that follow one another as one."""
    numbers = list(frames)
    starts = [0, *(n + 1 for n, (a, b) in enumerate(pairwise(numbers)) if b != a + 1), len(numbers)]
    for start, end in pairwise(starts):
        if end > start:
            yield str(numbers[start]) if end == start + 1 else f"{numbers[start]}-{numbers[end - 1]}"


def _name(item: Object) -> str:
    flow = item["flow"]
    if flow["hostname"] is None:
        return "none: nobody said one"
    name, evidence = printable(flow["hostname"]), flow["name_evidence"]
    if evidence in _SAID:
        where = f" (frame {item['named_in']})" if item["named_in"] else ""
        return f"{name}, {_SAID[evidence]}{where}"
    if evidence == "inventory":
        return f"{name}, from the inventory file"
    return f"{name} ({evidence})" if item["answer"] else f"{name} ({evidence}); the answer that said so has expired"


def _answer_text(answer: Object, start_ns: int) -> str:
    capture = answer["capture"]
    asked = "asked for" if answer["asked"] else "its query was not seen"
    resolver = f" by {answer['resolver_ip']}" if answer["resolver_ip"] else ""
    moment = _beside(answer["ts_ns"] - start_ns)
    where = f"frame {answer['frame']} of {printable(capture['file'])}" if capture else f"frame {answer['frame']}"
    return f"{where}: {answer['client_ip']} was told{resolver} {moment}, TTL {answer['ttl']} s, {asked}"


def _beside(difference_ns: int) -> str:
    seconds = f"{abs(difference_ns) / _NS:,.3f} s"
    return f"{seconds} after the flow began" if difference_ns > 0 else f"{seconds} before the flow began"


def _without(without: Object, start_ns: int) -> str:
    if without["hostname"] is None:
        return "it would have no name"
    because = f": {_answer_text(without['answer'], start_ns)}" if without["answer"] else ""
    return f"it would be {printable(without['hostname'])} ({without['name_evidence']}){because}"
