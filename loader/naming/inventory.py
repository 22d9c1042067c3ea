"""The operator's own names for addresses: a file of addresses or networks and what each is called. The longest prefix wins.

Three formats, told apart by the file's ending (`.toml`, `.csv`), else by its first line that says anything:

    "192.0.2.0/24" = "office.example"     TOML: one key an address or network
    192.0.2.7,printer.office.example      CSV: address or network, name; further columns are the operator's own
    192.0.2.7  printer.office.example     hosts(5): the first name is the host's own, an address's first line counts

A name is a host name (RFC 1123 2.1; underscores too, RFC 2782) and is kept in lower case. A file with one bad line names
nothing: its bad lines are told by number.
"""

import csv
import re
import tomllib
from collections.abc import Callable, Iterator
from io import StringIO
from ipaddress import IPv6Network, ip_network
from typing import NamedTuple

from loader.naming.listed import MAPPED, Inventory, Prefix

MAX_BYTES = 16 << 20
MAX_ENTRIES = 262_144
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\Z")
_TOML_LINE = re.compile(r"line (\d+)")


class Fault(NamedTuple):
    """What is wrong with one line, counted from 1; 0: with the whole file."""

    line: int
    what: str


class _Entry(NamedTuple):
    line: int
    network: str
    name: str


class _BadLineError(ValueError):
    """This line says nothing that can be used."""


def parse_inventory(content: bytes, file_name: str = "") -> Inventory | list[Fault]:
    """What a file says, or all that is wrong with it. `file_name`: its ending tells the format."""
    if len(content) > MAX_BYTES:
        return [Fault(0, f"{len(content)} bytes; at most {MAX_BYTES} are read")]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return [Fault(content.count(b"\n", 0, error.start) + 1, "not UTF-8")]
    read = _format_of(text, file_name)
    try:
        entries = list(read(text))
    except _UnreadableError as error:
        return [error.fault]
    if len(entries) > MAX_ENTRIES:
        return [Fault(entries[MAX_ENTRIES].line, f"one entry more than {MAX_ENTRIES}")]
    return _collected(entries, first_stands=read is _hosts)


def _collected(entries: list[_Entry], *, first_stands: bool) -> Inventory | list[Fault]:
    names: dict[Prefix, str] = {}
    lines: dict[Prefix, int] = {}
    faults: list[Fault] = []
    for line, network, name in entries:
        try:
            prefix, valid = _prefix(network), _valid_name(name)
        except _BadLineError as error:
            faults.append(Fault(line, str(error)))
            continue
        if names.setdefault(prefix, valid) != valid and not first_stands:
            faults.append(Fault(line, f"{network} is {names[prefix]} in line {lines[prefix]} already"))
        lines.setdefault(prefix, line)
    return faults or Inventory(names)


class _UnreadableError(ValueError):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.what)
        self.fault = fault


def _format_of(text: str, file_name: str) -> "Callable[[str], Iterator[_Entry]]":
    for ending, read in ((".toml", _toml), (".csv", _csv)):
        if file_name.lower().endswith(ending):
            return read
    first = next((line for line in map(_without_comment, text.split("\n")) if line), "")
    return _toml if "=" in first else _csv if "," in first else _hosts


def _toml(text: str) -> Iterator[_Entry]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _TOML_LINE.search(str(error))
        raise _UnreadableError(Fault(int(found[1]) if found else text.count("\n") + 1, f"not TOML: {error}")) from error
    lines = text.split("\n")
    for key, value in document.items():
        nested = isinstance(value, dict)  # a table, or a key with dots in it and no quotes around it
        begins = (f"{key}.", f"[{key}") if nested else (f'"{key}"', f"'{key}'", key)
        line = next((n for n, said in enumerate(lines, 1) if said.lstrip().startswith(begins)), 0)
        if nested:
            raise _UnreadableError(Fault(line, 'each line is "ADDRESS" = "NAME", with both in quotes'))
        yield _Entry(line, key, value if isinstance(value, str) else "")


def _csv(text: str) -> Iterator[_Entry]:
    rows = csv.reader(StringIO(text, newline=""), strict=True, skipinitialspace=True)
    first = True
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if not any(cells) or cells[0].startswith("#"):
                continue
            if not first or any(letter.isdigit() or letter == ":" for letter in cells[0]):  # else it names the columns
                yield _Entry(rows.line_num, cells[0], cells[1] if len(cells) > 1 else "")
            first = False
    except csv.Error as error:
        raise _UnreadableError(Fault(rows.line_num, f"not CSV: {error}")) from error


def _hosts(text: str) -> Iterator[_Entry]:
    for number, line in enumerate(map(_without_comment, text.split("\n")), 1):
        if line:
            network, *names = line.split()
            yield _Entry(number, network, names[0] if names else "")


def _without_comment(line: str) -> str:
    return line.partition("#")[0].strip()


def _prefix(text: str) -> Prefix:
    if "%" in text:
        raise _BadLineError(f"{text!r} names an interface, which no packet does")
    try:
        network = ip_network(text)
    except ValueError as error:
        raise _BadLineError(_what_is_no_network(text)) from error
    packed, bits = network.network_address.packed, network.prefixlen
    if isinstance(network, IPv6Network) and bits >= 96 and packed.startswith(MAPPED):
        return Prefix(packed[12:], bits - 96)
    return Prefix(packed, bits)


def _what_is_no_network(text: str) -> str:
    try:
        return f"{text!r} has bits set behind its prefix; {ip_network(text, strict=False)} has none"
    except ValueError:
        return f"{text!r} is neither an address nor a network"


def _valid_name(text: str) -> str:
    name = text.lower().removesuffix(".")
    if not _NAME.match(name):
        hint = "" if text.isascii() else "; letters beyond ASCII are written as DNS has them (xn--...)"
        raise _BadLineError(f"{text!r} is no host name{hint}" if text else "a name is missing")
    return name
