from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.store.samples import NOW, look, write
from xtramail.store import alerts, keys
from xtramail.store.alerts import AlertRow, Telling
from xtramail.store.engine import Txn
from xtramail.store.memory_engine import MemoryEngine

REFUSED = "message-held-for-refusal"


def tell(engine: MemoryEngine, kind: str = REFUSED, domain: str = "a.example", text: str = "t", at: float = 0) -> int:
    scope, work = alerts.raised(kind, domain, text, {"n": text}, NOW + at)
    number: int = write(engine, work, scope)
    return number


def addressed(engine: MemoryEngine, number: int, *tellings: Telling) -> None:
    row = found(engine, number)
    write(engine, lambda txn: alerts.put(txn, replace(row, addressed=True, tellings=tellings)), keys.ALERTS)


def found(engine: MemoryEngine, number: int) -> AlertRow:
    row = look(engine, lambda snap: alerts.alert(snap, number), keys.ALERTS)
    assert row is not None
    return row


def owing(engine: MemoryEngine) -> list[int]:
    return [row.id for row in look(engine, lambda snap: alerts.owing(snap, NOW + 1e9, 100), keys.ALERTS)]


def test_what_happens_again_before_it_was_told_joins_the_alert_with_a_count() -> None:
    engine = MemoryEngine()
    first = tell(engine, text="one")
    assert tell(engine, text="two", at=60) == first
    row = found(engine, first)
    assert (row.count, row.text, row.fields, row.at, row.latest) == (2, "two", {"n": "two"}, NOW, NOW + 60)
    assert owing(engine) == [first]


def test_what_happens_after_it_was_told_is_an_alert_of_its_own() -> None:
    engine = MemoryEngine()
    first = tell(engine)
    addressed(engine, first)
    second = tell(engine, at=60)
    assert second != first and owing(engine) == [second]


def test_other_kinds_and_other_domains_are_alerts_of_their_own() -> None:
    engine = MemoryEngine()
    numbers = [tell(engine), tell(engine, domain="b.example"), tell(engine, kind="copy-skipped")]
    assert sorted(set(numbers)) == numbers, "ids of one moment differ, and ascend"


def test_each_step_of_a_primary_is_an_alert_of_its_own() -> None:
    engine = MemoryEngine()
    assert tell(engine, kind="primary-state") != tell(engine, kind="primary-state")


@pytest.mark.parametrize(("states", "owes"), [(("owed", "told"), True), (("told", "given-up", "joined"), False)])
def test_an_alert_owes_until_everybody_was_told_or_given_up(states: tuple[alerts.State, ...], owes: bool) -> None:
    engine = MemoryEngine()
    number = tell(engine)
    addressed(
        engine,
        number,
        *(Telling(channel="mail", target=f"{n}@x.example", whose="domain", state=s) for n, s in enumerate(states)),
    )
    assert (owing(engine) == [number]) is owes


def test_an_alert_is_found_when_something_is_to_be_done_about_it_and_not_before() -> None:
    engine = MemoryEngine()
    first, second = tell(engine), tell(engine, domain="b.example")
    telling = Telling(channel="mail", target="o@x.example", whose="domain", due=NOW + 60)
    addressed(engine, first, telling, replace(telling, target="p@x.example", due=NOW + 90))
    write(engine, lambda txn: alerts.put(txn, replace(found(engine, second), look_at=NOW + 30)), keys.ALERTS)
    seen = {
        at: [row.id for row in look(engine, lambda snap, at=at: alerts.owing(snap, NOW + at, 9), keys.ALERTS)]
        for at in (29, 30, 60)
    }
    assert seen == {29: [], 30: [second], 60: [second, first]}
    addressed(engine, first)
    assert owing(engine) == [second]


def test_alerts_are_forgotten_after_their_days() -> None:
    engine = MemoryEngine()
    old = tell(engine)
    addressed(engine, old)
    new = tell(engine, at=alerts.KEPT_SECONDS + 1)
    assert [row.id for row in look(engine, alerts.alerts, keys.ALERTS)] == [new]
    assert owing(engine) == [new]


def test_alerts_are_no_more_than_fit() -> None:
    engine = MemoryEngine()

    def many(txn: Txn) -> None:
        for n in range(6):
            alerts.raise_alert(txn, kind=REFUSED, domain=f"d{n}.example", text="", fields={}, now=NOW, most=3)

    write(engine, many, keys.ALERTS)
    domains = [row.domain for row in look(engine, alerts.alerts, keys.ALERTS)]
    assert domains == ["d5.example", "d4.example", "d3.example"] and len(owing(engine)) == 3


def test_a_topic_is_kept_for_each_kind_and_domain() -> None:
    engine = MemoryEngine()
    number = tell(engine)
    assert look(engine, lambda snap: alerts.topic(snap, REFUSED, "a.example"), keys.ALERTS).last == number
    assert look(engine, lambda snap: alerts.topic(snap, REFUSED, ""), keys.ALERTS).last == 0
