"""Which primary decides about a recipient."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.delivery.world import World
from xtramail.delivery.asking import PrimaryAsker, primary_hops
from xtramail.delivery.courier import Hop
from xtramail.model.address import Address
from xtramail.model.errors import PrimaryDown
from xtramail.model.outcome import Reply
from xtramail.model.pending import Pending, drive
from xtramail.store.records import DomainRow

ANN = Address.parse("ann@relay.example")


class Hosts:
    """A courier that only answers questions."""

    def __init__(self, **says: Reply | None) -> None:
        self.says = says
        self.asked: list[str] = []

    def ask(self, hop: Hop, address: Address) -> Pending[Reply]:
        self.asked.append(hop.host)
        reply = self.says[hop.host]
        return Pending.of(reply) if reply is not None else Pending.failed(PrimaryDown(f"{hop} is away"))


YES, NO = Reply.of(250, "2.1.5", "ok"), Reply.of(550, "5.1.1", "who?")


def domain(*hosts: str) -> DomainRow:
    row = World().directory.domain("relay.example")
    assert row is not None
    return replace(row, primaries=tuple((host, 25) for host in hosts), primary_tls="required")


def ask(hosts: Hosts, row: DomainRow) -> Reply:
    return drive(PrimaryAsker(hosts).ask(row, ANN))  # type: ignore[arg-type]


def test_the_first_primary_that_answers_decides() -> None:
    assert ask(Hosts(a=YES, b=NO), domain("a", "b")) == YES
    assert ask(Hosts(a=None, b=NO), domain("a", "b")) == NO


def test_nobody_there_is_the_last_ones_fault() -> None:
    with pytest.raises(PrimaryDown, match="b:25 is away"):
        ask(Hosts(a=None, b=None), domain("a", "b"))
    with pytest.raises(PrimaryDown, match="has no primary"):
        ask(Hosts(), domain())


def test_the_route_to_a_primary_is_the_domains() -> None:
    assert primary_hops(domain("a")) == [Hop(host="a", port=25, tls="required")]
