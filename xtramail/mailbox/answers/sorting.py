"""SORT and THREAD: what fits, in an order or in threads, as ``* SORT`` and ``* THREAD`` (RFC 5256 §4)."""

from __future__ import annotations

from collections.abc import Iterator

from xtramail.mailbox.answers.answer import Answer, changes_text, selected
from xtramail.mailbox.answers.progress import told_steps
from xtramail.mailbox.answers.searching import telling_of_search
from xtramail.mailbox.session import Session
from xtramail.mailbox.sorting import SortRun
from xtramail.mailbox.threading_run import ThreadRun, thread_text
from xtramail.mailbox.view import Telling, View
from xtramail.wire.imap import responses, status
from xtramail.wire.imap.sort_commands import Sort, Thread


def sort(session: Session, command: Sort) -> Answer:
    view = selected(session)
    before = changes_text(view, view.sync(Telling.NO_EXPUNGES), with_uid=command.uid)
    telling = telling_of_search(command.key, uid=command.uid)
    run = SortRun(session.services, view, command.key, command.order, telling=telling)
    return Answer(
        tagged=status.ok("Sorted"),
        untagged=before,
        stream=_sorted(session, view, run, command),
        telling=telling,
    )


def _sorted(session: Session, view: View, run: SortRun, command: Sort) -> Iterator[bytes]:
    yield from told_steps(session, command.tag, run.steps(), run.turns)
    numbers = run.found if command.uid else [view.number(uid) for uid in run.found]
    modseq = max((place.row.modseq for place in view.places(run.found)), default=None) if command.uses_modseq else None
    yield b"* SORT" + responses.search(numbers, modseq).removeprefix(b"* SEARCH")


def thread(session: Session, command: Thread) -> Answer:
    view = selected(session)
    before = changes_text(view, view.sync(Telling.NO_EXPUNGES), with_uid=command.uid)
    telling = telling_of_search(command.key, uid=command.uid)
    run = ThreadRun(session.services, view, command.key, command.algorithm, telling=telling)
    return Answer(
        tagged=status.ok("Threaded"),
        untagged=before,
        stream=_threaded(session, view, run, command),
        telling=telling,
    )


def _threaded(session: Session, view: View, run: ThreadRun, command: Thread) -> Iterator[bytes]:
    yield from told_steps(session, command.tag, run.steps(), run.turns)
    yield b"* THREAD " if run.roots else b"* THREAD"
    yield from thread_text(run.roots, None if command.uid else view)
    yield b"\r\n"
