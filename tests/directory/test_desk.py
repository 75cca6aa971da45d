"""A desk shows its actor what is his, and writes down what he changes with the change itself, or neither."""

from __future__ import annotations

import dataclasses

import pytest

from tests.directory.offices import (
    ACORN,
    ANN,
    BIRCH,
    BOB,
    CAL,
    DORA,
    KEYRING,
    ODA,
    TIM,
    ZINNIA,
    ZOE,
    Offices,
    everything,
)
from xtramail.directory import aliases, blocks, devices, tokens, totp, users
from xtramail.directory.audit_log import audit_rows, head
from xtramail.directory.desk import Change
from xtramail.directory.domains import parse_change, set_domain
from xtramail.model.actor import Role
from xtramail.model.address import Address
from xtramail.model.bucket import PERMANENT
from xtramail.model.errors import NoSuchAccount, NoSuchDomain, NotPermitted, StoreFull
from xtramail.model.pending import drive
from xtramail.store import keys
from xtramail.store.engine import Txn


def test_each_actor_has_his_own_domains() -> None:
    offices = Offices()
    seen = {name: [row.name for row in offices.admin(name).domains()] for name in (ODA, TIM, ZOE, DORA)}
    assert seen == {ODA: [ACORN, BIRCH, ZINNIA], TIM: [ACORN, BIRCH], ZOE: [ZINNIA], DORA: [ACORN]}
    assert [row.name for row in offices.user(ANN).domains()] == [ACORN]


def test_what_is_hidden_and_what_is_not_there_are_told_in_one_way() -> None:
    offices = Offices()
    for name in (ACORN, "gone.example"):
        with pytest.raises(NoSuchDomain, match=f"domain {name} is not served here; see: xtramail domain list"):
            offices.admin(ZOE).domain(name)
        with pytest.raises(NoSuchAccount, match=f"user ann@{name} does not exist; see: xtramail user list"):
            offices.admin(ZOE).account(Address.parse(f"ann@{name}"))
    with pytest.raises(NoSuchAccount, match="does not exist"):
        offices.user(ANN).account(Address.parse(f"bob@{ACORN}"), Role.USER)


def test_what_is_seen_and_not_allowed_says_whose_it_is_to_allow() -> None:
    offices = Offices()
    with pytest.raises(NotPermitted, match=f"domain {ACORN}: this is for a tenant admin or above"):
        offices.admin(DORA).domain(ACORN, Role.TENANT)
    with pytest.raises(NotPermitted, match=f"user {ANN.key}: this is for a domain admin or above"):
        offices.user(ANN).account(ANN)
    with pytest.raises(NotPermitted, match="secrets: this is for an operator or above"):
        offices.admin(TIM).require(Role.OPERATOR, "secrets")


def put(txn: Txn) -> None:
    txn.put(PERMANENT, b"test", b"")


def fail(_txn: Txn) -> None:
    raise NoSuchDomain


def test_a_change_and_its_row_are_both_there_or_neither() -> None:
    offices = Offices()
    desk, before = offices.admin(ODA), everything(offices.engine)
    with pytest.raises(NoSuchDomain):
        drive(desk.change(Change("user add", "x"), [(keys.STORE, put), (keys.STORE, fail)]))
    offices.engine.fail_next(StoreFull())
    with pytest.raises(StoreFull):
        drive(desk.change(Change("user add", "x"), [(keys.STORE, put)]))
    assert everything(offices.engine) == before
    number = head(offices.engine)[0]
    assert drive(desk.change(Change("user add", "x"), [(keys.STORE, put)])) == [None]
    assert head(offices.engine)[0] == number + 1


def test_a_row_is_its_tenant_s_whose_the_domain_is() -> None:
    offices = Offices()
    drive(offices.admin(ODA).change(Change("user add", "x", ZINNIA), []))
    drive(offices.admin(ODA).change(Change("user add", "y", "gone.example"), []))
    drive(offices.admin(ODA).change(Change("user add", "z", tenant="acme"), []))
    assert [one.row.tenant for one in audit_rows(offices.admin(ODA), most=3)] == ["acme", "", "zeta"]


