"""Every value of the store: frozen records and their bytes.

Cold rows are msgpack arrays, hot rows (f, c, C) fixed structs; message rows (m) have a file of their own,
``message_row``. Owns no key and reads nothing. A field may be added at the end of a cold record with a default: rows
written before it still decode. Any other change raises ``keys.FORMAT``.
"""

from __future__ import annotations

import struct
from typing import Literal, TypeVar

import msgspec

from xtramail.model.bucket import Bucket
from xtramail.store.message_row import BodyRef as BodyRef
from xtramail.store.message_row import MessageRow as MessageRow

AccountKind = Literal["user", "list", "discovered", "relay"]
"""``relay``: a login of a domain's primary, made from the domain's settings; no row has it."""
BucketRange = tuple[Bucket, int, int]
"""Bucket, lowest and highest UID that a mailbox ever had in it (both included)."""

R = TypeVar("R", bound="Record")


class Record(msgspec.Struct, frozen=True, array_like=True):
    """A cold row: any change is ``msgspec.structs.replace(row, ...)``."""


def encode(record: Record) -> bytes:
    return msgspec.msgpack.encode(record)


def decode(value: bytes, kind: type[R]) -> R:
    """The record; msgspec.DecodeError when it is not one (which only a bug or another format can cause)."""
    return msgspec.msgpack.decode(value, type=kind)


class Account(Record, frozen=True):
    id: int
    address: str
    password: str
    """Empty: none. Else ``{XTRA-BCRYPT}keyid$...`` or ``{XTRA-HMAC}keyid$hex``."""
    quota: int
    """Octets; 0 is no limit."""
    status: Literal["active", "disabled"]
    kind: AccountKind
    created: float
    password_changed: float
    settings: dict[str, str] = {}
    two_step: bool = False
    """Two-step sign-in is on: the password alone opens no mail protocol."""
    device: bytes = b""
    """Mark of the device password that this login came by; filled in by ``directory.login``, no row has it."""


class Device(Record, frozen=True):
    """A device password, without the password: its keyed hash is the row's key."""

    name: str
    """Unique within the account, whatever its case."""
    services: tuple[str, ...]
    """What it opens: ``imap``, ``pop3``, ``submission``."""
    created: float
    key_id: str
    """Of the server key that made the hash."""
    expires: float = 0.0
    """0: never."""


class TotpRow(Record, frozen=True):
    """Two-step sign-in of one user (RFC 6238)."""

    secret: bytes
    """Sealed: useless without the server keys, which are kept outside the store."""
    key_id: str
    """Of the server key that sealed it and made the hashes of ``recovery``."""
    started: float
    confirmed: float = 0.0
    """0: no code was given yet, so that it is not on."""
    last_step: int = 0
    """The time step of the last code taken: none of it or before it is taken again (RFC 6238 §5.2)."""
    wrong: int = 0
    """Wrong codes since the last good one."""
    locked_until: float = 0.0
    recovery: tuple[bytes, ...] = ()
    """Keyed hashes of the recovery codes that are left."""


class AuthEvent(Record, frozen=True):
    """A login, good or refused, or a change of what opens an account."""

    at: float
    address: str
    """Of the account, as it was typed where there is none."""
    service: str
    outcome: Literal["good", "refused", "changed"]
    text: str
    peer: str = ""
    who: str = ""
    """The person at the command line who made a change."""
    left_out: int = 0
    """Events before this one that were too many to be kept."""


class DeviceUse(Record, frozen=True):
    """The last use of a device password; up to a minute older than the truth."""

    at: float
    block: str
    """The address block (/24, /64) it came from."""
    service: str
    client: str = ""
    """What the program calls itself (ID of IMAP, EHLO); never believed."""


class MailboxRow(Record, frozen=True):
    """``highestmodseq`` is the stored one: ``messages.highest_modseq`` adds what expiry did."""

    id: int
    name: str
    uidvalidity: int
    uidnext: int
    highestmodseq: int
    first_recent: int
    """UIDs from here on are \\Recent to the next session that SELECTs."""
    special_use: str = ""
    """Empty or ``\\Sent`` and the like (RFC 6154 §2)."""
    buckets: tuple[BucketRange, ...] = ()
    """Ascending by bucket; may still name dropped ones."""


class Keywords(Record, frozen=True):
    """Names of one mailbox's keywords; the id is the position."""

    names: tuple[str, ...] = ()


