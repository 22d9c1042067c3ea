"""The inventory: the longest prefix names an address, whatever the format; a bad line is told."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.naming.inventory import MAX_BYTES, Fault, parse_inventory
from loader.naming.listed import Inventory

TOML = b"""# ours
"192.0.2.0/24" = "Office.example"
"192.0.2.7" = "printer.office.example."
"2001:db8::/32" = "lab.example"
"""
CSV = b"""address,name,owner
192.0.2.0/24,Office.example,facilities
# a comment
192.0.2.7, printer.office.example.
"2001:db8::/32","lab.example"
"""
HOSTS = b"""192.0.2.0/24 Office.example   # ours
192.0.2.7\tprinter.office.example. lp lp0

2001:db8::/32 lab.example
192.0.2.7 second.example
"""
FORMATS = {"names.toml": TOML, "names.csv": CSV, "hosts": HOSTS, "toml-without-ending": TOML, "csv-without-ending": CSV}


def packed(text: str) -> bytes:
    return ip_address(text).packed


def good(content: bytes, file_name: str = "") -> Inventory:
    parsed = parse_inventory(content, file_name)
    assert isinstance(parsed, Inventory), parsed
    return parsed


def bad(content: bytes, file_name: str = "") -> list[Fault]:
    parsed = parse_inventory(content, file_name)
    assert not isinstance(parsed, Inventory)
    return parsed


@pytest.mark.parametrize("file_name", FORMATS)
def test_three_formats_say_the_same(file_name: str) -> None:
    inventory = good(FORMATS[file_name], file_name)
    assert inventory.name_of(packed("192.0.2.7")) == "printer.office.example"
    assert inventory.name_of(packed("192.0.2.8")) == "office.example"
    assert inventory.name_of(packed("2001:db8:1::1")) == "lab.example"
    assert inventory.name_of(packed("198.51.100.1")) is None
    assert inventory.digest == good(TOML, "a.toml").digest


def test_an_ipv4_mapped_address_is_the_ipv4_address() -> None:
    inventory = good(b"::ffff:192.0.2.0/120 net.example\n::ffff:192.0.2.1 one.example\n::/0 six.example")
    assert inventory.name_of(packed("192.0.2.1")) == inventory.name_of(packed("::ffff:192.0.2.1")) == "one.example"
    assert inventory.name_of(packed("192.0.2.9")) == "net.example"
    assert inventory.name_of(packed("192.0.3.9")) is None
    assert inventory.name_of(packed("::1")) == "six.example"
    assert inventory.digest == good(b"192.0.2.1 one.example\n::/0 six.example\n192.0.2.0/24 net.example").digest


networks = st.one_of(st.ip_addresses(v=4).map(lambda a: (a, 32)), st.ip_addresses(v=6).map(lambda a: (a, 128))).flatmap(
    lambda pair: st.integers(0, pair[1]).map(lambda bits: ip_network((pair[0], bits), strict=False))
)
names = st.from_regex(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63}){0,2}", fullmatch=True)
tables = st.dictionaries(networks, names, max_size=12)


def _mapped(address: str) -> bool:
    return packed(address).startswith(bytes(10) + b"\xff\xff") and ":" in address


@given(tables, st.ip_addresses(), st.data())
def test_the_longest_prefix_that_holds_an_address_names_it(table: dict, other: object, data: st.DataObject) -> None:
    inside = [network[data.draw(st.integers(0, network.num_addresses - 1))] for network in table]
    inventory = good("".join(f"{network} {name}\n" for network, name in table.items()).encode())
    for address in (address for address in (other, *inside) if not _mapped(str(address))):
        holds = [network for network in table if network.version == address.version and address in network]
        longest = max(holds, key=lambda network: network.prefixlen, default=None)
        assert inventory.name_of(address.packed) == (table[longest].lower() if longest is not None else None)


@given(tables, st.randoms(use_true_random=False))
def test_the_order_and_the_format_of_the_lines_change_nothing(table: dict, random: object) -> None:
    entries = list(table.items())
    shuffled = random.sample(entries, len(entries))
    hosts = good("".join(f"{network} {name}\n" for network, name in entries).encode(), "hosts")
    toml = good("".join(f'"{network}" = "{name}"\n' for network, name in shuffled).encode(), "x.toml")
    csv = good("".join(f"{network},{name}\r\n" for network, name in shuffled).encode(), "x.csv")
    assert hosts == toml == csv
    assert (hosts.digest == "") == (not table)


@given(st.binary(max_size=300), st.sampled_from(["x.toml", "x.csv", "hosts"]))
def test_any_bytes_are_an_inventory_or_faults_with_their_lines(content: bytes, file_name: str) -> None:
    parsed = parse_inventory(content, file_name)
    if not isinstance(parsed, Inventory):
        assert parsed
        assert all(0 <= fault.line <= content.count(b"\n") + content.count(b"\r") + 1 and fault.what for fault in parsed)


@pytest.mark.parametrize(
    ("file_name", "content", "lines"),
    [
        ("hosts", b"192.0.2.1 a.example\n192.0.2.999 b.example\n192.0.2.3\n192.0.2.4 -!-\n", [2, 3, 4]),
        ("hosts", b"192.0.2.1/24 a.example\nfe80::1%lo0 b.example\n192.0.2.3 b\xc3\xbcro\n", [1, 2, 3]),
        ("hosts", b"192.0.2.1 " + b"x" * 64 + b"\n192.0.2.2 " + b".".join([b"x" * 63] * 4), [1, 2]),
        ("hosts", b"192.0.2.1 a.example\n\xff\xfe b\n", [2]),
        ("names.csv", b"address,name\n192.0.2.1,a.example\n192.0.2.1,b.example\n", [3]),
        ("names.csv", b'192.0.2.1,a.example\n192.0.2.2,"b.example\n', [2]),
        ("names.csv", b"192.0.2.1\n", [1]),
        ("names.toml", b'"192.0.2.1" = "a.example"\n"192.0.2.2" = 7\n\'192.0.2.3\' = ""\n', [2, 3]),
        ("names.toml", b'"192.0.2.1" = "a.example"\n192.0.2.2 = "b.example"\n', [2]),
        ("names.toml", b'"192.0.2.1" = "a.example"\n[table]\n"192.0.2.2" = "b.example"\n', [2]),
        ("names.toml", b'"192.0.2.1" = "a.example"\n192.0.2.2 = = "b.example"\n', [2]),
    ],
)
def test_bad_lines_are_told_by_number(file_name: str, content: bytes, lines: list[int]) -> None:
    assert [fault.line for fault in bad(content, file_name)] == lines


def test_a_file_beyond_the_bound_is_refused_whole() -> None:
    assert [fault.line for fault in bad(b"#" * (MAX_BYTES + 1))] == [0]
