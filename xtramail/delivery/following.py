"""Following mail: the stories of messages that a person describes, as much of each as is his to see (``onlooker``)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from xtramail.delivery.onlooker import Onlooker
from xtramail.delivery.story import Stories, Story
from xtramail.directory.desk import Desk
from xtramail.model.actor import Role
from xtramail.model.errors import NoSuchMessage
from xtramail.model.ids import id_text
from xtramail.store import keys, tracking
from xtramail.store.engine import Engine
from xtramail.store.records import LogEvent
from xtramail.store.tracking import Query

_STEP = 500
"""Messages of which it is asked at once whether they are the actor's."""


@dataclass(frozen=True, slots=True)
class Followed:
    """``stories``: the newest last."""

    stories: tuple[Story, ...]
    more: bool
    """There are older ones that were not asked for."""


def follow(desk: Desk, query: Query, *, ids: Collection[int] = (), most: int) -> Followed:
    """The newest ``most`` messages that ``query`` describes, of ``ids`` alone where some are named. For admins.

    Those that are another's, or of which nothing is known, are left out alike.
    """
    desk.require(Role.DOMAIN, "trace")
    onlooker, stories = Onlooker(desk), Stories(desk.engine, desk.now())
    step = most + 1 if desk.actor.role is Role.OPERATOR else _STEP
    found: list[int] = []
    for message_id in _newest_first(desk.engine, query, frozenset(ids), step):
        logged = _logged(desk.engine, message_id)
        # Of one whose log is over the ledger may still know.
        if not logged or onlooker.sees(message_id, logged):
            found.append(message_id)
            if len(found) > most:
                break
    shown = [onlooker.shown(stories.of(message_id)) for message_id in reversed(found[:most])]
    return Followed(tuple(one for one in shown if one is not None and one.events), more=len(found) > most)


def story_of(desk: Desk, message_id: int) -> Story:
    """For admins. NoSuchMessage where nothing is known of it, or it is another's."""
    desk.require(Role.DOMAIN, "trace")
    found = Onlooker(desk).shown(Stories(desk.engine, desk.now()).of(message_id))
    if found is None or not found.events:
        raise NoSuchMessage(f"nothing is known of {id_text(message_id)}; find ids with: xtramail trace ADDRESS")
    return found


def _logged(engine: Engine, message_id: int) -> list[LogEvent]:
    return engine.read(keys.LOG, lambda snap: tracking.events_of(snap, message_id))


def _newest_first(engine: Engine, query: Query, ids: frozenset[int], step: int) -> Iterator[int]:
    if query.addresses or query.message_ids or query.words:
        found = engine.read(keys.LOG, lambda snap: tracking.search(snap, query, 0)).ids
        if not found and not ids and len(query.addresses) == 1 and not query.words and not query.message_ids:
            # A Message-ID without its brackets looks like an address.
            other = Query(message_ids=(f"<{query.addresses[0]}>",), high=query.high)
            found = engine.read(keys.LOG, lambda snap: tracking.search(snap, other, 0)).ids
        yield from (one for one in reversed(found) if not ids or one in ids)
    elif ids:
        yield from sorted((one for one in ids if query.low <= one < query.high), reverse=True)
    else:
        yield from _by_time(engine, query, step)


def _by_time(engine: Engine, query: Query, step: int) -> Iterator[int]:
    while True:
        page = engine.read(keys.LOG, lambda snap, query=query: tracking.search(snap, query, step))  # type: ignore[misc]
        yield from reversed(page.ids)
        if not page.more:
            return
        query = replace(query, high=page.ids[0])
