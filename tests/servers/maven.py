"""The jars that a server is made of, fetched once from Maven Central."""

import os
import shutil
import subprocess
from pathlib import Path

_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"


def cache() -> Path:
    """Where servers are kept from one test session to the next."""
    return Path(os.environ.get("PCAPLINE_CACHE", Path.home() / ".cache" / "pcapline"))


def fetched_jars(pom: Path, name: str) -> Path:
    """The folder with all that a project file names; `name` has the version in it."""
    jars = cache() / name
    if not jars.exists():
        jars.parent.mkdir(parents=True, exist_ok=True)
        partial = jars.with_name(f"{jars.name}.{os.getpid()}")
        arguments = ["-q", "-B", "-f", str(pom), _COPY, "-DincludeScope=runtime", f"-DoutputDirectory={partial}"]
        subprocess.run(["mvn", *arguments], check=True)
        try:
            partial.rename(jars)
        except OSError:  # another session was faster
            shutil.rmtree(partial)
    return jars
