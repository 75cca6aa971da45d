"""What an IMAP client may ask: one frozen dataclass per command, fully parsed, values instead of bytes.

Owns the vocabulary between ``wire/imap`` and ``mailbox``. Does not own their grammar (``parser.py``) nor when each is
allowed (``states.py``). Mailbox names are decoded text, ``INBOX`` always in capitals, hierarchy separator ``/``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from xtramail.model.flags import Flag
from xtramail.model.secret import Secret
from xtramail.model.sequence import SequenceSet
from xtramail.wire.imap.fetch_items import FetchItems
from xtramail.wire.imap.search_keys import SearchKey
from xtramail.wire.imap.search_returns import PartialRange
from xtramail.wire.imap.search_returns import SearchReturn as SearchReturn


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Base: ``tag`` as the client wrote it; the connection puts it into the answer by itself."""

    tag: bytes


# Any state (RFC 9051 §6.1)


class Capability(Command):
    """Answer ``* CAPABILITY`` (``connection.capability_line()``), then OK."""

    __slots__ = ()


class Noop(Command):
    __slots__ = ()


class Logout(Command):
    """Answer ``* BYE``, then OK; the connection is closed after that."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Id(Command):
    """RFC 2971 §3.1. ``fields`` in the client's order, names lower-case, at most 30; empty for NIL."""

    fields: tuple[tuple[str, str | None], ...]


# Not authenticated (RFC 9051 §6.2)


