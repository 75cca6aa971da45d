"""Gives queue entries up from the command line: the one command that needs the network (may the sender be told?)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from xtramail.app.command.context import Context
from xtramail.app.command.on_reactor import run_on_reactor
from xtramail.app.outgoing import Outgoing
from xtramail.directory.rewriting import Rewriting
from xtramail.directory.signing_keys import SigningKeys
from xtramail.model.ids import IdSource, id_text


@dataclass(slots=True)
class GivenUp:
    """``untold``: why a sender hears nothing, for each message of which that is so."""

    bounced: list[int] = field(default_factory=list)
    late: list[int] = field(default_factory=list)
    """Entries that somebody is just handing over, or that are gone: left alone."""
    untold: list[str] = field(default_factory=list)


def give_up(context: Context, numbers: Sequence[int], reason: str) -> GivenUp:
    """Bounce each queue entry; those that somebody is just handing over are left alone."""
    done = GivenUp()

    async def bounce(reactor: Any) -> None:
        outgoing = Outgoing(
            context.named_settings,
            engine=context.engine,
            clock=context.clock,
            ids=IdSource(context.clock),
            reactor=reactor,
            run=f"command {secrets.token_hex(4)}",
            rewriting=Rewriting(engine=context.engine, keyring=context.keyring, clock=context.clock),
            signing=SigningKeys(context.engine, context.keyring, fault=lambda _, text: done.untold.append(text)),
            log=lambda attempt: None,
            untold=lambda entry, why: done.untold.append(f"{id_text(entry.message_id)}: its sender is not told: {why}"),
        )
        for number in numbers:
            found = done.late if await outgoing.relay.bounce(number, reason) is None else done.bounced
            found.append(number)

    run_on_reactor(bounce)
    return done
