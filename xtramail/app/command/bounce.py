"""Gives queue entries up from the command line: the one command that needs the network (may the sender be told?)."""

from __future__ import annotations

from typing import Any

from twisted.internet import task

from xtramail.app.command.context import Context
from xtramail.app.core import Core
from xtramail.net.adapter import start
from xtramail.telemetry.metrics import Metrics


def give_up(context: Context, numbers: list[int], reason: str) -> list[int]:
    """Bounce each queue entry; the ids of those that somebody is just handing over, which were left alone."""
    late: list[int] = []

    async def bounce(reactor: Any) -> None:
        core = Core(
            context.settings,
            engine=context.engine,
            keyring=context.keyring,
            clock=context.clock,
            reactor=reactor,
            metrics=Metrics(),
        )
        for number in numbers:
            if await core.relay.bounce(number, reason) is None:
                late.append(number)

    try:
        task.react(lambda reactor: start(bounce(reactor)))
    except SystemExit as ended:
        # task.react always exits; 0 is the good end, everything else was reported by it.
        if ended.code:
            raise
    return late
