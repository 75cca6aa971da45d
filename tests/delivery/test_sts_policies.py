"""Which policy holds when: by id, by time, and when somebody keeps us from asking."""

from __future__ import annotations

import pytest

from tests.delivery.promises import ScriptedNames, ScriptedSite
from xtramail.delivery.sts_policies import AGAIN_SECONDS, REFRESH_SECONDS, StsPolicies
from xtramail.model.clock import SetClock
from xtramail.model.pending import drive
from xtramail.store.memory_engine import MemoryEngine
from xtramail.wire.dns.answer import Text
from xtramail.wire.mta_sts import StsText

FAR = "far.example"
WEEK = 604_800
ENFORCE = StsText(mode="enforce", max_age=WEEK, hosts=("a.far.example",))
OTHER = StsText(mode="enforce", max_age=WEEK, hosts=("b.far.example",))


class World:
    def __init__(self) -> None:
        self.engine = MemoryEngine()
        self.clock = SetClock()
        self.names = ScriptedNames()
        self.site = ScriptedSite()
        self.announce("1").publish(ENFORCE)
        self.restart()

    def restart(self) -> None:
        """Another process on the same store."""
        self.policies = StsPolicies(engine=self.engine, names=self.names, site=self.site, clock=self.clock)

    def announce(self, number: str) -> World:
        self.names.put(f"_mta-sts.{FAR}", "TXT", Text(f"v=STSv1; id={number};"))
        return self

    def publish(self, policy: StsText | str) -> World:
        self.site.policies[FAR] = policy
        return self

    def policy(self) -> StsText | None:
        return drive(self.policies.policy(FAR))


@pytest.fixture
def world() -> World:
    return World()


def test_an_announced_policy_is_fetched_once_and_kept_over_a_restart(world: World) -> None:
    assert world.policy() == ENFORCE and world.policy() == ENFORCE
    world.restart()
    assert world.policy() == ENFORCE and world.site.fetched == [FAR]


def test_without_a_record_nothing_is_fetched(world: World) -> None:
    world.names.records.clear()
    assert world.policy() is None and world.site.fetched == []


def test_a_new_id_brings_the_new_policy(world: World) -> None:
    world.policy()
    world.publish(OTHER)
    assert world.policy() == ENFORCE
    world.announce("2")
    assert world.policy() == OTHER


def test_a_record_that_vanishes_or_dns_that_fails_does_not_end_a_policy(world: World) -> None:
    world.policy()
    world.names.records.clear()
    assert world.policy() == ENFORCE
    world.names.bad.add((f"_mta-sts.{FAR}", "TXT"))
    assert world.policy() == ENFORCE
    world.clock.advance(WEEK - 1)
    assert world.policy() == ENFORCE
    world.clock.advance(2)
    assert world.policy() is None


def test_a_policy_that_cannot_be_fetched_leaves_the_one_before(world: World) -> None:
    world.policy()
    world.announce("2").publish("no certificate that is good")
    assert world.policy() == ENFORCE
    world.restart()
    assert world.policy() == ENFORCE


def test_one_that_was_never_had_is_none_and_is_tried_again_after_a_while(world: World) -> None:
    world.publish("500")
    assert world.policy() is None and world.policy() is None and world.site.fetched == [FAR]
    world.publish(ENFORCE)
    world.clock.advance(AGAIN_SECONDS - 1)
    assert world.policy() is None
    world.clock.advance(2)
    assert world.policy() == ENFORCE


def test_a_day_later_it_is_fetched_anew_so_that_it_does_not_end(world: World) -> None:
    world.policy()
    for _ in range(10):
        world.clock.advance(REFRESH_SECONDS + 1)
        assert world.policy() == ENFORCE
    assert len(world.site.fetched) == 11
    world.clock.advance(WEEK - 1)
    world.names.records.clear()
    assert world.policy() == ENFORCE


def test_mode_none_ends_an_enforced_policy(world: World) -> None:
    world.policy()
    world.announce("2").publish(StsText(mode="none", max_age=86_400))
    found = world.policy()
    assert found is not None and found.mode == "none"
    world.restart()
    found = world.policy()
    assert found is not None and found.mode == "none" and len(world.site.fetched) == 2


def test_messages_that_wait_for_a_policy_share_one_fetch(world: World) -> None:
    world.site.slow = True
    waiting = [world.policies.policy(FAR) for _ in range(3)]
    for one in waiting:
        one.send(None)
    assert world.site.fetched == [FAR]
    world.site.waiting[FAR].settle(ENFORCE)
    for one in waiting:
        assert drive(one) == ENFORCE


def test_a_clock_that_was_set_back_makes_us_ask_again(world: World) -> None:
    world.policy()
    world.clock.jump(-3 * REFRESH_SECONDS)
    assert world.policy() == ENFORCE and len(world.site.fetched) == 2
