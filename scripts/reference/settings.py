"""settings.md, from the settings classes: every key, its default, its variable, the comment beside it."""

import inspect
import json
import re
from dataclasses import fields
from typing import Any

from pcapline.options import sections
from schema.settings import variable_of
from scripts.reference.markdown import row

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
    return INTRODUCTION + "".join(_section(name, kind) for name, kind in sections().items())


def _section(name: str, kind: type[Any]) -> str:
    comments = dict(re.findall(r"^    (\w+): [^#\n]*?(?:  # (.*))?$", inspect.getsource(kind), re.MULTILINE))
    lines = []
    for field in fields(kind):
        key = f"{name}.{field.name}"
        lines.append(row(f"`{key}`", f"`{json.dumps(field.default)}`", f"`{variable_of(key)}`", comments[field.name]))
    return f"\n## {name}\n\n| key | default | variable | |\n|---|---|---|---|\n{''.join(lines)}"
