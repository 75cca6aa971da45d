"""The writer thread by itself: what it refuses, and that nothing ends it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.store.harness import Reader
from xtramail.model.errors import StoreBusy
from xtramail.model.pending import Pending
from xtramail.store.watchers import Watchers
from xtramail.store.writer import QUEUE_OCTETS, Job, Outcome, Writer, report


def job(octets: int = 0) -> Job:
    return Job(work=lambda rows, drops: None, scopes=(), pending=Pending(), octets=octets)


class Committing:
    """Commits whatever it is given; the first group with ``fault``."""

    def __init__(self, fault: Exception | None = None) -> None:
        self._fault = fault

    def __call__(self, jobs: Iterator[Job]) -> list[Outcome]:
        taken = list(jobs)
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault
        return [Outcome(job=one, wrote=True) for one in taken]


def writer_of(commit: Committing, reader: Reader, *, turns: list[object] | None = None) -> Writer:
    watchers = Watchers()
    defer = (lambda turn: turn()) if turns is None else turns.append
    return Writer(commit, reader.deliver, lambda outcomes: report(outcomes, watchers), 8, defer)


def test_a_bug_in_a_commit_is_told_to_who_waits_and_the_next_group_is_written() -> None:
    reader = Reader()
    writer = writer_of(Committing(fault=RuntimeError("a bug")), reader)
    first, second = job(), job()
    writer.submit(first)
    with pytest.raises(RuntimeError, match="a bug"):
        reader.wait(first.pending)
    writer.submit(second)
    reader.wait(second.pending)
    writer.close()


def test_more_octets_than_memory_should_hold_are_refused_until_some_are_written() -> None:
    reader = Reader()
    turns: list[object] = []
    writer = writer_of(Committing(), reader, turns=turns)
    kept, over, small = job(QUEUE_OCTETS - 10), job(11), job(10)
    for one in (kept, over, small):
        writer.submit(one)
    with pytest.raises(StoreBusy):
        over.pending.result()
    assert not kept.pending.done and not small.pending.done and len(turns) == 1
    writer.close()
    assert kept.pending.done and small.pending.done
    assert writer.waiting == 0
