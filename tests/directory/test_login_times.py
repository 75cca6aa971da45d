"""When users logged in is kept: seldom written, in batches, and lost by no full store."""

from __future__ import annotations

from typing import Any

import pytest

from tests.delivery.world import World
from xtramail.directory.login_times import LoginTimes
from xtramail.directory.users import remove_user
from xtramail.model.address import Address
from xtramail.model.errors import StoreFull
from xtramail.model.pending import Pending, drive
from xtramail.store import keys, logins


class Times:
    def __init__(self) -> None:
        self.world = World()
        self.clock = self.world.clock
        self.commits = 0
        self.times = LoginTimes(self.world.engine, self.clock)
        self.world.engine.watch(keys.LOGINS, self._written)

    def _written(self) -> None:
        self.commits += 1

    def of(self, account_id: int) -> dict[str, float]:
        found: dict[str, float] = self.world.engine.read(
            keys.LOGINS, lambda snap: logins.last_logins(snap, account_id)
        )
        return found


@pytest.fixture
def kept() -> Times:
    return Times()


def test_many_logins_of_an_hour_are_one_row_and_one_commit(kept: Times) -> None:
    ann, bob, began = kept.world.ann, kept.world.bob, kept.clock.now()
    for _ in range(100):
        kept.times.seen(ann, "imap")
        kept.times.seen(bob, "pop3")
    drive(kept.times.flush())
    for _ in range(59):
        kept.clock.advance(60)
        kept.times.seen(ann, "imap")
        drive(kept.times.flush())
    assert (kept.of(ann.id), kept.of(bob.id), kept.commits) == ({"imap": began}, {"pop3": began}, 1)
    kept.clock.advance(61)
    kept.times.seen(ann, "imap")
    kept.times.seen(ann, "submission")
    drive(kept.times.flush())
    assert kept.of(ann.id) == {"imap": kept.clock.now(), "submission": kept.clock.now()} and kept.commits == 2


def test_what_a_full_store_does_not_take_is_written_later(kept: Times, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.times.seen(kept.world.ann, "imap")
    full: Any = lambda scope, function: Pending.failed(StoreFull())  # noqa: E731
    with monkeypatch.context() as patch:
        patch.setattr(kept.world.engine, "transact", full)
        with pytest.raises(StoreFull):
            drive(kept.times.flush())
    drive(kept.times.flush())
    assert kept.of(kept.world.ann.id) == {"imap": kept.clock.now()}


def test_a_user_who_is_removed_is_forgotten(kept: Times) -> None:
    kept.times.seen(kept.world.ann, "imap")
    drive(kept.times.flush())
    drive(remove_user(kept.world.desk, Address.parse("ann@local.example")))
    assert kept.of(kept.world.ann.id) == {}


def test_after_the_begin_of_an_outage_the_next_login_is_written_at_once(kept: Times) -> None:
    kept.times.seen(kept.world.ann, "imap")
    drive(kept.times.flush())
    kept.clock.advance(60)
    kept.times.anew()
    kept.times.seen(kept.world.ann, "imap")
    drive(kept.times.flush())
    assert kept.of(kept.world.ann.id) == {"imap": kept.clock.now()}
