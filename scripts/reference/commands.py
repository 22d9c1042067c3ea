"""commands.md, from the parsers themselves: every command, what it is for, each of its arguments and flags."""

from argparse import Action, ArgumentParser, BooleanOptionalAction, _HelpAction, _SubParsersAction
from collections.abc import Iterator

from pcapline.cli import COMMANDS, command_parser
from scripts.reference.markdown import row

INTRODUCTION = """# Commands

`pcapline COMMAND --help` says the same. Flags may stand before, between and behind arguments; `--` ends them. Defaults of
most flags are [settings](settings.md): a flag beats the environment, which beats the file. What a command ends with:
[exit codes](exit-codes.md).

`pcapline --version` tells the version; `pcapline --print-completion bash` (or `zsh`) prints what makes the shell complete
commands and flags.
"""


def page() -> str:
    """The whole page."""
    return INTRODUCTION + "".join(_command(name) for name in COMMANDS)


def _command(name: str) -> str:
    parser = command_parser(name)
    about, _, examples = (parser.description or "").strip().partition("\n\n")
    # sh, not console: what their files and hosts are is not said here
    shown = f"\n```sh\n{examples}\n```\n" if examples else ""
    return f"\n## {name}\n\n{about}\n{shown}{_arguments(parser)}"


def _arguments(parser: ArgumentParser) -> str:
    lines = [_line(action) for action in _actions(parser)]
    table = "\n| argument | |\n|---|---|\n" + "".join(lines) if lines else ""
    return table + "".join(f"\n### {child.prog.removeprefix('pcapline ')}\n{_arguments(child)}" for child in _children(parser))


def _actions(parser: ArgumentParser) -> Iterator[Action]:
    """argparse has no public list of what a parser takes."""
    return (action for action in parser._actions if not isinstance(action, _HelpAction | _SubParsersAction))


def _children(parser: ArgumentParser) -> Iterator[ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            yield from action.choices.values()


def _line(action: Action) -> str:
    named = [f"`{text}`" for text in _spelled(action)]
    about = (action.help or "") % {"default": action.default}
    return row(", ".join(named), about)


def _spelled(action: Action) -> list[str]:
    value = _value(action)
    if not action.option_strings:
        return [f"[{value}]" if action.nargs in ("?", "*") else value]
    if action.nargs == 0 or isinstance(action, BooleanOptionalAction):
        return list(action.option_strings)
    return [f"{option} {value}" for option in action.option_strings]


def _value(action: Action) -> str:
    if action.choices is not None:
        return "|".join(map(str, action.choices))
    return str(action.metavar or action.dest) + ("..." if action.nargs in ("+", "*") else "")
