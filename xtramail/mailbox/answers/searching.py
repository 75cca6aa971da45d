"""SEARCH: the numbers or UIDs that fit, as ``* SEARCH`` or ``* ESEARCH``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xtramail.mailbox.answers.answer import Answer, changes_text, selected, telling_of
from xtramail.mailbox.answers.progress import told_steps
from xtramail.mailbox.search import SearchRun
from xtramail.mailbox.session import Session
from xtramail.mailbox.view import Telling, View
from xtramail.model.errors import LimitReached
from xtramail.model.sequence import SequenceSet
from xtramail.wire.imap import commands, responses, status
from xtramail.wire.imap.commands import SearchReturn
from xtramail.wire.imap.search_keys import SearchKey, names_numbers
from xtramail.wire.imap.search_returns import PartialRange

_ALL = frozenset({SearchReturn.ALL})


def search(session: Session, command: commands.Search) -> Answer:
    view = selected(session)
    telling = telling_of_search(command.key, uid=command.uid)
    before = changes_text(view, view.sync(Telling.NO_EXPUNGES), with_uid=command.uid)
    if command.declined is not None:
        view.saved = ()
        return Answer(tagged=status.no(*command.declined), untagged=before, telling=telling_of(command.uid))
    try:
        run = SearchRun(session.services, view, command.key, telling=telling)
    except LimitReached:
        if command.returns is not None and SearchReturn.SAVE in command.returns:
            view.saved = ()
        raise
    return Answer(
        tagged=status.ok("Searched"),
        untagged=before,
        stream=_stream(session, view, run, command),
        telling=telling,
    )


def telling_of_search(key: SearchKey, *, uid: bool) -> Telling:
    """Message numbers among the keys of a UID SEARCH count as well (RFC 7162 §3.2.10.2)."""
    return telling_of(uid and not names_numbers(key))


def _stream(session: Session, view: View, run: SearchRun, command: commands.Search) -> Iterator[bytes]:
    returns = command.returns
    if returns is None and view.terms.rev2:
        # RFC 9051 §6.4.4: ESEARCH answers every search.
        returns = _ALL
    saves = returns is not None and SearchReturn.SAVE in returns
    if saves:
        # A search that fails saves nothing, and forgets what was saved before (RFC 5182 §2.1).
        view.saved = ()
    yield from told_steps(session, command.tag, run.steps(), run.turns)
    if returns is None:
        yield responses.search(_told(view, run.found, command), _modseq(view, run.found, command))
        return
    if saves:
        view.saved = _told_of(run.found, returns, command.partial)
    if returns != {SearchReturn.SAVE} or command.partial is not None:
        yield _esearch(view, run.found, command, returns)


def _esearch(
    view: View, found: Sequence[int], command: commands.Search, returns: frozenset[SearchReturn]
) -> bytes:
    numbers = _told(view, found, command)
    partial = command.partial
    return responses.esearch(
        command.tag,
        uid=command.uid,
        minimum=numbers[0] if numbers and SearchReturn.MIN in returns else None,
        maximum=numbers[-1] if numbers and SearchReturn.MAX in returns else None,
        count=len(numbers) if SearchReturn.COUNT in returns else None,
        every=SequenceSet.of_numbers(numbers) if SearchReturn.ALL in returns else None,
        partial=None if partial is None else (partial.text, SequenceSet.of_numbers(partial.of(numbers))),
        modseq=_modseq(view, _told_of(found, returns, partial), command),
    )


def _told(view: View, found: Sequence[int], command: commands.Search) -> Sequence[int]:
    return found if command.uid else view.numbers(found)


def _told_of(
    found: Sequence[int], returns: frozenset[SearchReturn], partial: PartialRange | None
) -> Sequence[int]:
    """The messages that the options are about: what ``$`` keeps (RFC 5182 §2.4), and whose highest MODSEQ is told
    (RFC 4731 §3.2)."""
    if returns & {SearchReturn.ALL, SearchReturn.COUNT} or not found:
        return found
    ends = ([found[0]] if SearchReturn.MIN in returns else []) + ([found[-1]] if SearchReturn.MAX in returns else [])
    if partial is not None:
        ends.extend(partial.of(found))
    elif not ends:
        return found
    return sorted(set(ends))


def _modseq(view: View, found: Sequence[int], command: commands.Search) -> int | None:
    if not command.uses_modseq:
        return None
    return max((place.row.modseq for place in view.places(found)), default=None)
