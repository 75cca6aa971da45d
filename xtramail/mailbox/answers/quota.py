"""GETQUOTA and GETQUOTAROOT (RFC 9208): one root for all mailboxes of an account, if it has a quota."""

from __future__ import annotations

from xtramail.mailbox.answers.answer import Answer, done
from xtramail.mailbox.session import Session
from xtramail.model.errors import NoSuchMailbox
from xtramail.model.flags import Flag
from xtramail.store import accounts, keys, mailboxes, messages
from xtramail.store.engine import Snapshot
from xtramail.store.mail_rows import flag_rows, size_of
from xtramail.store.records import MailboxRow
from xtramail.wire.imap import quota_commands, responses
from xtramail.wire.imap.quota_commands import GetQuota, GetQuotaRoot

ROOT = "mail"
_LAST_UID = 0xFFFF_FFFF


class NoSuchRoot(NoSuchMailbox):
    """There is no such quota root."""


def get_quota(session: Session, command: GetQuota) -> Answer:
    line = session.read(_quota_line)
    if command.root != ROOT or not line:
        raise NoSuchRoot
    return done("Quota told", line)


def get_quota_root(session: Session, command: GetQuotaRoot) -> Answer:
    line = session.read(_quota_line)
    if _outside(session, command.mailbox):
        line = b""
    roots = (ROOT,) if line else ()
    mailbox = responses.mailbox(command.mailbox, session.terms.spelling)
    return done("Quota told", quota_commands.quota_root(mailbox, roots) + line)


def _outside(session: Session, name: str) -> bool:
    """What was deleted takes nothing of the quota."""
    try:
        return session.mailbox(name).id == keys.RECOVERED
    except NoSuchMailbox:
        return False


def _quota_line(snap: Snapshot) -> bytes:
    """Empty for an account without a limit. Read anew: an administrator may have changed it since the login."""
    account = accounts.get_account(snap)
    if account is None or not account.quota:
        return b""
    return quota_commands.quota(ROOT, mailboxes.used_bytes(snap), account.quota)


def deleted_storage(snap: Snapshot, row: MailboxRow) -> int:
    """Octets that EXPUNGE would free (RFC 9208 §4.1.4); buckets without \\Deleted are not read."""
    return sum(
        size_of(snap, row.id, bucket, uid)
        for bucket, tally in messages.counters(snap, row).items()
        if tally.deleted
        for uid, flags in flag_rows(snap, row.id, bucket, 1, _LAST_UID)
        if flags.flags & Flag.DELETED
    )
