"""What a command asks of the network: a coroutine on a reactor of the command's own, to its end."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import click
from twisted.internet.selectreactor import SelectReactor
from twisted.python.failure import Failure

from xtramail.net.adapter import start

T = TypeVar("T")


def run_on_reactor(work: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
    """Run ``work(reactor)`` to its end on a reactor of its own; click.Abort when it was interrupted."""
    # Not the installed one, which runs once in the life of a process.
    reactor: Any = SelectReactor()
    results: list[T | Failure] = []

    def ended(result: T | Failure) -> None:
        results.append(result)
        reactor.stop()

    reactor.callWhenRunning(lambda: start(work(reactor)).addBoth(ended))
    reactor.run()
    if not results:
        raise click.Abort
    (result,) = results
    if isinstance(result, Failure):
        result.raiseException()
    return result
