"""One function for each POP3 command: what its arguments mean. Owns the grammar of RFC 1939 §9; not the order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from xtramail.wire.pop3 import replies
from xtramail.wire.pop3.events import Delete, Quit, Reset, Retrieve, Sizes, StartTls, Stat, UniqueIds, Waiting
from xtramail.wire.pop3.replies import Reply

_MOST_DIGITS = 10
"""No maildrop has more messages, no message more lines; more digits would only cost time to read."""


class BadArguments(Exception):
    """``args[0]`` is the Reply."""

    @property
    def reply(self) -> Reply:
        reply: Reply = self.args[0]
        return reply


@dataclass(frozen=True, slots=True)
class Capabilities:
    """CAPA."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """NOOP."""


@dataclass(frozen=True, slots=True)
class UserName:
    """USER; not decoded yet."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Password:
    """PASS; not decoded yet."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Mechanism:
    """AUTH; an empty name asks which there are. ``initial`` in base64, None when there was none (RFC 5034 §4)."""

    name: str
    initial: bytes | None


Meaning: TypeAlias = Waiting | Capabilities | Nothing | UserName | Password | Mechanism


def _none(meaning: Meaning) -> Callable[[bytes], Meaning]:
    def parse(arguments: bytes) -> Meaning:
        if arguments.strip():
            raise BadArguments(replies.NO_ARGUMENTS)
        return meaning

    return parse


def _user(arguments: bytes) -> Meaning:
    name = arguments.strip()
    if not name:
        raise BadArguments(replies.BAD_LOGIN_SYNTAX)
    return UserName(name)


def _pass(arguments: bytes) -> Meaning:
    # RFC 1939 §7: spaces are part of the password, also at its ends.
    return Password(arguments)


def _auth(arguments: bytes) -> Meaning:
    words = arguments.split()
    if len(words) > 2:
        raise BadArguments(replies.BAD_LOGIN_SYNTAX)
    name = words[0].decode("ascii", "replace") if words else ""
    return Mechanism(name=name, initial=words[1] if len(words) == 2 else None)


def _numbers(arguments: bytes, count: int) -> list[int]:
    words = arguments.split()
    if len(words) != count or not all(word.isdigit() and len(word) <= _MOST_DIGITS for word in words):
        raise BadArguments(replies.BAD_NUMBER)
    return [int(word) for word in words]


def _message(arguments: bytes) -> int:
    (number,) = _numbers(arguments, 1)
    return _from_one(number)


def _from_one(number: int) -> int:
    if number < 1:
        raise BadArguments(replies.BAD_NUMBER)
    return number


def _optional(arguments: bytes) -> int | None:
    return _message(arguments) if arguments.strip() else None


def _top(arguments: bytes) -> Meaning:
    number, lines = _numbers(arguments, 2)
    return Retrieve(_from_one(number), lines)


COMMANDS: dict[str, Callable[[bytes], Meaning]] = {
    "CAPA": _none(Capabilities()),
    "USER": _user,
    "PASS": _pass,
    "AUTH": _auth,
    "STLS": _none(StartTls()),
    "STAT": _none(Stat()),
    "LIST": lambda arguments: Sizes(_optional(arguments)),
    "UIDL": lambda arguments: UniqueIds(_optional(arguments)),
    "RETR": lambda arguments: Retrieve(_message(arguments)),
    "TOP": _top,
    "DELE": lambda arguments: Delete(_message(arguments)),
    "NOOP": _none(Nothing()),
    "RSET": _none(Reset()),
    # Whether there is something to update is the state's to say.
    "QUIT": _none(Quit(update=False)),
}

IDLE = frozenset({"CAPA", "NOOP", "RSET", "USER", "AUTH", "STLS"})
"""Commands that bring no message nearer. LIST and UIDL with a number are asked ten thousand times by some clients."""


def split(line: bytes) -> tuple[str, bytes]:
    """Upper-case verb (RFC 1939 §3: in any case), and all behind the one space that follows it."""
    verb, _, rest = line.partition(b" ")
    return verb.decode("ascii", "replace").upper(), rest
