"""SELECT and EXAMINE with QRESYNC: what the client missed since it was here last (RFC 7162 §3.2.5)."""

from __future__ import annotations

from collections.abc import Iterator

from xtramail.mailbox.answers.answer import flag_lines
from xtramail.mailbox.resync import above, agreed, changed_uids, vanished
from xtramail.mailbox.terms import Terms
from xtramail.mailbox.view import View
from xtramail.model.errors import BadInput
from xtramail.model.sequence import STAR, SequenceSet
from xtramail.wire.imap import responses
from xtramail.wire.imap.commands import Resync

_ALL = SequenceSet(((1, STAR),), star=True)


def check(terms: Terms, resync: Resync) -> None:
    """BadInput, before anything is selected or closed."""
    if not terms.qresync:
        raise BadInput("QRESYNC needs ENABLE QRESYNC first")
    try:
        if resync.match_numbers is not None and resync.match_uids is not None:
            agreed((), resync.match_numbers, resync.match_uids)
    except ValueError:
        raise BadInput("Message numbers and UIDs of QRESYNC do not pair; name as many of each, without *") from None


def missed(view: View, resync: Resync) -> Iterator[bytes]:
    """VANISHED (EARLIER), then a FETCH of each message that changed, both only of UIDs that the client knows.

    A client with another UIDVALIDITY knows nothing of this mailbox.
    """
    if resync.uidvalidity != view.uidvalidity:
        return
    known = resync.known_uids or _ALL
    unsure = known
    if resync.match_numbers is not None and resync.match_uids is not None:
        unsure = above(known, agreed(view.uids, resync.match_numbers, resync.match_uids))
    gone = vanished(view.told, view.uids, resync.modseq, unsure)
    if gone:
        yield responses.vanished(gone, earlier=True)
    wanted = known.resolved(view.told.mailbox.uidnext - 1)
    changed = wanted.select(changed_uids(view.told, resync.modseq))
    yield flag_lines(view, changed, with_uid=True)
