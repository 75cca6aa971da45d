"""What one command is answered with, and how changes of the selected mailbox are told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import msgspec

from xtramail.mailbox.block import flags_of
from xtramail.mailbox.fetch_pieces import FlagTexts, told_of
from xtramail.mailbox.session import Session
from xtramail.mailbox.view import Access, Changes, Telling, View
from xtramail.model.errors import Refused
from xtramail.model.flags import FLAG_NAMES, MAX_KEYWORDS
from xtramail.model.sequence import SequenceSet
from xtramail.wire.imap import responses, status
from xtramail.wire.imap.fetch_items import Attribute
from xtramail.wire.imap.status import Tagged

SYSTEM_FLAGS: tuple[bytes, ...] = tuple(name for _, name in FLAG_NAMES)


class NothingSelected(Refused):
    """No mailbox is selected."""


class Answer(msgspec.Struct, frozen=True):
    """Told in this order: ``untagged``, ``stream``, what changed in the selected mailbox, ``tagged``.

    ``stream`` gives whole lines in pieces, each made when it is asked for; an empty piece only gives others a turn. An
    XtramailError from it becomes the tagged answer (StreamBroken: the connection must close). ``telling`` is what the
    command lets the client be told at its end; None: nothing.
    """

    tagged: Tagged
    untagged: bytes = b""
    stream: Iterator[bytes] | None = None
    telling: Telling | None = Telling.EVERYTHING


def done(text: str, untagged: bytes = b"", code: bytes = b"") -> Answer:
    """OK, and everything that changed may be told."""
    return Answer(tagged=status.ok(text, code), untagged=untagged)


def selected(session: Session) -> View:
    """The selected mailbox; the connection lets no command pass that needs one where there is none."""
    if session.view is None:
        raise NothingSelected
    return session.view


def chosen(view: View, numbers: SequenceSet, *, uid: bool) -> list[int]:
    """UIDs of the messages that a command names; BadInput for message numbers that are not there."""
    return view.select_uids(numbers) if uid else view.select_numbers(numbers)


def telling_of(uid: bool) -> Telling:
    """FETCH, STORE and SEARCH by UID may tell expunges, by number they must not (RFC 9051 §7.5.1)."""
    return Telling.EVERYTHING if uid else Telling.NO_EXPUNGES


def tell(session: Session, telling: Telling, *, with_uid: bool = False) -> bytes:
    """Move the selected mailbox on, and the lines that say so; empty when nothing changed or nothing is selected.

    NoSuchMailbox when it was deleted, or switched off.
    """
    if session.view is None:
        return b""
    session.check_there(session.view)
    return changes_text(session.view, session.view.sync(telling), with_uid=with_uid)


def changes_text(view: View, changes: Changes, *, with_uid: bool = False) -> bytes:
    """``with_uid``: FETCH lines carry the UID, as answers to UID commands must (RFC 3501 §6.4.8)."""
    if not changes:
        return b""
    lines = list(_expunge_lines(view, changes.expunged))
    if changes.keywords is not None:
        lines.append(mailbox_flags(view))
    if changes.exists is not None:
        lines.append(responses.exists(changes.exists))
    if changes.recent is not None and not view.terms.rev2:
        lines.append(responses.recent(changes.recent))
    lines.append(flag_lines(view, [change.uid for change in changes.flags], with_uid=with_uid))
    return b"".join(lines)


def _expunge_lines(view: View, expunged: Sequence[tuple[int, int]]) -> Iterator[bytes]:
    if expunged and view.terms.qresync:
        # RFC 7162 §3.2.10: in place of all EXPUNGE lines.
        yield responses.vanished(SequenceSet.of_numbers(uid for _, uid in expunged), earlier=False)
        return
    for number, _ in expunged:
        yield responses.expunge(number)


def flag_lines(view: View, uids: Sequence[int], *, with_uid: bool) -> bytes:
    """``* n FETCH (FLAGS (...))`` for each of ``uids`` (ascending); with MODSEQ and UID as the client's terms want it
    (RFC 7162 §3.1, §3.2.4; RFC 9051 §7.5.2)."""
    terms = view.terms
    with_uid = with_uid or terms.qresync or terms.rev2
    told = _FLAGS_TOLD[with_uid, terms.condstore]
    return told.lines(flags_of(view, uids), FlagTexts(view))


def modseq_lines(view: View, uids: Sequence[int]) -> bytes:
    """``* n FETCH (UID u MODSEQ (m))``: what a client that changed flags silently still wants to know."""
    return _MODSEQ_TOLD.lines(flags_of(view, uids), FlagTexts(view))


_FLAGS_TOLD = {
    (False, False): told_of(Attribute.FLAGS),
    (True, False): told_of(Attribute.UID, Attribute.FLAGS),
    (False, True): told_of(Attribute.FLAGS, Attribute.MODSEQ),
    (True, True): told_of(Attribute.UID, Attribute.FLAGS, Attribute.MODSEQ),
}
"""By whether the UID and the MODSEQ are told."""
_MODSEQ_TOLD = told_of(Attribute.UID, Attribute.MODSEQ)


def mailbox_flags(view: View) -> bytes:
    """FLAGS, and PERMANENTFLAGS that says which of them last and that keywords can be made."""
    return _mailbox_flags(view.keywords, view.access)


@lru_cache(maxsize=256)
def _mailbox_flags(keywords: tuple[str, ...], access: Access) -> bytes:
    """Most mailboxes have the same few."""
    names = [*SYSTEM_FLAGS, *(keyword.encode("ascii") for keyword in keywords)]
    if access is Access.READ_ONLY:
        permanent = responses.permanent_flags_code((), keywords_creatable=False)
        return responses.flags(names) + responses.ok("Read-only mailbox", permanent)
    # RFC 9051 §7.1: \* goes once there is no room for another keyword.
    permanent = responses.permanent_flags_code(names, keywords_creatable=len(keywords) < MAX_KEYWORDS)
    return responses.flags(names) + responses.ok("Flags that last", permanent)