class StartTls(Command):
    """Answer OK, write it, start TLS, call ``tls_started()``: whatever was buffered behind is dropped."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Login(Command):
    """LOGIN; only reaches the session under TLS. OK makes the state authenticated."""

    user: str
    password: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticate(Command):
    """A finished SASL exchange: ``mechanism`` PLAIN or LOGIN. OK makes the state authenticated."""

    mechanism: str
    user: str
    password: Secret


# Authenticated (RFC 9051 §6.3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enable(Command):
    """RFC 5161. ``capabilities``: of those asked for, the ones offered here that can be enabled, as they are offered.

    Answer ``* ENABLED`` with them, also when there are none (MailKit waits for it). OK marks them enabled.
    """

    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resync:
    """QRESYNC parameter of SELECT (RFC 7162 §3.2.5.1)."""

    uidvalidity: int
    modseq: int
    known_uids: SequenceSet | None = None
    match_numbers: SequenceSet | None = None
    match_uids: SequenceSet | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Select(Command):
    """OK makes the state selected; NO makes it authenticated, whatever was selected before (RFC 3501 §6.3.1).

    ``declined``: text and code of the NO for a name that no mailbox can have.
    """

    mailbox: str
    condstore: bool = False
    resync: Resync | None = None
    declined: tuple[str, bytes] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Examine(Command):
    """SELECT for reading only; same fields."""

    mailbox: str
    condstore: bool = False
    resync: Resync | None = None
    declined: tuple[str, bytes] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Create(Command):
    """``mailbox`` without trailing separator. ``special_use`` such as ``("\\\\Sent",)`` (RFC 6154 §3), when offered."""

    mailbox: str
    special_use: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete(Command):
    mailbox: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename(Command):
    source: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe(Command):
    mailbox: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribe(Command):
    mailbox: str


class ListSelection(Enum):
    """Selection options of LIST (RFC 5258 §3.1, RFC 6154 §2)."""

    SUBSCRIBED = b"SUBSCRIBED"
    REMOTE = b"REMOTE"
    RECURSIVEMATCH = b"RECURSIVEMATCH"
    SPECIAL_USE = b"SPECIAL-USE"


class ListReturn(Enum):
    """Return options of LIST (RFC 5258 §3.2, RFC 6154 §2); STATUS (RFC 5819) is the field ``status``."""

    SUBSCRIBED = b"SUBSCRIBED"
    CHILDREN = b"CHILDREN"
    SPECIAL_USE = b"SPECIAL-USE"


class StatusItem(Enum):
    """Items of STATUS (RFC 3501 §6.3.10, RFC 7162 §3.1.7, RFC 8438, RFC 9051 §6.3.11, RFC 7889, RFC 8474)."""

    MESSAGES = b"MESSAGES"
    RECENT = b"RECENT"
    UIDNEXT = b"UIDNEXT"
    UIDVALIDITY = b"UIDVALIDITY"
    UNSEEN = b"UNSEEN"
    HIGHESTMODSEQ = b"HIGHESTMODSEQ"
    SIZE = b"SIZE"
    DELETED = b"DELETED"
    APPENDLIMIT = b"APPENDLIMIT"
    MAILBOXID = b"MAILBOXID"
    DELETED_STORAGE = b"DELETED-STORAGE"
    """RFC 9208 §4.1.4."""


@dataclass(frozen=True, slots=True, kw_only=True)
class List(Command):
    """LIST, basic or extended. Basic: one pattern, no options.

    ``patterns`` decoded, ``INBOX`` not normalised (match the first component without case), wildcards ``*`` and ``%``;
    an empty basic pattern asks for separator and root of ``reference`` (RFC 3501 §6.3.8). ``extended`` tells the
    extended syntax, which also wants children without RETURN only when asked.
    """

    reference: str
    patterns: tuple[str, ...]
    selection: frozenset[ListSelection] = frozenset()
    returns: frozenset[ListReturn] = frozenset()
    status: tuple[StatusItem, ...] = ()
    extended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lsub(Command):
    reference: str
    pattern: str


class Namespace(Command):
    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(Command):
    mailbox: str
    items: tuple[StatusItem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Append(Command):
    """APPEND up to its first message literal: answer ``connection.accept()`` to have it, or ``send`` a NO to refuse it.

    After accept come ``LiteralChunk`` events, then ``LiteralEnd`` (store, then ``send``), ``LiteralAborted`` (throw
    away; the connection answers) or ``AppendMore`` (one more message, asked as the first). ``size`` in octets, within
    the limit. ``received_at`` is seconds since 1970 or None. ``binary``: it comes as literal8, which may hold NUL
    (RFC 3516 §4.4).
    """

    mailbox: str
    size: int
    flags: Flag
    keywords: tuple[str, ...]
    received_at: int | None
    binary: bool = False


class Idle(Command):
    """Answer ``connection.accept()``; then untagged updates at will until the event ``Done``, then ``send``.

    ``connection.idling`` is the truth: a client that sends anything but DONE has its IDLE ended with BAD, unasked.
    """

    __slots__ = ()


class Done(Command):
    """The client ended IDLE; ``tag`` is that of the IDLE. Answer the tagged OK."""

    __slots__ = ()


# Selected (RFC 9051 §6.4)


class Check(Command):
    __slots__ = ()


class Close(Command):
    """Expunge silently and leave the mailbox (RFC 3501 §6.4.2); read-only: leave only."""

    __slots__ = ()


class Unselect(Command):
    """Leave the mailbox without expunging (RFC 3691)."""

    __slots__ = ()


class Expunge(Command):
    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UidExpunge(Command):
    """RFC 4315 §2.1."""

    numbers: SequenceSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Search(Command):
    """``returns`` None: answer ``* SEARCH``; else ``* ESEARCH (TAG ...)`` with these options (``()`` came as ALL).

    ``uses_modseq`` tells that a MODSEQ key occurs: the answer then carries the highest MODSEQ (RFC 7162 §3.1.5).
    ``declined``: text and code of the NO that answers a search which would have saved its result.
    """

    uid: bool
    key: SearchKey
    returns: frozenset[SearchReturn] | None = None
    partial: PartialRange | None = None
    uses_modseq: bool = False
    declined: tuple[str, bytes] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch(Command):
    """``uid``: UID FETCH, the UID is then told in any case. ``changed_since``: RFC 7162 §3.1.4.1 (0 is accepted)."""

    uid: bool
    numbers: SequenceSet
    items: FetchItems
    changed_since: int | None = None
    vanished: bool = False
    partial: PartialRange | None = None


class StoreMode(Enum):
    REPLACE = "FLAGS"
    ADD = "+FLAGS"
    REMOVE = "-FLAGS"

    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True, kw_only=True)
class Store(Command):
    """``silent``: FLAGS.SILENT. ``unchanged_since``: RFC 7162 §3.1.3. ``\\Recent`` among the flags was dropped."""

    uid: bool
    numbers: SequenceSet
    mode: StoreMode
    silent: bool
    flags: Flag
    keywords: tuple[str, ...]
    unchanged_since: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy(Command):
    uid: bool
    numbers: SequenceSet
    mailbox: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Move(Command):
    """RFC 6851."""

    uid: bool
    numbers: SequenceSet
    mailbox: str
