"""Who asks over HTTP, and what they may do. The only door to bcrypt.

With users or tokens in the web configuration, every request names itself by `Authorization`. Without any, nobody is asked: then
whoever reaches a loopback address on this machine itself may operate, and everybody else may read (docs/decisions/0025).
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import bcrypt

from pcapline.http.config import WebConfig

# Answers of bcrypt that are kept, so many right and so many wrong ones: a scrape must not cost 100 ms of arithmetic each time.
_REMEMBERED = 100
_OWN_HOST = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?")
_BCRYPT_READS = 72  # bytes of a password; whoever made the hash has left off the rest likewise


class Role(IntEnum):
    """What somebody may do; each includes those before it."""

    READ = 1
    OPERATE = 2  # whatever changes something


@dataclass(frozen=True, slots=True)
class Access:
    """Who asks, and what they may do."""

    who: str  # as the log names them: "user alice", "token grafana", "" where nobody is asked
    role: Role

    def may(self, role: Role) -> bool:
        """Whether this role is theirs."""
        return self.role >= role


@dataclass(frozen=True, slots=True)
class Password:
    """What a request with `Authorization: Basic` claims. Held against a user's hash by `Passwords`."""

    user: str
    password: bytes


class Passwords:
    """Checks of passwords, each done once: bcrypt is slow on purpose. May be asked from any thread."""

    def __init__(self) -> None:
        self.lock = threading.Lock()  # held while one is computed
        self._key = secrets.token_bytes(32)
        # Apart, so that wrong guesses crowd out no right answer: there are as many of those as users, or few more.
        self._right: OrderedDict[bytes, bool] = OrderedDict()
        self._wrong: OrderedDict[bytes, bool] = OrderedDict()

    def known(self, config: WebConfig, given: Password) -> bool | None:
        """Whether it is right, at once; None: it has to be computed."""
        return self._answer(self._mark(config, given))

    def right(self, config: WebConfig, given: Password) -> bool:
        """Whether it is right. Takes as long for users that there are as for others; one computation at a time."""
        mark = self._mark(config, given)
        with self.lock:
            answer = self._answer(mark)
            if answer is None:
                answer = _matches(_hash_of(config, given), given.password) and given.user in config.users
                answers = self._right if answer else self._wrong
                answers[mark] = answer
                while len(answers) > _REMEMBERED:
                    answers.popitem(last=False)
            return answer

    def _answer(self, mark: bytes) -> bool | None:
        return self._right.get(mark, self._wrong.get(mark))

    def _mark(self, config: WebConfig, given: Password) -> bytes:
        """Stands for all that the answer depends on, and tells none of it."""
        # whether the user is there: two may have one hash, and the answer for one who is gone would be that of the other's
        parts = (given.user.encode(), bytes([given.user in config.users]), _hash_of(config, given), given.password)
        told = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self._key, told, "sha256")


def _hash_of(config: WebConfig, given: Password) -> bytes:
    """The user's; of one that is not there, that of any other, so that it takes as long."""
    return config.users.get(given.user) or next(iter(config.users.values()))


def _matches(hashed: bytes, password: bytes) -> bool:
    try:
        return bcrypt.checkpw(password[:_BCRYPT_READS], hashed)
    except ValueError:  # a password that cannot be one
        return False


def claimed(config: WebConfig, authorization: str) -> Access | Password | None:
    """What an `Authorization` header amounts to: a token's access, a password that is to be checked, or nothing."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return _access_by_token(config, rest.strip())
    if scheme.lower() == "basic" and config.users:
        return _password(rest.strip())
    return None


def access_of_user(config: WebConfig, user: str) -> Access:
    """What a user may do whose password was right."""
    return Access(f"user {user}", Role.OPERATE if user in config.operators else Role.READ)


def _access_by_token(config: WebConfig, token: str) -> Access | None:
    digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
    found = None
    for known in config.tokens:  # all of them: how long it takes tells nothing
        if hmac.compare_digest(known.sha256, digest):
            found = Access(f"token {known.name}", Role.OPERATE if known.operates else Role.READ)
    return found


def _password(text: str) -> Password | None:
    try:
        user, separator, password = base64.b64decode(text, validate=True).partition(b":")
        return Password(user.decode(), password) if separator else None
    except (binascii.Error, ValueError):
        return None


def access_of_anyone(headers: Mapping[str, str], *, loopback: bool) -> Access:
    """Where nobody is asked who they are. `headers`: lower-case names; `loopback`: whether such an address is listened on.

    A proxy, or a page of somebody else's in a browser of this machine, does not operate: their requests come from this machine
    too, but not from its people.
    """
    foreign = any(name in headers for name in ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"))
    here = loopback and not foreign and is_own_host(headers.get("host", "")) and not is_cross_site(headers)
    return Access("", Role.OPERATE if here else Role.READ)


def is_own_host(host: str) -> bool:
    """Whether a `Host` header names this machine itself: any other name may be one that was made to lead here."""
    return _OWN_HOST.fullmatch(host) is not None


def is_cross_site(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that another site's page makes the request."""
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != headers.get("host"):
        return True
    return headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
