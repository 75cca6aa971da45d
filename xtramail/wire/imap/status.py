"""Tagged answers: OK, NO and BAD with response codes (RFC 5530), and which error of ``model`` becomes which code.

Owns the one table from mail's words to IMAP codes. Does not own the bytes of answers (``responses.py``).
"""

from __future__ import annotations

from enum import Enum

import msgspec

from xtramail.model import errors


class Outcome(Enum):
    OK = b"OK"
    NO = b"NO"
    BAD = b"BAD"

    __hash__ = object.__hash__


class Tagged(msgspec.Struct, frozen=True):
    """The answer that completes a command. ``code`` without brackets, such as ``b"READ-WRITE"``; empty for none."""

    outcome: Outcome
    text: str
    code: bytes = b""


def ok(text: str, code: bytes = b"") -> Tagged:
    return Tagged(Outcome.OK, text, code)


def no(text: str, code: bytes = b"") -> Tagged:
    return Tagged(Outcome.NO, text, code)


def bad(text: str, code: bytes = b"") -> Tagged:
    return Tagged(Outcome.BAD, text, code)


# Most of RFC 5530 §3; TOOBIG is RFC 4469 §5, UNKNOWN-CTE RFC 3516 §4.3.
CODE_OF_ERROR: dict[type[errors.XtramailError], bytes] = {
    errors.NoSuchMailbox: b"NONEXISTENT",
    errors.MailboxExists: b"ALREADYEXISTS",
    errors.MailboxHasChildren: b"HASCHILDREN",
    errors.BadMailboxName: b"CANNOT",
    errors.NoSuchMessage: b"EXPUNGEISSUED",
    errors.NoSuchDomain: b"NONEXISTENT",
    errors.NoSuchAccount: b"NONEXISTENT",
    errors.NoSuchAdmin: b"NONEXISTENT",
    errors.NoSuchAlias: b"NONEXISTENT",
    errors.NoSuchRoute: b"NONEXISTENT",
    errors.NoSuchSender: b"NONEXISTENT",
    errors.NoSuchTenant: b"NONEXISTENT",
    errors.NoSuchToken: b"NONEXISTENT",
    errors.NoSuchRecipient: b"NONEXISTENT",
    errors.AlreadyExists: b"ALREADYEXISTS",
    errors.NotPermitted: b"NOPERM",
    errors.OverQuota: b"OVERQUOTA",
    errors.LimitReached: b"LIMIT",
    errors.TooLarge: b"TOOBIG",
    errors.UnknownEncoding: b"UNKNOWN-CTE",
    errors.BadCredentials: b"AUTHENTICATIONFAILED",
    errors.BadInput: b"CANNOT",
    errors.Refused: b"CANNOT",
    errors.StoreBusy: b"UNAVAILABLE",
    errors.StoreFull: b"LIMIT",
    errors.StoreFault: b"UNAVAILABLE",
    errors.LoginBusy: b"UNAVAILABLE",
    errors.PrimaryDown: b"UNAVAILABLE",
    errors.Unavailable: b"UNAVAILABLE",
}


def refusal(error: Exception, *, try_create: bool = False) -> Tagged:
    """NO for any exception. ``try_create``: the command named a target mailbox (APPEND, COPY, MOVE), so a missing one
    is ``TRYCREATE`` (RFC 3501 §6.3.11). What is no expected error is ``SERVERBUG`` with a fixed text; log it."""
    if isinstance(error, errors.Corrupt):
        return no("This item is damaged in the store", b"CORRUPTION")
    if try_create and isinstance(error, errors.NoSuchMailbox):
        return no(error.text, b"TRYCREATE")
    if isinstance(error, (errors.Refused, errors.Unavailable)):
        for kind in type(error).__mro__:
            code = CODE_OF_ERROR.get(kind)
            if code is not None:
                return no(error.text, code)
    return no("Internal error; it was logged", b"SERVERBUG")
