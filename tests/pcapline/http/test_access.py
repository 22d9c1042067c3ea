"""Who may do what: tokens, passwords, and nobody asked."""

import base64
import hashlib

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcapline.http.access import Access, Password, Passwords, Role, access_of_anyone, access_of_user, claimed
from pcapline.http.config import Token, WebConfig


def hashed(password: str) -> bytes:
    return bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4))


def token(name: str, *, operates: bool) -> Token:
    return Token(name=name, operates=operates, sha256=hashlib.sha256(f"{name}'s secret".encode()).digest())


CONFIG = WebConfig(
    users={"alice": hashed("wonder: land"), "bob": hashed("x" * 100)},
    operators=frozenset({"alice"}),
    tokens=(token("grafana", operates=False), token("deploy", operates=True)),
)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def access(authorization: str, config: WebConfig = CONFIG) -> Access | None:
    found = claimed(config, authorization)
    if isinstance(found, Password):
        return access_of_user(config, found.user) if Passwords().right(config, found) else None
    return found


@pytest.mark.parametrize(
    ("authorization", "wanted"),
    [
        ("Bearer grafana's secret", Access("token grafana", Role.READ)),
        ("bearer  deploy's secret", Access("token deploy", Role.OPERATE)),
        ("Bearer Grafana's secret", None),
        ("Bearer ", None),
        (basic("alice", "wonder: land"), Access("user alice", Role.OPERATE)),
        (basic("bob", "x" * 100), Access("user bob", Role.READ)),
        (basic("bob", "x" * 71), None),
        (basic("alice", "x" * 100), None),
        (basic("carol", "wonder: land"), None),
        (basic("alice", "wonder\0"), None),
        ("Basic !!!", None),
        ("Basic " + base64.b64encode(b"alice").decode(), None),
        ("Basic " + base64.b64encode(b"\xff\xfe:x").decode(), None),
        ("Digest username=alice", None),
        ("", None),
    ],
)
def test_who_asks(authorization: str, wanted: Access | None) -> None:
    assert access(authorization) == wanted


@given(st.text())
def test_any_header_is_nobody(authorization: str) -> None:
    assert not isinstance(claimed(CONFIG, authorization), Access)


def test_roles_include_those_before() -> None:
    assert Access("", Role.OPERATE).may(Role.READ)
    assert not Access("", Role.READ).may(Role.OPERATE)


def test_a_password_is_computed_once_and_a_new_hash_asks_anew() -> None:
    passwords, given = Passwords(), Password("alice", b"wonder: land")
    assert passwords.known(CONFIG, given) is None
    assert passwords.right(CONFIG, given)
    assert passwords.known(CONFIG, given) is True
    changed = WebConfig(users={"alice": hashed("another")})
    assert passwords.known(changed, given) is None
    assert not passwords.right(changed, given)
    assert passwords.known(changed, given) is False


def test_a_user_who_is_not_there_costs_a_computation_too() -> None:
    passwords, given = Passwords(), Password("nobody", b"wonder: land")
    assert not passwords.right(CONFIG, given)
    assert passwords.known(CONFIG, given) is False


@pytest.mark.parametrize("first_is_there", [True, False])
def test_a_user_who_came_or_went_is_asked_anew_whoever_has_the_same_hash(first_is_there: bool) -> None:
    shared = hashed("shared")
    both, one = WebConfig(users={"alice": shared, "bob": shared}), WebConfig(users={"alice": shared})
    passwords, bob = Passwords(), Password("bob", b"shared")
    before, after = (both, one) if first_is_there else (one, both)
    assert passwords.right(before, bob) is first_is_there
    assert passwords.known(after, bob) is None
    assert passwords.right(after, bob) is not first_is_there


def test_wrong_guesses_crowd_out_no_right_answer() -> None:
    passwords, right = Passwords(), Password("alice", b"wonder: land")
    assert passwords.right(CONFIG, right)
    for number in range(101):
        passwords.right(CONFIG, Password("alice", str(number).encode()))
    assert passwords.known(CONFIG, right) is True


def test_what_is_remembered_is_bounded() -> None:
    passwords, first = Passwords(), Password("alice", b"0")
    for number in range(101):
        passwords.right(CONFIG, Password("alice", str(number).encode()))
    assert passwords.known(CONFIG, first) is None
    assert passwords.known(CONFIG, Password("alice", b"100")) is False


HERE = {"host": "127.0.0.1:10110"}


@pytest.mark.parametrize(
    ("headers", "loopback", "role"),
    [
        (HERE, True, Role.OPERATE),
        ({"host": "localhost:10110"}, True, Role.OPERATE),
        ({"host": "localhost"}, True, Role.OPERATE),
        ({"host": "[::1]:10110"}, True, Role.OPERATE),
        ({"host": "[::1]"}, True, Role.OPERATE),
        (HERE, False, Role.READ),
        ({}, True, Role.READ),
        ({"host": "rebound.example:10110"}, True, Role.READ),
        ({"host": "127.example.com"}, True, Role.READ),
        ({**HERE, "x-forwarded-for": "198.51.100.7"}, True, Role.READ),
        ({**HERE, "origin": "http://127.0.0.1:10110"}, True, Role.OPERATE),
        ({**HERE, "origin": "https://evil.example"}, True, Role.READ),
        ({**HERE, "origin": "null"}, True, Role.READ),
        ({**HERE, "sec-fetch-site": "cross-site"}, True, Role.READ),
    ],
)
def test_where_nobody_is_asked(headers: dict[str, str], loopback: bool, role: Role) -> None:
    assert access_of_anyone(headers, loopback=loopback) == Access("", role)
