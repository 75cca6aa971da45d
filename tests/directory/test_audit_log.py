"""The log of changes: who sees which rows; whatever is done to the rows is noticed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.delivery.world import World
from tests.desks import domain_admin, operator, tenant_admin, user
from xtramail.directory.audit_log import audit_rows, head, read_noted, verify_audit
from xtramail.directory.desk import Change, Desk, secret_told
from xtramail.directory.domains import DomainChange, set_domain
from xtramail.directory.tenants import add_tenant
from xtramail.directory.users import set_password, set_user
from xtramail.model.address import Address
from xtramail.model.bucket import PERMANENT
from xtramail.model.clock import SetClock
from xtramail.model.errors import BadInput, NoSuchDomain, NotPermitted
from xtramail.model.pending import drive
from xtramail.store import audit, audit_keys, keys
from xtramail.store.engine import Txn
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.records import AuditRow, decode, encode

ANN = Address.parse("ann@local.example")


@pytest.fixture
def desk() -> Desk:
    """With five rows."""
    desk = operator(MemoryEngine(), SetClock())
    for number in range(5):
        drive(desk.change(Change("user add", f"{number}@a.example", "a.example", after={"quota": number}), []))
    return desk


def test_a_row_says_who_how_what_and_only_what_is_another_now() -> None:
    world = World()
    drive(set_user(world.desk, ANN, quota=7, status="disabled"))
    drive(set_password(world.desk, ANN, "{one}"))
    drive(set_password(world.desk, ANN, "{two}"))
    second, first, changed = (one.row for one in audit_rows(world.desk, object="ANN@Local.example", most=3))
    assert (changed.actor, changed.role, changed.how, changed.what) == ("olga", "operator", "test", "user set")
    assert (changed.object, changed.domain, changed.at) == ("ann@local.example", "local.example", world.clock.now())
    assert (changed.before, changed.after) == (
        {"status": "active", "quota": 0},
        {"status": "disabled", "quota": 7},
    )
    assert (first.before, first.after) == ({"password": ""}, {"password": "set"})
    assert (second.before, second.after) == ({"password": "set"}, {"password": "changed"})


def test_what_changes_nothing_leaves_no_row_and_what_fails_neither() -> None:
    world = World()
    before = head(world.engine)
    drive(set_user(world.desk, ANN, status="active"))
    with pytest.raises(BadInput):
        drive(set_user(world.desk, ANN, quota=-1))
    assert head(world.engine) == before


def test_a_very_long_value_is_cut_and_keeps_nothing_from_being_done() -> None:
    desk = operator(MemoryEngine(), SetClock())
    long = "a" * 100_000
    drive(desk.change(Change("alias set", "x", before={"to": long}, after={"to": long + "b", "n": 1}), []))
    (one,) = audit_rows(desk, most=9)
    assert one.row.after == {"to": "a" * 2_000 + "...", "n": 1}


def test_secrets_are_told_of_and_never_told() -> None:
    assert [secret_told(*pair) for pair in (("", ""), ("a", ""), ("a", "a"), ("b", "a"), ("", "a"))] == [
        "",
        "set",
        "set",
        "changed",
        "",
    ]
    world = World()
    drive(set_password(world.desk, ANN, "{hash-of-a-secret}"))
    changes = [
        DomainChange(field="smarthost_password", value="hidden-one"),
        DomainChange(field="settings", value=("alert-secret", "hidden-two")),
    ]
    drive(set_domain(world.desk, "local.example", changes))
    told = repr(audit_rows(world.desk, most=1000))
    assert "smarthost-password" in told and "alert-secret" in told
    assert not any(secret in told for secret in ("hash-of-a-secret", "hidden-one", "hidden-two"))


def test_admins_see_the_rows_of_what_is_theirs() -> None:
    world = World()
    desk, engine, clock = world.desk, world.engine, world.clock
    drive(add_tenant(desk, "acme"))
    drive(add_tenant(desk, "other"))
    for name, tenant in (("a.example", "acme"), ("b.example", "acme"), ("c.example", "other")):
        world.domain(name, tenant=tenant)
    world.user("ann@a.example")
    world.user("bob@b.example")
    world.user("cy@c.example")

    def objects(seen: Desk) -> set[str]:
        return {one.row.object for one in audit_rows(seen, most=1000)}

    assert objects(tenant_admin(engine, clock, "acme")) == {
        "acme", "a.example", "b.example", "ann@a.example", "bob@b.example",
    }  # fmt: skip
    assert objects(domain_admin(engine, clock, "a.example", tenant="acme")) == {"a.example", "ann@a.example"}
    assert objects(user(engine, clock, "ann@a.example")) == {"ann@a.example"}
    assert "staff@relay.example" in objects(desk)
    with pytest.raises(NoSuchDomain):
        audit_rows(tenant_admin(engine, clock, "acme"), domain="c.example", most=1)
    # What was written while it was another's stays with the other.
    drive(set_domain(desk, "a.example", [DomainChange(field="tenant", value="other")]))
    world.user("dee@a.example")
    assert "dee@a.example" not in objects(tenant_admin(engine, clock, "acme"))
    assert objects(domain_admin(engine, clock, "a.example", tenant="other")) == {"dee@a.example"}


def test_rows_are_chosen_by_time_actor_and_number() -> None:
    clock = SetClock()
    desk = operator(MemoryEngine(), clock)
    for _ in range(3):
        drive(desk.change(Change("user add", "x"), []))
        clock.advance(100)
    assert [one.number for one in audit_rows(desk, most=10)] == [3, 2, 1]
    assert [one.number for one in audit_rows(desk, since=clock.now() - 150, most=10)] == [3]
    assert [one.number for one in audit_rows(desk, most=2)] == [3, 2]
    assert audit_rows(desk, actor="somebody", most=10) == []


def test_a_whole_chain_is_found_whole(desk: Desk) -> None:
    found = verify_audit(desk)
    assert (found.rows, found.number, found.broken, found.fault) == (5, 5, 0, "")
    assert verify_audit(desk, noted=(found.number, found.seal)).broken == 0
    assert verify_audit(operator(MemoryEngine(), SetClock())).rows == 0
    with pytest.raises(NotPermitted):
        verify_audit(tenant_admin(desk.engine, desk.clock, "acme"))


def altered(txn: Txn) -> None:
    key = audit_keys.row(3)
    value = txn.get(PERMANENT, key)
    assert value is not None
    row = decode(value[audit.SEAL :], AuditRow)
    other = AuditRow(at=row.at, actor="nobody", role=row.role, how=row.how, what=row.what, object=row.object)
    txn.put(PERMANENT, key, value[: audit.SEAL] + encode(other))


def resealed(txn: Txn) -> None:
    """The same, by who knows how seals are made, but seals that row alone."""
    altered(txn)
    before, value = txn.get(PERMANENT, audit_keys.row(2)), txn.get(PERMANENT, audit_keys.row(3))
    assert before is not None and value is not None
    text = value[audit.SEAL :]
    txn.put(PERMANENT, audit_keys.row(3), audit.seal_of(before[: audit.SEAL], 3, text) + text)


def removed(txn: Txn) -> None:
    txn.delete(PERMANENT, audit_keys.row(3))


def first_removed(txn: Txn) -> None:
    txn.delete(PERMANENT, audit_keys.row(1))


def closed_up(txn: Txn) -> None:
    """Taken out, and those behind it numbered anew."""
    for number in (3, 4):
        value = txn.get(PERMANENT, audit_keys.row(number + 1))
        assert value is not None
        txn.put(PERMANENT, audit_keys.row(number), value)
    txn.delete(PERMANENT, audit_keys.row(5))


def inserted(txn: Txn) -> None:
    value = txn.get(PERMANENT, audit_keys.row(5))
    assert value is not None
    txn.put(PERMANENT, audit_keys.row(6), value)


def swapped(txn: Txn) -> None:
    first, second = txn.get(PERMANENT, audit_keys.row(2)), txn.get(PERMANENT, audit_keys.row(3))
    assert first is not None and second is not None
    txn.put(PERMANENT, audit_keys.row(2), second)
    txn.put(PERMANENT, audit_keys.row(3), first)


def truncated(txn: Txn) -> None:
    txn.delete(PERMANENT, audit_keys.row(5))


@pytest.mark.parametrize(
    ("crime", "broken"),
    [
        (altered, 3), (resealed, 4), (removed, 3), (first_removed, 1), (closed_up, 3), (inserted, 6), (swapped, 2),
        (truncated, 5),
    ],
)  # fmt: skip
def test_whatever_is_done_to_a_row_is_noticed(desk: Desk, crime: Callable[[Txn], None], broken: int) -> None:
    desk.engine.transact(keys.AUDIT, crime).result()
    found = verify_audit(desk)
    assert found.broken == broken and found.fault


def rewrite(desk: Desk, number: int) -> None:
    """All rows from ``number`` on away, head and all, as who knows everything would do it."""

    def crime(txn: Txn) -> None:
        before = txn.get(PERMANENT, audit_keys.row(number - 1))
        assert before is not None
        txn.delete_range(PERMANENT, audit_keys.row(number), keys.after(audit_keys.ROWS))
        txn.put(PERMANENT, audit_keys.HEAD, audit_keys.row(number - 1) + before[: audit.SEAL])

    desk.engine.transact(keys.AUDIT, crime).result()


def test_the_newest_rows_taken_away_with_their_head_are_noticed_by_a_seal_kept_elsewhere(desk: Desk) -> None:
    noted = head(desk.engine)
    rewrite(desk, 4)
    assert not verify_audit(desk).broken
    found = verify_audit(desk, noted=noted)
    assert (found.broken, found.fault) == (4, "rows 4 to 5 are missing at the end")
    for _ in range(4):
        drive(desk.change(Change("user add", "forged"), []))
    assert not verify_audit(desk).broken
    found = verify_audit(desk, noted=noted)
    assert found.broken == 5 and "another seal than was noted" in found.fault


def test_a_noted_head_is_read_as_it_was_printed() -> None:
    assert read_noted(" 7:" + "ab" * 32 + "\n") == (7, b"\xab" * 32)
    for text in ("", "7", "x:" + "ab" * 32, "7:" + "ab" * 31, "7:zz", "-1:" + "ab" * 32, "٣:" + "ab" * 32):
        with pytest.raises(BadInput, match="NUMBER:SEAL"):
            read_noted(text)
