"""What a flow is counted for, and what joins its rows: the endpoint and the flow id. Pure functions of a flow."""

from hashlib import blake2b
from struct import Struct

from loader.decode.columns import FlowColumns
from schema.addresses import address_text
from schema.records import RESERVED_ENDPOINTS

_FLOW_KEY = Struct("<HHBqQ")
_ESCAPED_UNDERSCORE = "\\095"


def endpoint_of(hostname: str | None, address: bytes) -> str:
    """What a flow is counted for: its destination's name, else its address."""
    if hostname is None:
        return address_text(address)
    # a name from the wire that reads like a word of our own
    return _ESCAPED_UNDERSCORE + hostname[1:] if hostname in RESERVED_ENDPOINTS else hostname


def flow_ids(sensor: str, flows: FlowColumns) -> list[bytes]:
    """One id a chain of rows: BLAKE2b-128 of sensor, tunnel, 5-tuple and the time of the chain's first packet. The two ends are
    put in order first, so that a chain keeps its id whichever end is called its source."""
    start = blake2b(sensor.encode() + b"\0", digest_size=16)
    pack = _FLOW_KEY.pack
    ids = []
    for source, destination, sport, dport, protocol, chain, tunnel in zip(
        flows.source_ip,
        flows.destination_ip,
        flows.source_port,
        flows.destination_port,
        flows.protocol,
        flows.chain_ts_ns,
        flows.tunnel,
        strict=True,
    ):
        digest = start.copy()
        if (source, sport) <= (destination, dport):
            digest.update(source + destination + pack(sport, dport, protocol, chain, tunnel))
        else:
            digest.update(destination + source + pack(dport, sport, protocol, chain, tunnel))
        ids.append(digest.digest())
    return ids
