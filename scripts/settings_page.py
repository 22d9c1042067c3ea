"""Writes docs/reference/settings.md from the settings classes: every key, its default, its variable, the comment beside it.

Run it after a change of any settings: .venv/bin/python scripts/settings_page.py
"""

import inspect
import json
import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "settings.md"
INTRODUCTION = """# Settings

One TOML file: `--config FILE` or `PCAPLINE_CONFIG`, else `pcapline.toml` in the working directory, else in
`~/.config/pcapline/`, else in `/etc/pcapline/`. A flag beats the environment, the environment beats the file, the file beats
the default. Unknown keys and unknown `PCAPLINE_` variables are refused, and the nearest known one is named. `watch`,
`capture` and `exporter` take `--check` and `--dump`; a dump is a settings file, with the origin of each value beside it.
Lists are written with commas in a variable. A file named in a settings file by a relative path is looked for beside that
settings file.

`PCAPLINE_STORE` is short for `PCAPLINE_STORE__URL`. Passwords stand in a file of their own, which `store.password_file` names.
"""


def page() -> str:
    """The whole page."""
    sys.path.insert(0, str(ROOT))
    from pcapline.options import sections

    return INTRODUCTION + "".join(_section(name, kind) for name, kind in sections().items())


def _section(name: str, kind: type[Any]) -> str:
    from schema.settings import variable_of

    comments = dict(re.findall(r"^    (\w+): [^#\n]*?(?:  # (.*))?$", inspect.getsource(kind), re.MULTILINE))
    lines = [f"\n## {name}\n", "| key | default | variable | |", "|---|---|---|---|"]
    for field in fields(kind):
        key, default = f"{name}.{field.name}", json.dumps(field.default)
        comment = comments[field.name].replace("|", "\\|")
        lines.append(f"| `{key}` | `{default}` | `{variable_of(key)}` | {comment} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
