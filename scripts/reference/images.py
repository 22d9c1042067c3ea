"""images.md, from the Dockerfile, the locks and the compose file: what each container's image holds."""

import re
from pathlib import Path

from scripts.reference.markdown import row

_ROOT = Path(__file__).resolve().parents[2]
INTRODUCTION = """# Images

What the containers of the stack are made of. pcapline's two images are built on the machine that runs them, from a base that
is the user's choice (`PCAPLINE_BASE`; Debian's slim image of Python by default) and from packages that are locked by hash.
Compilers and headers stay behind in the stage that builds. No file is setuid or setgid, and one has a capability: the
sensor's tcpdump.

Are there known vulnerabilities in what is locked? pip-audit asks PyPI:

<!-- needs: internet -->
```console
$ pipx run pip-audit --disable-pip --require-hashes -r requirements/stack.lock
$ pipx run pip-audit --disable-pip --require-hashes -r requirements/sensor.lock
```
"""


def page() -> str:
    """The whole page."""
    return "\n".join((INTRODUCTION, _others(), _own("sensor", "sensor"), _own("app", "stack")))


def _others() -> str:
    images = sorted(set(re.findall(r"image: (\S+)", (_ROOT / "compose" / "compose.yaml").read_text())))
    fetched = [image for image in images if not image.startswith("pcapline")]
    return "## As others make them\n\n" + "".join(f"* `{image}`\n" for image in fetched)


def _own(target: str, lock: str) -> str:
    """An image that is built here: Debian's packages beside the base, and Python's."""
    dockerfile = (_ROOT / "compose" / "Dockerfile").read_text()
    stage = re.split(r"^FROM ", dockerfile, flags=re.MULTILINE)
    text = next(part for part in stage if part.partition("\n")[0].endswith(f" AS {target}"))
    added = {
        word for line in re.findall(r"apt-get install (.+?) \\", text) for word in line.split() if not word.startswith("-")
    }
    purged = {word for line in re.findall(r"apt-get purge (.+?) \\", text) for word in line.split() if not word.startswith("-")}
    debian = ", ".join(f"`{name}`" for name in sorted(added - purged)) or "none"
    pins = re.findall(r"^([\w.-]+)==(\S+)", (_ROOT / "requirements" / f"{lock}.lock").read_text(), re.MULTILINE)
    table = "".join(row(f"`{name}`", version) for name, version in sorted(pins))
    head = "| Python package | version |\n|---|---|\n| `pcapline` | |\n"
    return f"## {target}\n\nDebian packages beside the base: {debian}.\n\n{head}{table}"
