"""Which address blocks users come from is kept over restarts: seldom written, bounded, and lost by no full store."""

from __future__ import annotations

from typing import Any

import pytest

from xtramail.directory.guard import Guard, GuardLimits
from xtramail.directory.known_blocks import EVERY, MOST_GONE, KnownBlocks
from xtramail.model.clock import DAY_SECONDS, SetClock
from xtramail.model.errors import Corrupt, StoreFull
from xtramail.model.peer import Peer
from xtramail.model.pending import Pending, drive
from xtramail.store import keys, known_blocks
from xtramail.store.memory_engine import MemoryEngine

HOME = Peer(address="192.0.2.7")
ANN = "ann@local.example"
LIMITS = GuardLimits(per_block=3)


class Server:
    """One that can be started again on the same store."""

    def __init__(self, **limits: Any) -> None:
        self.limits = limits
        self.engine = MemoryEngine()
        self.clock = SetClock()
        self.commits = 0
        self.engine.watch(keys.LOGINS, self._written)
        self.start()

    def _written(self) -> None:
        self.commits += 1

    def start(self) -> None:
        self.known = KnownBlocks(self.engine, self.clock, **self.limits)
        self.guard = Guard(self.clock, LIMITS, known=self.known.ages(), on_known=self.known.seen)

    def flush(self) -> None:
        drive(self.known.flush())

    def restart(self) -> None:
        self.flush()
        self.start()

    def kept(self) -> dict[str, float]:
        return self.engine.read(keys.LOGINS, known_blocks.known_blocks)

    def guessed(self, peer: Peer) -> bool:
        """Whether ``peer`` is shut out when somebody beside it has guessed as often as a block may."""
        for number in range(LIMITS.per_block):
            self.guard.failed(f"u{number}@local.example", peer, "guess")
        return self.guard.refuses(ANN, peer)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7", ""])
def test_who_logged_in_before_a_restart_is_not_shut_out_for_his_neighbours_after_it(
    server: Server, address: str
) -> None:
    server.guard.succeeded(ANN, Peer(address=address))
    server.restart()
    assert not server.guessed(Peer(address=address))
    assert server.guessed(Peer(address="198.51.100.7"))


def test_a_restart_makes_nobody_known_for_longer(server: Server) -> None:
    server.guard.succeeded(ANN, HOME)
    server.clock.advance(29 * DAY_SECONDS)
    server.restart()
    assert not server.guessed(HOME)
    server.clock.advance(DAY_SECONDS)
    server.restart()
    assert server.guessed(HOME)


def test_many_logins_of_a_day_are_one_row_and_one_commit(server: Server) -> None:
    began = server.clock.now()
    for _ in range(20):
        server.guard.succeeded(ANN, HOME)
        server.clock.advance(EVERY / 24)
        server.flush()
    assert (server.kept(), server.commits) == ({"192.0.2.0/24": began}, 1)
    server.clock.advance(EVERY / 6)
    server.guard.succeeded(ANN, HOME)
    server.flush()
    assert (server.kept(), server.commits) == ({"192.0.2.0/24": server.clock.now()}, 2)


def test_nothing_is_written_at_the_login_itself(server: Server) -> None:
    server.guard.succeeded(ANN, HOME)
    assert server.commits == 0


def test_rows_leave_when_they_are_old_or_too_many() -> None:
    server = Server(most=2)
    for number in range(4):
        server.guard.succeeded(ANN, Peer(address=f"192.0.{number}.7"))
        server.clock.advance(60)
    server.flush()
    assert sorted(server.kept()) == ["192.0.2.0/24", "192.0.3.0/24"]
    server.clock.advance(30 * DAY_SECONDS - 90)
    server.restart()
    server.flush()
    assert sorted(server.kept()) == ["192.0.3.0/24"]


def test_a_great_many_old_ones_leave_in_several_commits(server: Server) -> None:
    for number in range(MOST_GONE + 5):
        server.guard.succeeded(ANN, Peer(address=f"10.{number >> 8}.{number & 255}.7"))
    server.restart()
    server.clock.advance(31 * DAY_SECONDS)
    server.flush()
    assert len(server.kept()) == 5
    server.flush()
    assert server.kept() == {}


def test_what_a_full_store_does_not_take_is_written_later(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.guard.succeeded(ANN, HOME)
    full: Any = lambda scope, function: Pending.failed(StoreFull())  # noqa: E731
    with monkeypatch.context() as patch:
        patch.setattr(server.engine, "transact", full)
        with pytest.raises(StoreFull):
            server.flush()
    server.flush()
    assert len(server.kept()) == 1


def test_a_row_that_cannot_be_read_keeps_no_server_down(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.guard.succeeded(ANN, HOME)
    server.flush()

    def damaged(_scope: bytes, _function: object) -> None:
        raise Corrupt

    with monkeypatch.context() as patch:
        patch.setattr(server.engine, "read", damaged)
        server.start()
    assert server.guessed(HOME)
    server.guard.succeeded(ANN, HOME)
    server.restart()
    assert not server.guessed(HOME)


@pytest.mark.parametrize("days", [-400, 400], ids=["back", "ahead"])
def test_a_clock_that_is_set_keeps_those_who_come_known(server: Server, days: int) -> None:
    server.guard.succeeded(ANN, HOME)
    server.restart()
    server.clock.jump(days * DAY_SECONDS)
    server.guard.succeeded(ANN, HOME)
    server.restart()
    assert not server.guessed(HOME)
