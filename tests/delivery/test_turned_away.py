"""What was refused is written down with who, whom and why; a flood of it is not."""

from __future__ import annotations

from dataclasses import replace

from tests.delivery.world import PEER, World
from xtramail.delivery.policy import NO_SUCH_USER, STORE_FULL
from xtramail.delivery.turned_away import HOUR, KIND, TurnedAway
from xtramail.model.address import Address
from xtramail.model.ids import MessageId
from xtramail.model.outcome import Reply
from xtramail.model.peer import Peer
from xtramail.store import keys, tracking
from xtramail.store.tracking import Query

ZOE, NOBODY = Address.parse("zoe@sender.example"), Address.parse("nobody@local.example")


def tell(
    world: World, away: TurnedAway, peer: Peer = PEER, *, times: int = 1, reply: Reply = NO_SUCH_USER
) -> list[MessageId]:
    ids = [world.ids.next() for _ in range(times)]
    for number in ids:
        away.tell(
            message_id=number,
            peer=peer,
            service="smtp",
            command="RCPT",
            sender=ZOE,
            recipients=(NOBODY,),
            reply=reply,
        )
    return ids


def written(world: World) -> list[int]:
    return list(world.engine.read(keys.LOG, lambda snap: tracking.search(snap, Query(), 10_000)).ids)


def test_a_refusal_names_who_was_refused_for_whom_at_what_and_why() -> None:
    world = World()
    peer = replace(PEER, tls="TLSv1.3 TLS_AES_256_GCM_SHA384")
    (number,) = tell(world, TurnedAway(world.engine, world.clock), peer)
    (event,) = world.events(number)
    assert (event.kind, event.sender, event.recipients) == (KIND, str(ZOE), (str(NOBODY),))
    assert event.text == "550 5.1.1 No such user here"
    assert event.fields == {
        "command": "RCPT",
        "peer": PEER.address,
        "helo": PEER.helo,
        "tls": peer.tls,
        "service": "smtp",
        "code": "550",
    }
    for address in (ZOE, NOBODY):
        query = Query(addresses=(str(address).upper(),))
        assert world.engine.read(keys.LOG, lambda snap, q=query: tracking.search(snap, q, 9)).ids == (number,)


def test_one_network_is_written_so_often_an_hour_and_the_rest_is_counted() -> None:
    world = World()
    away = TurnedAway(world.engine, world.clock, each=3)
    ids = tell(world, away, times=10)
    neighbour = replace(PEER, address=PEER.address.rpartition(".")[0] + ".99")
    tell(world, away, neighbour)
    other = tell(world, away, replace(PEER, address="198.51.100.1"))
    assert written(world) == [*ids[:3], *other]
    world.clock.advance(HOUR)
    (later,) = tell(world, away)
    assert world.events(later)[0].fields["left-out"] == "8"


def test_a_flood_from_everywhere_cannot_fill_the_store() -> None:
    world = World()
    away = TurnedAway(world.engine, world.clock, all=20)
    for number in range(50):
        tell(world, away, replace(PEER, address=f"10.0.{number}.1"))
    assert len(written(world)) == 20
    world.clock.advance(HOUR)
    tell(world, away)
    assert len(written(world)) == 21


def test_our_own_trouble_is_not_written_into_the_store_that_has_it() -> None:
    world = World()
    tell(world, TurnedAway(world.engine, world.clock), reply=STORE_FULL)
    assert written(world) == []