def test_of_many_those_that_changed_leave_a_row() -> None:
    offices = Offices()
    changes = [
        Change("user set", "same", before={"n": 1}, after={"n": 1}),
        Change("user set", "other", before={"n": 1, "m": 1}, after={"n": 2, "m": 1}),
        Change("user add", "new", after={"n": 1}),
        Change("user remove", "old", before={"n": 1}),
    ]
    drive(offices.admin(ODA).change_all(changes, []))
    rows = [one.row for one in audit_rows(offices.admin(ODA), most=3)]
    assert [(row.object, row.before, row.after) for row in reversed(rows)] == [
        ("other", {"n": 1}, {"n": 2}),
        ("new", None, {"n": 1}),
        ("old", {"n": 1}, None),
    ]


def test_who_may_only_look_changes_nothing_not_even_what_leaves_no_row() -> None:
    offices = Offices()
    desk = offices.admin(ODA)
    reader = offices.desk(dataclasses.replace(desk.actor, read_only=True))
    for changes in ([Change("user add", "x")], []):
        with pytest.raises(NotPermitted, match="may only read"):
            drive(reader.change_all(changes, [(keys.STORE, put)]))


def test_a_user_s_token_makes_no_way_in_that_outlives_it() -> None:
    offices = Offices()
    _, made = drive(tokens.add_token(offices.user(BOB), KEYRING, label="program", write=True))
    desk = offices.desk(tokens.actor_of_token(offices.engine, KEYRING, made, offices.clock.now()))
    before = everything(offices.engine)
    for asked in (
        users.set_password(desk, BOB, "{XTRA-HMAC}a$b"),
        users.set_user(desk, BOB, outside="bob@elsewhere.example"),
        devices.add(desk, BOB, KEYRING, name="phone of a thief"),
        totp.start(desk, BOB, KEYRING),
    ):
        with pytest.raises(NotPermitted, match="not by a token; log in yourself"):
            drive(asked)
    assert everything(offices.engine) == before
    drive(users.set_password(offices.user(BOB), BOB, "{XTRA-HMAC}a$b"))


def test_another_tenant_that_has_a_domain_now_is_not_named_to_who_had_it() -> None:
    offices = Offices()
    operator = offices.admin(ODA)
    drive(set_domain(operator, ACORN, [parse_change("tenant", "zeta")]))
    (own,) = audit_rows(offices.admin(TIM), most=1)
    assert (own.row.before, own.row.after) == ({"tenant": "acme"}, {"tenant": "another"})
    (whole,) = audit_rows(operator, most=1)
    assert whole.row.after == {"tenant": "zeta"}


def test_a_domain_that_was_given_to_another_tenant_is_no_more_its_old_admin_s() -> None:
    offices = Offices()
    dora = offices.admin(DORA)
    drive(set_domain(offices.admin(ODA), ACORN, [parse_change("tenant", "zeta")]))
    assert dora.domains() == []
    with pytest.raises(NoSuchDomain):
        dora.domain(ACORN)
    with pytest.raises(NoSuchAccount):
        dora.account(ANN)


def test_rows_of_an_address_are_found_however_it_was_written() -> None:
    offices = Offices()
    operator = offices.admin(ODA)
    drive(users.add_user(operator, Address.parse(f"Eva@{ACORN}")))
    drive(blocks.block(operator, Address.parse(f"eva@{ACORN}"), "test"))
    drive(aliases.set_alias(operator, f"Desk@{ACORN}", [f"Eva@{ACORN}"]))
    eva, shared = (audit_rows(operator, object=f"{name}@{ACORN}", most=9) for name in ("EVA", "desk"))
    assert [one.row.what for one in eva] == ["blocked add", "user add"]
    assert [one.row.what for one in shared] == ["alias set"]


def test_a_user_does_not_see_what_became_of_who_had_the_address_before() -> None:
    offices = Offices()
    drive(users.remove_user(offices.admin(ODA), CAL))
    offices.clock.advance(60)
    assert audit_rows(offices.user(CAL), most=9) == []
    drive(users.add_user(offices.admin(ODA), CAL))
    assert [entry.row.what for entry in audit_rows(offices.user(CAL), most=9)] == ["user add"]
