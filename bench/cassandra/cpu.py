"""CPU time of a node, and what of it its compiler had: a node whose compiler still works is not warm."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_COMPILERS = ("C1 ", "C2 ")  # threads of the JVM; they are never ended early: see the node's options
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class NodeCpu:
    """Seconds so far, or between two moments."""

    whole_s: float
    compiler_s: float

    def __sub__(self, before: "NodeCpu") -> "NodeCpu":
        return NodeCpu(self.whole_s - before.whole_s, self.compiler_s - before.compiler_s)


def node_cpu(pid: int) -> NodeCpu:
    """What the process has used so far."""
    process = Path("/proc", str(pid))
    compiler_s = 0.0
    for thread in (process / "task").iterdir():
        with suppress(FileNotFoundError):  # it has ended
            name, used_s = _used(thread)
            compiler_s += used_s if name.startswith(_COMPILERS) else 0.0
    return NodeCpu(_used(process)[1], compiler_s)


def _used(task: Path) -> tuple[str, float]:
    """Name and seconds, user and system."""
    name, _, rest = (task / "stat").read_text().partition("(")[2].rpartition(")")
    user, system = rest.split()[11:13]
    return name, (int(user) + int(system)) / _TICKS
