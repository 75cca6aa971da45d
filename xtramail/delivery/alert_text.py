"""What an alert says: as a mail to people, as JSON to programs. The same octets each time it is tried."""

from __future__ import annotations

from typing import Any

import msgspec

from xtramail.model.clock import utc_text
from xtramail.store.alerts import EACH, AlertRow
from xtramail.wire.mime.compose import Note, note
from xtramail.wire.mime.dates import format_date

TITLES = {
    "primary-state": "primary is {to}",
    "mail-at-risk": "mail is given up within a day",
    "message-held-for-refusal": "mail was refused and is held",
    "message-unconfirmed": "mail may be there twice, or not at all",
    "copy-skipped": "a mailbox is full, mail is not copied",
    "ledger-unbalanced": "the ledger does not balance",
    "expiry-paused": "expiry is paused",
    "store-nearly-full": "the store is nearly full",
    "certificate-refused": "a new certificate was refused",
    "primary-imap": "the primary's IMAP refuses our login",
    "drill": "a drill is over",
    "dkim-key": "mail goes out unsigned",
    "sending-blocked": "a user may send nothing to the world any more",
    "canary-missed": "the primary took a canary that is not there",
    "test": "this is a test",
}
"""Subjects of mails by kind; a kind that is not here is its own title."""


def title(row: AlertRow) -> str:
    words = TITLES.get(row.kind, row.kind)
    return words.replace("{to}", row.fields.get("to", "changed"))


def body(row: AlertRow, hostname: str) -> bytes:
    """What is posted. ``count`` is how often it happened, for kinds of which every single one is not posted."""
    value: dict[str, Any] = {
        "id": str(row.id),
        "kind": row.kind,
        "domain": row.domain,
        "at": utc_text(row.at),
        "latest": utc_text(row.latest),
        "count": 1 if row.kind in EACH else row.count,
        "title": title(row),
        "text": row.text,
        "fields": row.fields,
        "server": hostname,
    }
    return msgspec.json.encode(value)


def message(row: AlertRow, index: int, *, hostname: str, now: float) -> bytes:
    """The mail to one of its recipients."""
    one = row.tellings[index]
    where = row.domain or hostname
    lines = [row.text, "", f"When: {utc_text(row.latest)}"]
    if row.count > 1:
        lines.append(f"This is the latest of {row.count} since the last mail about it.")
    lines += [f"{name.capitalize()}: {value}" for name, value in row.fields.items() if name != "since"]
    if one.whose == "domain":
        reason = f"xtramail on {hostname} tells you because alert-mail of {row.domain} names you."
    else:
        reason = f"xtramail on {hostname} tells you because the setting alerts.mail names you."
    return note(
        Note(
            sender_address=f"postmaster@{hostname}",
            to=one.target,
            subject=f"[xtramail] {where}: {title(row)}",
            text="\n".join([*lines, "", reason]),
            date=format_date(now),
            message_id=f"<alert.{row.id}.{index}@{hostname}>",
        )
    )
