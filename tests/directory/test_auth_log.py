"""What is kept of logins: enough to see a guesser, never so much that he fills the store."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.delivery.world import World
from xtramail.directory import auth_log
from xtramail.directory.auth_log import AuthLog
from xtramail.model.errors import NoSuchDomain, StoreFull
from xtramail.model.peer import Peer
from xtramail.store.records import AuthEvent

HERE, NEAR, FAR = Peer(address="192.0.2.7"), Peer(address="192.0.2.8"), Peer(address="198.51.100.9")
ANN = "ann@local.example"


class Kept:
    def __init__(self) -> None:
        self.world = World()
        self.log = AuthLog(self.world.engine, self.world.clock)

    def refuse(self, name: str = ANN, peer: Peer = HERE, reason: str = "wrong password") -> None:
        self.log.refused(name=name, peer=peer, service="imap", reason=reason)
        self.world.clock.advance(0.001)

    def rows(self, *, failed: bool = False, domain: str = "", address: str = "", since: float = 0.0) -> list[AuthEvent]:
        return auth_log.events(
            self.world.desk, domain=domain, address=address, failed=failed, since=since, most=1_000
        )


@pytest.fixture
def kept() -> Kept:
    return Kept()


def test_logins_are_kept_with_their_reason_the_newest_first(kept: Kept) -> None:
    kept.refuse()
    kept.log.good(kept.world.ann, HERE, "imap")
    kept.world.clock.advance(1)
    kept.log.good(replace(kept.world.bob, device=b"1"), FAR, "pop3")
    assert [(row.address, row.service, row.outcome, row.text, row.peer) for row in kept.rows()] == [
        ("bob@local.example", "pop3", "good", "by a device password", "198.51.100.9"),
        (ANN, "imap", "good", "by password", "192.0.2.7"),
        (ANN, "imap", "refused", "wrong password", "192.0.2.7"),
    ]


def test_good_logins_are_kept_once_an_hour_for_each_service_and_network(kept: Kept) -> None:
    for _ in range(10):
        kept.log.good(kept.world.ann, HERE, "imap")
        kept.log.good(kept.world.ann, NEAR, "imap")
        kept.world.clock.advance(300)
    assert len(kept.rows()) == 1
    kept.log.good(kept.world.ann, FAR, "imap")
    kept.log.good(kept.world.ann, HERE, "submission")
    assert len(kept.rows()) == 3
    kept.world.clock.advance(3_600)
    kept.log.good(kept.world.ann, HERE, "imap")
    assert len(kept.rows()) == 4


def test_a_guesser_is_seen_and_counted_and_fills_nothing(kept: Kept) -> None:
    for _ in range(1_000):
        kept.refuse()
    assert len(kept.rows()) == auth_log.REFUSED_MOST
    kept.world.clock.advance(600)
    kept.refuse()
    assert kept.rows()[0].left_out == 1_000 - auth_log.REFUSED_MOST
    for number in range(1_000):
        kept.refuse(f"user{number}@local.example", Peer(address=f"10.0.{number % 250}.1"))
    assert len(kept.rows()) <= auth_log.REFUSED_MOST + 1 + auth_log.MOST_IN_A_MINUTE


def test_rows_are_chosen_by_domain_address_outcome_and_time(kept: Kept) -> None:
    kept.refuse("ANN@Local.Example")
    kept.refuse("eve@gone.example")
    kept.refuse("\udcff")
    kept.log.good(kept.world.ann, HERE, "imap")
    assert [row.outcome for row in kept.rows(address=ANN)] == ["good", "refused"]
    assert [row.address for row in kept.rows(domain="LOCAL.example")] == [ANN, ANN]
    with pytest.raises(NoSuchDomain):
        kept.rows(domain="gone.example")
    assert len(kept.rows(failed=True)) == 3 and len(kept.rows()) == 4
    assert kept.rows(since=kept.world.clock.now() + 1) == []


def test_what_a_full_disk_could_not_keep_is_counted(kept: Kept) -> None:
    kept.world.engine.fail_next(StoreFull())
    kept.refuse()
    kept.refuse()
    (row,) = kept.rows()
    assert row.left_out == 1
