"""Whether the kernels run as compiled C or as Python."""

from types import ModuleType

from loader.decode import clock, dns, dnssegments, evidence, flows, fragments, headers, openflows, pcap, pcapng, queries
from loader.naming import told

_KERNELS: tuple[ModuleType, ...] = (
    clock,
    dns,
    dnssegments,
    evidence,
    flows,
    fragments,
    headers,
    openflows,
    pcap,
    pcapng,
    queries,
    told,
)


def kernels_compiled() -> bool:
    """True if every kernel is a compiled extension: otherwise loading is right but some hundred times slower."""
    return all((kernel.__file__ or "").endswith((".so", ".pyd")) for kernel in _KERNELS)