class Recoverable(Record, frozen=True):
    """An expunged message: its m row is still there, under the mailbox and UID that it had."""

    mailbox: int
    uid: int
    flags: int
    expunged_at: float
    by: str
    """An address, or who did it."""
    mailbox_name: str = ""
    """As it was then: the mailbox may be deleted later."""
    taken: bool = False
    """By a POP3 client, whose user may have it at home and nowhere else: no sign that he wants to be rid of it."""


class OutboundRow(Record, frozen=True):
    """A host that carries what a domain's people send to the world."""

    host: str
    port: int
    priority: int
    """The lowest is tried first; equal ones in random order."""
    when: Literal["always", "up", "down"] = "always"
    """``up``: while it answers, and the domain's primary is not away; ``down``: while that one is."""
    user: str = ""
    password: str = ""


class DomainRow(Record, frozen=True):
    name: str
    retention_class: int
    retention_days: int
    primaries: tuple[tuple[str, int], ...] = ()
    """Host and port, tried in order; empty: a local domain."""
    primary_tls: Literal["none", "opportunistic", "required", "verify"] = "opportunistic"
    primary_ca: str = ""
    recipients: Literal["ask", "listed", "any"] = "listed"
    continuity: bool = True
    smarthost: str = ""
    smarthost_user: str = ""
    smarthost_password: str = ""
    quota: int = 0
    created: float = 0.0
    settings: dict[str, str] = {}
    tenant: str = ""
    """Whose it is; empty: the operator's own."""
    priorities: tuple[int, ...] = ()
    """One for each of ``primaries``, ascending; empty: each its own, in their order."""
    outbound: tuple[OutboundRow, ...] = ()
    """Beside ``smarthost``."""
    unverified: bool = False
    """Nobody has proved yet that it is his: it is not served."""


class AuditRow(Record, frozen=True):
    """One change of the directory."""

    at: float
    actor: str
    role: str
    how: str
    what: str
    object: str
    domain: str = ""
    tenant: str = ""
    before: dict[str, str | int | float | bool | None] | None = None
    """None: it was not there."""
    after: dict[str, str | int | float | bool | None] | None = None


class RecipientRow(Record, frozen=True):
    local: str
    """As it was given."""
    account_id: int
    """0: none."""
    kind: AccountKind
    created: float
    reason: str = ""


class AskedRow(Record, frozen=True):
    """The primary's answer for a recipient, good until ``until``."""

    good: bool
    until: float
    asked: float


class RetentionClass(Record, frozen=True):
    id: int
    days: int
    owner: str
    """A domain, ``log``, ``held``, or a user with days of its own."""


class QueueRecipient(Record, frozen=True):
    address: str
    """Exactly as the sender wrote it."""
    notify: str = ""
    """NOTIFY= of DSN, a comma list."""
    orcpt: str = ""
    fate: str = "held"
    """A ``model.outcome.Fate``."""
    reply: str = ""
    code: int = 0
    changed: float = 0.0
    attempts: int = 0
    """How often the final dot was sent."""
    lost: int = 0
    """How often its answer never came, since somebody last found out, or said that it may go again."""


Origin = Literal["smtp", "submission", "outward", "lmtp", "journal", "dsn"]
"""How a message came to us; ``outward``: from a host that sends for a domain. Copies (``lmtp``, ``journal``) are never
queued."""


class QueueEntry(Record, frozen=True):
    """One message for one destination domain."""

    id: int
    message_id: int
    """Our MessageId; several entries share it."""
    destination: str
    """A domain key."""
    kind: Literal["primary", "outside", "dsn", "sent"]
    """``sent``: a copy of what a user submitted, for his own mailbox at the primary."""
    body: BodyRef
    reverse_path: str
    """Empty: the null sender."""
    arrival: float
    due: float
    expires: float
    recipients: tuple[QueueRecipient, ...]
    origin: Origin = "smtp"
    ret: str = ""
    envid: str = ""
    smtputf8: bool = False
    eightbit: bool = False
    attempts: int = 0
    lease_until: float = 0.0
    """0: nobody works on it."""
    lease_owner: str = ""
    held: bool = False
    hold_reason: str = ""
    last_reply: str = ""
    header_message_id: str = ""
    account_id: int = 0
    """Who submitted it; 0: the world."""
    released: bool = False
    """A person said that it goes, whatever became of the copies here."""
    signature: bytes = b""
    """Fields that go out on top of its octets: who signed it when it was accepted (DKIM), for whom it is sent on."""
    forwarder: str = ""
    """The domain (key) in whose name it is forwarded to the world."""
    sender: str = ""
    """The sender under which it goes out, where that is not ``reverse_path``: rewritten by who forwards it."""

    @property
    def for_primary(self) -> bool:
        """It goes to the primary of a served domain, and follows that one's states."""
        return self.kind in ("primary", "sent")


