"""Names for flows of ten million pairs of client and address: `python -m bench.naming [--pairs N] [--limit N]`.

What clients were told is made up as a store would answer, so that naming alone is measured: capture after capture of flows to
pairs that nobody asked about before, then flows of clients whose facts are held. Prints one JSON object: how many facts were
held at most and how many dropped, the memory that the process gained (its interpreter and imports aside), and lookups a second
of its own time: of the kernel, and of names with their evidence, as rows have them.
"""

import argparse
import json
import resource
import sys
import time
from array import array
from collections.abc import Callable, Collection, Iterator
from functools import partial

from loader.decode.columns import FlowColumns
from loader.naming.cache import NameCache
from loader.naming.choice import NamingRules
from loader.naming.facts import GROUPS
from loader.naming.facttable import addresses_of
from loader.naming.learned import LearnedNames
from loader.naming.names import CaptureNames, StoredNames
from loader.settings import LoaderSettings
from schema.records import NameTold

_ADDRESSES_EACH = 1_000  # of a client
_CLIENTS_A_CAPTURE = 16
_NAMES = 5_000
_NS = 1_000_000_000
_START_NS = 1_795_000_000 * _NS
_CAPTURE_ID = bytes(16)
_ROUNDS = 5


def main() -> None:
    """Measure and print."""
    given = _arguments()
    cache = NameCache(given.limit, NamingRules())
    clients = [b"\x0a" + number.to_bytes(3, "big") for number in range(given.pairs // _ADDRESSES_EACH)]
    before_kib, held, first_s = _peak_kib(), 0, 0.0
    flows = FlowColumns()
    for at in range(0, len(clients), _CLIENTS_A_CAPTURE):
        flows = _flows(clients[at : at + _CLIENTS_A_CAPTURE])
        first_s += _seconds(partial(_named, cache, flows))
        held = max(held, len(cache))
    named_s = min(_seconds(lambda: _named(cache, flows)) for _ in range(_ROUNDS))
    ends = addresses_of(flows.source_ip), addresses_of(flows.destination_ip)
    starts = array("Q", flows.chain_ts_ns)
    table = max(cache.tables, key=len)
    looked_s = min(_seconds(lambda: table.look(*ends, starts)) for _ in range(_ROUNDS))
    told = {
        "pairs": len(clients) * _ADDRESSES_EACH,
        "limit": given.limit,
        "facts_and_clients_held_at_most": held,
        "facts_dropped": cache.evicted,
        "memory_gained_mib": round((_peak_kib() - before_kib) / 1024, 1),
        "first_lookups_per_s": round(len(clients) * _ADDRESSES_EACH / first_s),
        "names_per_s": round(len(flows) / named_s),
        "kernel_lookups_per_s": round(len(flows) / looked_s),
    }
    sys.stdout.write(json.dumps(told) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.naming", description=__doc__)
    parser.add_argument(
        "--pairs", type=int, default=10_000_000, metavar="N", help="of client and address (default %(default)s)"
    )
    limit = LoaderSettings().max_name_entries
    parser.add_argument("--limit", type=int, default=limit, metavar="N", help="max_name_entries (default %(default)s)")
    return parser.parse_args()


def _flows(clients: Collection[bytes]) -> FlowColumns:
    """A flow of each client to each of its addresses."""
    ends = [(client, address) for client in clients for address in _addresses(client)]
    nobody = [None] * len(ends)
    return FlowColumns(
        source_ip=[client for client, _ in ends],
        destination_ip=[address for _, address in ends],
        frame=range(len(ends)),
        chain_ts_ns=[_START_NS + _NS] * len(ends),
        said_name=nobody,
        said_by=nobody,
    )


def _addresses(client: bytes) -> Iterator[bytes]:
    first = int.from_bytes(client[1:], "big") * 7
    return ((0x0B00_0000 + first + n).to_bytes(4, "big") for n in range(_ADDRESSES_EACH))


def _told(clients: Collection[bytes]) -> Iterator[NameTold]:
    for client in clients:
        if client in GROUPS:
            continue
        for n, address in enumerate(_addresses(client)):
            yield NameTold(
                client_ip=client,
                address=address,
                valid_from_ns=_START_NS,
                hostname=f"host-{n % _NAMES}.example",
                capture_id=_CAPTURE_ID,
                valid_to_ns=_START_NS + 300 * _NS,
                frame=n + 1,
                asked=True,
            )


def _named(cache: NameCache, flows: FlowColumns) -> None:
    """As the flows of one capture are."""
    rules = NamingRules()
    stored = StoredNames(
        cache=cache, tell=_told, tell_at=lambda _: [], tell_of=lambda _: [], is_shared=lambda _: False, most_asked=0
    )
    named = CaptureNames(LearnedNames(0, rules), rules, stored).names(flows)
    assert named[-1].evidence == "dns"


def _seconds(work: Callable[[], object]) -> float:
    """Of this process, whatever else the machine does."""
    began = time.process_time()
    work()
    return time.process_time() - began


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
