"""Coroutines of Pendings and Deferreds, run as Deferreds."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from xtramail.model.errors import StoreBusy
from xtramail.model.pending import Pending
from xtramail.net.adapter import deferred, set_going, start


def outcome_of(finished: Deferred[Any]) -> list[Any]:
    seen: list[Any] = []
    finished.addBoth(seen.append)
    return seen


def test_a_coroutine_that_never_waits_is_finished_at_once() -> None:
    async def work() -> int:
        return await Pending.of(20) + 1

    assert outcome_of(start(work())) == [21]


def test_it_waits_for_pendings_and_deferreds_in_turn() -> None:
    pending: Pending[int] = Pending()
    later: Deferred[int] = Deferred()

    async def work() -> int:
        first = await pending
        return first + await later

    seen = outcome_of(start(work()))
    assert seen == []
    pending.settle(3)
    assert seen == []
    later.callback(4)
    assert seen == [7]


def test_a_failure_is_raised_where_the_coroutine_waits() -> None:
    pending: Pending[int] = Pending()
    later: Deferred[int] = Deferred()

    async def work() -> str:
        caught = []
        try:
            await pending
        except StoreBusy:
            caught.append("pending")
        try:
            await later
        except KeyError:
            caught.append("deferred")
        return " ".join(caught)

    seen = outcome_of(start(work()))
    pending.fail(StoreBusy())
    later.errback(KeyError("x"))
    assert seen == ["pending deferred"]


def test_what_the_coroutine_raises_fails_the_deferred() -> None:
    async def work() -> None:
        raise StoreBusy("full")

    seen = outcome_of(start(work()))
    assert seen[0].check(StoreBusy) is StoreBusy


def test_a_run_that_nobody_asks_about_goes_on_when_what_it_waits_for_is_there() -> None:
    pending: Pending[int] = Pending()
    seen: list[int] = []

    async def work() -> None:
        seen.append(await pending)

    set_going(work())
    assert seen == []
    pending.settle(7)
    assert seen == [7]


def test_cancelling_closes_the_coroutine_and_forgets_what_it_waited_for() -> None:
    pending: Pending[int] = Pending()
    closed = []

    async def work() -> None:
        try:
            await pending
        finally:
            closed.append(True)

    finished = start(work())
    seen = outcome_of(finished)
    finished.cancel()
    assert closed == [True]
    assert seen[0].check(CancelledError)
    pending.settle(1)


def test_a_coroutine_may_cancel_its_own_run() -> None:
    gate: Pending[None] = Pending()
    held: list[Deferred[None]] = []

    async def work() -> None:
        await gate
        held[0].cancel()
        await Pending[None]()

    held.append(start(work()))
    seen = outcome_of(held[0])
    gate.settle(None)
    assert seen[0].check(CancelledError)


def test_one_pending_as_a_deferred() -> None:
    pending: Pending[int] = Pending()
    seen = outcome_of(deferred(pending))
    pending.settle(5)
    assert seen == [5]
    assert outcome_of(deferred(Pending.failed(StoreBusy())))[0].check(StoreBusy)