class Destination(Record, frozen=True):
    """A destination whose mail does not simply go: its primary is away, held, or just back."""

    name: str
    state: str
    """A ``model.primary.State`` of an outage."""
    reason: str
    since: float


class LedgerRow(Record, frozen=True):
    fate: str
    at: float
    reply: str = ""
    attempts: int = 0
    destination: str = ""
    history: tuple[tuple[str, float, str], ...] = ()
    """Fate, time and reply of earlier states, oldest first, at most 16."""
    recipient: str = ""
    """Filled in by ``outbound.ledger_put``."""
    kind: str = ""
    """``sent``: for its sender's own mailbox at the primary. Kept from row to row, as what follows."""
    body: int = 0
    """Id of its octets where that is not the message's own: of what it is a copy of; 0: its own."""
    replayed: float = 0.0
    """When it was sent to the primary again last, by a replay; 0: never."""


class FateCounts(Record, frozen=True):
    """Ledger rows of one bucket by fate."""

    accepted: int = 0
    fates: dict[str, int] = {}


class LogEvent(Record, frozen=True):
    at: float
    message_id: int
    """Ours; 0 when the event concerns no message."""
    kind: str
    sender: str = ""
    recipients: tuple[str, ...] = ()
    text: str = ""
    fields: dict[str, str] = {}


class UserClock(msgspec.Struct, frozen=True):
    """What a user gives out: only grows. Numbers are the last given, ``next_*`` the next to give."""

    modseq: int = 0
    uidvalidity: int = 0
    next_mailbox: int = 1


class FlagRow(msgspec.Struct, frozen=True, gc=False):
    """The mutable half of a message."""

    modseq: int
    flags: int
    """Bits of ``model.flags.Flag``."""
    keywords: tuple[int, ...] = ()
    """Ascending ids of the mailbox's keyword table."""
    savedate: int = 0
    """Seconds since 1970 (RFC 8514)."""


class Counters(msgspec.Struct, frozen=True):
    """One mailbox in one bucket; ``modseq`` is the highest of it, expunges included."""

    messages: int = 0
    unseen: int = 0
    deleted: int = 0
    bytes: int = 0
    modseq: int = 0


_CLOCK = struct.Struct(">QII")
_FLAG = struct.Struct(">QBI")
_COUNTERS = struct.Struct(">IIIQQ")
_MESSAGE_ID = struct.Struct(">QQ")
_U64 = struct.Struct(">Q")


def encode_clock(clock: UserClock) -> bytes:
    return _CLOCK.pack(clock.modseq, clock.uidvalidity, clock.next_mailbox)


def decode_clock(value: bytes | None) -> UserClock:
    """``value`` None: a user who was given nothing yet."""
    return UserClock(*_CLOCK.unpack_from(value)) if value is not None else UserClock()


def modseq_of_clock(value: bytes) -> int:
    """The last MODSEQ given, out of an encoded clock."""
    return int.from_bytes(value[:8], "big")


def encode_flags(row: FlagRow) -> bytes:
    """13 octets and one for each keyword."""
    return _FLAG.pack(row.modseq, row.flags, row.savedate) + bytes(row.keywords)


def decode_flags(value: bytes) -> FlagRow:
    modseq, flags, savedate = _FLAG.unpack_from(value)
    return FlagRow(modseq, flags, tuple(value[13:]) if len(value) > 13 else (), savedate)


def encode_counters(row: Counters) -> bytes:
    return _COUNTERS.pack(row.messages, row.unseen, row.deleted, row.bytes, row.modseq)


def decode_counters(value: bytes | None) -> Counters:
    """``value`` None: nothing was ever there."""
    return Counters(*_COUNTERS.unpack(value)) if value is not None else Counters()


def encode_message_id(object_id: int, thread_id: int) -> bytes:
    return _MESSAGE_ID.pack(object_id, thread_id)


def decode_message_id(value: bytes) -> tuple[int, int]:
    """Object id and thread id."""
    object_id, thread_id = _MESSAGE_ID.unpack(value)
    return object_id, thread_id


def encode_number(number: int) -> bytes:
    return _U64.pack(number)


def decode_number(value: bytes) -> int:
    return int(_U64.unpack(value)[0])
