"""SEARCH: the numbers or UIDs that fit, as ``* SEARCH`` or ``* ESEARCH``."""

from __future__ import annotations

from collections.abc import Iterator

from xtramail.mailbox.answers.answer import Answer, changes_text, selected, telling_of
from xtramail.mailbox.search import SearchRun
from xtramail.mailbox.session import Session
from xtramail.mailbox.view import Telling, View
from xtramail.model.sequence import SequenceSet
from xtramail.wire.imap import commands, responses, status
from xtramail.wire.imap.commands import SearchReturn


def search(session: Session, command: commands.Search) -> Answer:
    view = selected(session)
    before = changes_text(view, view.sync(Telling.NO_EXPUNGES), with_uid=command.uid)
    run = SearchRun(session.services, view, command.key)
    return Answer(
        tagged=status.ok("Searched"),
        untagged=before,
        stream=_stream(view, run, command),
        telling=telling_of(command.uid),
    )


def _stream(view: View, run: SearchRun, command: commands.Search) -> Iterator[bytes]:
    for _ in run.steps():
        yield b""
    numbers = run.found if command.uid else [view.number(uid) for uid in run.found]
    modseq = max((place.row.modseq for place in view.places(run.found)), default=None) if command.uses_modseq else None
    if command.returns is None:
        yield responses.search(numbers, modseq)
        return
    returns = command.returns
    yield responses.esearch(
        command.tag,
        uid=command.uid,
        minimum=numbers[0] if numbers and SearchReturn.MIN in returns else None,
        maximum=numbers[-1] if numbers and SearchReturn.MAX in returns else None,
        count=len(numbers) if SearchReturn.COUNT in returns else None,
        every=SequenceSet.of_numbers(numbers) if SearchReturn.ALL in returns else None,
        modseq=modseq,
    )
