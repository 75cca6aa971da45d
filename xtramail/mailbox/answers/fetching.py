"""FETCH: which messages, what is told of them, and \\Seen where a body is read without PEEK."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from xtramail.mailbox.answers.answer import Answer, changes_text, chosen, selected, telling_of
from xtramail.mailbox.fetch import FetchRun, plan_of
from xtramail.mailbox.resync import changed_uids, vanished
from xtramail.mailbox.session import Session
from xtramail.mailbox.view import Access, Telling, View
from xtramail.model.errors import BadInput, Unavailable
from xtramail.model.flags import Flag
from xtramail.model.sequence import SequenceSet
from xtramail.wire.imap import commands, responses, status

_FETCHED = status.ok("Fetched")


def marks_seen(session: Session, command: commands.Fetch) -> bool:
    """Whether the FETCH has to write first (RFC 3501 §6.4.5)."""
    view = session.view
    return command.items.sets_seen and view is not None and view.access is Access.READ_WRITE


def fetch(session: Session, command: commands.Fetch) -> Answer:
    """Without a write: answered as it is asked."""
    view = selected(session)
    _check(view, command)
    numbers = command.numbers
    if command.changed_since is not None and command.uid and not numbers.saved:
        # All UIDs are named again at each resync; what changed since is little beside them.
        return _answer(session, command, view, numbers.resolved(view.uids[-1] if view.uids else 0), frozenset())
    return _answer(session, command, view, chosen(view, numbers, uid=command.uid), frozenset())


async def fetch_and_mark(session: Session, command: commands.Fetch) -> Answer:
    """\\Seen is durable before the body is told; the new flags are told with it.

    A store that cannot write leaves it unset: mail can be read all the same.
    """
    view = selected(session)
    _check(view, command)
    uids = chosen(view, command.numbers, uid=command.uid)
    unseen = [place.uid for place in view.places(uids) if not place.row.flags & Flag.SEEN]
    marked: frozenset[int] = frozenset()
    if unseen:
        try:
            stored = await session.store_flags(view, unseen, "add", Flag.SEEN, ())
        except Unavailable:
            return _answer(session, command, view, uids, marked)
        view.quieten(stored.changed)
        marked = frozenset(stored.changed)
    return _answer(session, command, view, uids, marked)


def _answer(
    session: Session, command: commands.Fetch, view: View, named: Sequence[int] | SequenceSet, marked: frozenset[int]
) -> Answer:
    """``named``: UIDs that are there, or with CHANGEDSINCE the set that names them."""
    since = command.changed_since
    plan = plan_of(command.items, command.uid, modseq=since is not None)
    # Flags are told as they are now. What the answer itself says of a message is not said twice; who knows MODSEQ is
    # told the one of each change (RFC 7162 §3.1).
    changes = view.sync(Telling.NO_EXPUNGES)
    if isinstance(named, SequenceSet):
        uids: Sequence[int] = named.select(changed_uids(view.told, since or 0))
    elif since is not None:
        wanted = frozenset(named)
        uids = [uid for uid in changed_uids(view.told, since) if uid in wanted]
    else:
        uids = named
    if command.partial is not None:
        uids = command.partial.of(uids)
    if plan.tells_flags and changes.flags and (plan.tells_modseq or not view.terms.condstore):
        told = frozenset(uids)
        changes = replace(changes, flags=tuple(change for change in changes.flags if change.uid not in told))
    before = changes_text(view, changes, with_uid=command.uid) + _vanished(view, command)
    run = FetchRun(engine=session.services.engine, view=view, plan=plan, with_flags=marked)
    lines = run.at_once(uids)
    return Answer(
        tagged=_FETCHED,
        untagged=before if lines is None else before + lines,
        stream=_stream(run, uids) if lines is None else None,
        telling=telling_of(command.uid),
    )


def _vanished(view: View, command: commands.Fetch) -> bytes:
    """VANISHED (EARLIER), before what is fetched (RFC 7162 §3.2.6)."""
    if not command.vanished or command.changed_since is None:
        return b""
    gone = vanished(view.told, view.uids, command.changed_since, command.numbers)
    return responses.vanished(gone, earlier=True) if gone else b""


def _check(view: View, command: commands.Fetch) -> None:
    if command.vanished and not view.terms.qresync:
        raise BadInput("VANISHED needs ENABLE QRESYNC first")


def _stream(run: FetchRun, uids: Sequence[int]) -> Iterator[bytes]:
    yield from run.octets(uids)
    if run.failed is not None:
        raise run.failed
