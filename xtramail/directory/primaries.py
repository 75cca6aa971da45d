"""The state of a domain's primary, changed: one step of the table, with what follows from it for the queue."""

from __future__ import annotations

from typing import Any

from xtramail.directory import step_words
from xtramail.directory.domain_settings import count, seconds
from xtramail.model.address import domain_key
from xtramail.model.primary import OUTAGE, Event, Hysteresis, State
from xtramail.store import alerts, keys, outages, outbound
from xtramail.store.engine import Engine, Txn, TxnFunction
from xtramail.store.outages import PrimaryRow, Transition
from xtramail.store.records import Destination, DomainRow
from xtramail.telemetry.crashpoint import reach


def hysteresis(domain: DomainRow) -> Hysteresis:
    """The numbers of one domain."""
    return Hysteresis(
        window=seconds(domain, "outage-window"),
        faults=count(domain, "outage-faults"),
        goods=count(domain, "outage-goods"),
        deferred=count(domain, "outage-deferred"),
    )


def primary_of(engine: Engine, name: str) -> PrimaryRow:
    """The state of a domain's primary."""
    return engine.read(keys.domain_scope(domain_key(name)), outages.primary)


async def step(
    engine: Engine,
    name: str,
    event: Event,
    *,
    cause: str,
    now: float,
    held_by: str = "",
    ask_first: bool = False,
) -> Transition | None:
    """Take a step in the table of states; None when it leads nowhere from the state that is there by then."""
    parts = step_parts(name, event, cause=cause, now=now, held_by=held_by, ask_first=ask_first)
    reach("outage.before-step")
    results = await engine.transact_all(parts)
    reach("outage.after-step")
    transition: Transition | None = results[0]
    return transition


def step_parts(
    name: str, event: Event, *, cause: str, now: float, by: str = "", held_by: str = "", ask_first: bool = False
) -> list[tuple[bytes, TxnFunction[Any]]]:
    """The parts of the transaction that is a step; the result of the first is the transition, or None.

    State, history, outage and alert, and how it stands with the destination in the queue, are one commit. ``by``: who
    takes it, where a person does.
    """
    taken: list[Transition | None] = [None]

    def advance(txn: Txn) -> Transition | None:
        taken[0] = outages.advance(
            txn, event, cause=cause, now=now, by=by, held_by=held_by, ask_first=ask_first
        )
        return taken[0]

    def follow(txn: Txn) -> None:
        if taken[0] is None:
            return
        after = State(taken[0].after)
        if after in OUTAGE:
            outbound.set_destination(
                txn, Destination(name=name, state=after, reason=taken[0].cause, since=now)
            )
        else:
            outbound.clear_destination(txn, name)

    def tell(txn: Txn) -> None:
        if taken[0] is not None:
            text, fields = step_words.words(name, taken[0]), step_words.fields(taken[0])
            alerts.raise_alert(txn, kind=step_words.KIND, domain=name, text=text, fields=fields, now=now)

    return [(keys.domain_scope(name), advance), (keys.QUEUE, follow), (keys.ALERTS, tell)]
