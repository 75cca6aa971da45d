"""What APPEND has become since RFC 3501: several messages at once (RFC 3502), and REPLACE (RFC 8508)."""

from __future__ import annotations

from dataclasses import dataclass

from xtramail.model.flags import Flag
from xtramail.model.sequence import SequenceSet
from xtramail.wire.imap.commands import Append, Command


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendMore(Command):
    """The next message of the APPEND under way, whose last one is complete; fields and answers as ``Append``.

    To refuse it refuses all of them (RFC 3502 §6.3.11: none is appended unless all are).
    """

    size: int
    flags: Flag
    keywords: tuple[str, ...]
    received_at: int | None
    binary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace(Append):
    """APPEND, and the message ``number`` of the selected mailbox expunged with it, both or neither.

    ``number`` names one message: by UID if ``uid``, else by its number.
    """

    uid: bool
    number: SequenceSet
