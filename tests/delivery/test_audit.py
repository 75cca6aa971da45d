"""The audit finds every kind of imbalance, and none where there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from tests.delivery.relay_world import RelayWorld, lose, refuse
from xtramail.delivery.audit import Audit, Unbalanced
from xtramail.model.bucket import Bucket
from xtramail.store import keys, outbound, queue_keys
from xtramail.store.engine import Txn
from xtramail.store.records import FateCounts, encode
from xtramail.wire.smtp.client_events import Stage

RAY = "ray@relay.example"


def audited(world: RelayWorld, *, step: int = 2, between: Callable[[], Any] = lambda: None) -> list[Unbalanced]:
    audit = Audit(world.engine, step)
    for _ in audit.walk():
        between()
    return audit.found


def busy(messages: int = 7) -> RelayWorld:
    """Mail with every kind of fate."""
    world = RelayWorld()
    for _ in range(messages):
        world.receive(RAY, "ann@local.example", "una@any.example")
    scripts = (refuse(Stage.RCPT, 451), lose(Stage.FINAL), refuse(Stage.DATA, 550))
    for entry, script in zip(world.queue(), scripts, strict=False):
        world.courier.script = script
        world.deliver(entry)
    return world


def bucket_of(world: RelayWorld) -> Bucket:
    return world.queue()[0].body.bucket


def change(world: RelayWorld, work: Callable[[Txn], Any]) -> None:
    world.engine.transact(keys.QUEUE, work).result()


def test_a_ledger_that_balances_is_found_so() -> None:
    assert audited(busy()) == [] and audited(RelayWorld()) == []


@pytest.mark.parametrize("step", [1, 2, 3, 1000])
def test_work_between_two_slices_is_no_imbalance(step: int) -> None:
    world = busy()

    def between() -> None:
        world.receive(RAY)
        if len(world.queue()) < 60:
            world.ticks()

    assert audited(world, step=step, between=between) == []


def test_counts_that_do_not_add_up_are_found_with_their_bucket() -> None:
    world = busy()
    bucket = bucket_of(world)
    counted = FateCounts(accepted=9, fates={"held": 8})
    change(world, lambda txn: txn.put(bucket, queue_keys.FATE_COUNTS, encode(counted)))
    found = audited(world)
    assert found[0].bucket == bucket and "9 accepted, 8 fates" in found[0].text


def test_a_row_that_was_lost_is_found_by_counting_rows() -> None:
    world = busy()
    bucket, entry = bucket_of(world), world.queue()[0]
    change(world, lambda txn: txn.delete(bucket, queue_keys.ledger(entry.message_id, entry.recipients[0].address)))
    (found,) = audited(world)
    assert found.bucket == bucket and "counted as" in found.text


def test_an_open_fate_without_an_entry_is_found() -> None:
    world = busy()
    change(world, lambda txn: outbound.complete(txn, world.queue()[0].id))
    (found,) = audited(world)
    assert found.bucket is None and "but the queue holds" in found.text


def test_an_entry_whose_fates_are_settled_in_the_ledger_is_found() -> None:
    world = busy()
    entry = world.queue()[-1]
    row = world.ledger(entry.message_id)[entry.recipients[0].address]
    delivered = replace(row, fate="delivered")
    change(
        world,
        lambda txn: outbound.ledger_put(
            txn, entry.body.bucket, entry.message_id, entry.recipients[0].address, delivered
        ),
    )
    assert [one.bucket for one in audited(world)] == [None]
