"""What the server finds wrong with itself is told when it begins, and once a day while it lasts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.delivery.world import KEYRING, World
from xtramail.delivery.policy import Policy, PolicySettings
from xtramail.delivery.self_watch import SelfWatch
from xtramail.directory.rewriting import Rewriting
from xtramail.store import keys, queue_keys
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.records import FateCounts, encode


class Watched(World):
    def __init__(self, capacity: int = 1 << 40) -> None:
        super().__init__(engine=MemoryEngine(capacity=capacity))
        self.said: list[tuple[str, str, str, Mapping[str, str]]] = []
        self.audits: list[bool] = []
        settings = PolicySettings(hostname="h.example", message_size=1 << 20)
        policy = Policy(
            engine=self.engine,
            directory=self.directory,
            rewriting=Rewriting(engine=self.engine, keyring=KEYRING, clock=self.clock),
            clock=self.clock,
            settings=settings,
        )
        self.policy = policy
        self.watch = SelfWatch(
            engine=self.engine,
            policy=policy,
            clock=self.clock,
            say=lambda kind, domain, text, fields=None: self.said.append((kind, domain, text, fields or {})),
            audited=self.audits.append,
        )

    def spoil(self, accepted: int) -> None:
        bucket = self.queue()[0].body.bucket
        row = encode(FateCounts(accepted=accepted, fates={"held": 1}))
        self.engine.transact(keys.QUEUE, lambda txn: txn.put(bucket, queue_keys.FATE_COUNTS, row)).result()


def run(walk: Iterator[None]) -> None:
    for _ in walk:
        pass


def test_a_ledger_that_does_not_balance_is_told_once_a_day_with_its_bucket() -> None:
    world = Watched()
    world.receive("ray@relay.example")
    run(world.watch.ledger())
    assert world.audits == [True] and world.said == []
    world.spoil(2)
    for _ in range(48):
        run(world.watch.ledger())
        world.clock.advance(3600)
    assert len(world.said) == 2 and set(world.audits[1:]) == {False}
    kind, domain, text, fields = world.said[0]
    assert (kind, domain) == ("ledger-unbalanced", "") and "2 accepted, 1 fates" in text and "xtramail verify" in text
    assert fields["buckets"] == str(world.queue()[0].body.bucket)


def test_another_imbalance_and_one_after_a_good_look_are_told_at_once() -> None:
    world = Watched()
    world.receive("ray@relay.example")
    for accepted in (2, 3, 1, 3):
        world.spoil(accepted)
        run(world.watch.ledger())
    assert len(world.said) == 3 and world.audits == [False, False, True, False]


def test_a_store_that_fills_is_told_before_mail_is_refused() -> None:
    # Of 8 MiB, mail is refused below 2; below 4 somebody hears of it.
    world = Watched(capacity=8 << 20)
    run(world.watch.store())
    assert world.said == []
    ballast = b"x" * 60_000
    for number in range(80):
        world.engine.transact(keys.STORE, lambda txn, n=number: txn.put(0, b"ballast%d" % n, ballast)).result()
    run(world.watch.store())
    run(world.watch.store())
    ((kind, domain, text, fields),) = world.said
    assert (kind, domain) == ("store-nearly-full", "") and "Below 2 MiB mail is refused" in text
    assert int(fields["free"]) > int(fields["refused-below"]) == 2 << 20
    assert world.policy.space() is None
