"""Compiles the kernels of the loader and of the stores where that is possible; all metadata is in pyproject.toml.

PCAPLINE_KERNELS=checked compiles them with bounds checks, PCAPLINE_KERNELS=off leaves them as Python.
"""

import os
import runpy
from pathlib import Path

from setuptools import Extension, setup  # type: ignore[import-untyped]

_DECODE = ("pcap", "pcapng", "headers", "clock", "fragments", "evidence", "flows", "openflows", "dns", "dnssegments", "queries")
KERNELS = (*(f"loader.decode.{name}" for name in _DECODE), "loader.naming.told", "schema.store.cassandra.rowbytes")
MODE = os.environ.get("PCAPLINE_KERNELS", "release")
AT_ONCE = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1  # kernels
OPTIMISE = "-O1" if MODE == "checked" else "-O3"  # checked kernels are for tests, which wait for the compiler


def declare_constants(source: Path) -> None:
    """Write the whole numbers of a module beside it, as Cython declares constants: C then sees numbers, not variables."""
    constants = {name: value for name, value in runpy.run_path(str(source)).items() if name.isupper() and type(value) is int}
    # an enum each, so that one that needs 64 bits does not widen the others
    lines = [f"cdef enum:\n    {name} = {value:#x}\n" for name, value in constants.items()]
    declared, text = source.with_suffix(".pxd"), "".join(lines)
    if not declared.exists() or declared.read_text() != text:
        declared.write_text(text)


def extensions() -> list[Extension]:
    """One optional extension a kernel; none where they are not wanted, or Cython is absent."""
    if MODE == "off":
        return []
    try:
        from Cython.Build import cythonize
    except ModuleNotFoundError:
        return []
    for name in ("layers", "layout", "reasons"):
        declare_constants(Path(f"loader/decode/{name}.py"))
    checked = MODE == "checked"
    directives = {
        "language_level": 3,
        "boundscheck": checked,
        "wraparound": False,
        "initializedcheck": checked,
        "cdivision": True,
        "legacy_implicit_noexcept": not checked,  # without checks nothing in a kernel can raise
    }
    modules = [
        Extension(name, [f"{name.replace('.', '/')}.py"], extra_compile_args=[OPTIMISE], optional=True) for name in KERNELS
    ]
    build = str(Path("build") / f"kernels-{MODE}")
    return cythonize(  # type: ignore[no-any-return, no-untyped-call]
        modules, nthreads=AT_ONCE if AT_ONCE > 1 else 0, compiler_directives=directives, build_dir=build, quiet=True
    )


if __name__ == "__main__":  # and not once more in each process that translates a kernel
    setup(ext_modules=extensions(), options={"build_ext": {"parallel": AT_ONCE}})
