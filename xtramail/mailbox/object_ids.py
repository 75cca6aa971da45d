"""Object ids (RFC 8474): what names a mailbox, a message or a thread for ever, whatever it is called or copied to."""

from __future__ import annotations

from xtramail.model.ids import id_text
from xtramail.store.records import MailboxRow


def object_id(mailbox: MailboxRow) -> bytes:
    """MAILBOXID: kept by RENAME, never given again.

    It holds the UIDVALIDITY, because after a restore an id alone could come to name a second mailbox.
    """
    return id_text(mailbox.uidvalidity << 32 | mailbox.id).encode("ascii")
