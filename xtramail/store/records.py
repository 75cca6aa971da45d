"""Every value of the store: frozen records and their bytes.

Cold rows are msgpack arrays, and here; hot ones (f, c, C) are fixed structs in ``hot_rows``, message rows (m) in
``message_row``. Owns no key and reads nothing. A field may be added at the end of a cold record with a default: rows
written before it still decode. Any other change raises ``keys.FORMAT``.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec

from xtramail.model.bucket import Bucket
from xtramail.store.hot_rows import Counters as Counters
from xtramail.store.hot_rows import FlagRow as FlagRow
from xtramail.store.hot_rows import UserClock as UserClock
from xtramail.store.hot_rows import decode_clock as decode_clock
from xtramail.store.hot_rows import decode_counters as decode_counters
from xtramail.store.hot_rows import decode_flags as decode_flags
from xtramail.store.hot_rows import decode_message_id as decode_message_id
from xtramail.store.hot_rows import decode_number as decode_number
from xtramail.store.hot_rows import decode_sealed_flags as decode_sealed_flags
from xtramail.store.hot_rows import encode_all_flags as encode_all_flags
from xtramail.store.hot_rows import encode_clock as encode_clock
from xtramail.store.hot_rows import encode_counters as encode_counters
from xtramail.store.hot_rows import encode_flags as encode_flags
from xtramail.store.hot_rows import encode_message_id as encode_message_id
from xtramail.store.hot_rows import encode_number as encode_number
from xtramail.store.hot_rows import modseq_of_clock as modseq_of_clock
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
