"""Admins, tenants and tokens: nobody gives what he has not, and what is taken from him is taken from his tokens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.desks import operator
from tests.directory.offices import (
    ACME,
    ACORN,
    ANN,
    BEA,
    BIRCH,
    DORA,
    KEYRING,
    ODA,
    TIM,
    ZETA,
    ZINNIA,
    ZOE,
    Offices,
)  # fmt: skip
from xtramail.directory import passwords
from xtramail.directory.admins import (
    actor_of_admin,
    add_admin,
    find_admin,
    list_admins,
    remove_admin,
    set_admin,
    set_admin_password,
)  # fmt: skip
from xtramail.directory.desk import Desk
from xtramail.directory.domain_aliases import remove_domain_alias
from xtramail.directory.domains import add_domain, parse_change, remove_domain, set_domain
from xtramail.directory.tenants import add_tenant, list_tenants, remove_tenant, set_tenant
from xtramail.directory.tokens import PREFIX, actor_of_token, add_token, list_tokens, revoke_token
from xtramail.directory.users import add_user, remove_user, set_user
from xtramail.model.actor import Actor, Role
from xtramail.model.address import Address
from xtramail.model.errors import (
    AlreadyExists,
    BadCredentials,
    BadInput,
    NoSuchAdmin,
    NoSuchDomain,
    NoSuchTenant,
    NoSuchToken,
    NotPermitted,
    Refused,
)  # fmt: skip
from xtramail.model.pending import drive
from xtramail.model.secret import Secret
from xtramail.store import keys, roles

DUMMY = passwords.hash_chosen(Secret("nobody's"), KEYRING, 4)


@pytest.fixture
def offices() -> Offices:
    return Offices()


@pytest.fixture
def root(offices: Offices) -> Desk:
    return operator(offices.engine, offices.clock)


def comes(offices: Offices, token: Secret) -> Actor:
    return actor_of_token(offices.engine, KEYRING, token, offices.clock.now())


def refused(offices: Offices, token: Secret) -> None:
    with pytest.raises(BadCredentials):
        comes(offices, token)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"role": "king"}, BadInput, "choose one of operator, tenant-admin, domain-admin"),
        ({"role": "user"}, BadInput, "choose one of operator"),
        ({"role": "tenant-admin"}, BadInput, "tenant: name whose domains"),
        ({"role": "tenant-admin", "tenant": "nobody"}, NoSuchTenant, "tenant nobody does not exist"),
        ({"role": "tenant-admin", "tenant": ACME, "domains": [ACORN]}, BadInput, "domains: they are for"),
        ({"role": "operator", "tenant": ACME}, BadInput, "tenant: an operator has none"),
        ({"role": "domain-admin"}, BadInput, "domains: name one or more"),
        ({"role": "domain-admin", "domains": ["other.example"]}, NoSuchDomain, "is not served"),
        ({"role": "domain-admin", "domains": [ACORN, ZINNIA]}, BadInput, "all of one tenant"),
        ({"role": "domain-admin", "domains": [ACORN], "tenant": ZETA}, BadInput, "all of one tenant, zeta"),
        ({"role": "operator", "name": ODA}, AlreadyExists, "xtramail admin set"),
        ({"role": "operator", "name": "oda"}, BadInput, "name@example.org"),
    ],
)
def test_what_is_wrong_with_a_new_admin_is_named(
    root: Desk, given: dict[str, str], error: type[Refused], words: str
) -> None:
    with pytest.raises(error, match=words):
        drive(add_admin(root, **({"name": "new@office.example"} | given)))


def test_a_domain_admin_is_the_tenant_s_whose_the_domains_are(root: Desk) -> None:
    row = drive(add_admin(root, "Ida@Office.example", role="domain-admin", domains=[BIRCH, ACORN, BIRCH]))
    assert (row.name, row.tenant, row.domains) == ("ida@office.example", ACME, (ACORN, BIRCH))


def test_a_tenant_admin_makes_and_changes_those_below_in_his_own_domains_alone(offices: Offices) -> None:
    tim, zoe = offices.admin(TIM), offices.admin(ZOE)
    drive(add_admin(tim, "ida@office.example", role="domain-admin", domains=[ACORN]))
    drive(set_admin(tim, "ida@office.example", domains=[BIRCH]))
    for role, given in (("tenant-admin", {"tenant": ACME}), ("operator", {})):
        with pytest.raises(NotPermitted, match="those below alone"):
            drive(add_admin(tim, "eve@office.example", role=role, **given))
        with pytest.raises(NotPermitted, match="those below alone"):
            drive(set_admin(tim, "ida@office.example", role=role, **given))
    with pytest.raises(NoSuchDomain):
        drive(add_admin(tim, "eve@office.example", role="domain-admin", domains=[ZINNIA]))
    with pytest.raises(NotPermitted):
        drive(set_admin(tim, TIM, status="disabled"))
    with pytest.raises(NoSuchAdmin):
        drive(remove_admin(zoe, "ida@office.example"))
    with pytest.raises(NoSuchAdmin):
        drive(remove_admin(tim, ODA))
    assert {row.name for row in list_admins(tim)} == {TIM, DORA, BEA, "ida@office.example"}
    assert [row.name for row in list_admins(offices.admin(DORA))] == [DORA]
    assert list_admins(offices.user(ANN)) == []


def test_everybody_changes_his_own_password_and_nobody_by_a_token(offices: Offices) -> None:
    for name in (ODA, TIM, DORA):
        assert drive(set_admin_password(offices.admin(name), name, "{hash}")).password == "{hash}"
        by_token = replace(offices.admin(name).actor, token="1", how="token 1")
        with pytest.raises(NotPermitted):
            drive(set_admin_password(offices.desk(by_token), name, "{other}"))
    with pytest.raises(NoSuchAdmin):
        drive(set_admin_password(offices.admin(DORA), BEA, "{hash}"))


def test_a_user_of_an_admin_s_name_is_no_admin(offices: Offices, root: Desk) -> None:
    drive(add_admin(root, ANN.key, role="operator"))
    ann = offices.user(ANN)
    with pytest.raises(NoSuchAdmin):
        find_admin(ann, ANN.key)
    with pytest.raises(Refused):
        drive(set_admin_password(ann, ANN.key, "{hash}"))


def test_a_login_of_an_admin_is_refused_in_one_way_whatever_is_wrong(offices: Offices, root: Desk) -> None:
    good, wrong = Secret("a good one"), Secret("a wrong one")
    drive(set_admin_password(root, TIM, passwords.hash_chosen(good, KEYRING, 4)))

    def enter(name: str, password: Secret) -> Actor:
        return actor_of_admin(offices.engine, KEYRING, name, password, dummy=DUMMY, how="login")

    assert enter("TIM@office.example", good) == offices.admin(TIM).actor
    texts = set()
    drive(set_admin_password(root, BEA, passwords.hash_chosen(good, KEYRING, 4)))
    drive(set_admin(root, BEA, status="disabled"))
    for name, password in ((TIM, wrong), ("nobody@office.example", good), ("no address", good), (DORA, good),
                           (DORA, Secret("nobody's")), (BEA, good)):  # fmt: skip
        with pytest.raises(BadCredentials) as caught:
            enter(name, password)
        texts.add(caught.value.text)
    assert len(texts) == 1


def test_a_token_is_160_random_bits_shown_once_and_kept_as_a_keyed_hash(offices: Offices, root: Desk) -> None:
    row, made = drive(add_token(root, KEYRING, label=" my   billing "))
    text = made.reveal()
    assert text.startswith(PREFIX) and len(text) == len(PREFIX) + 32 and row.label == "my billing"
    rows = offices.engine.read(keys.ROLES, roles.tokens)
    assert not any(text.encode() in mark or text in repr(one) for mark, one in rows)
    actor = comes(offices, Secret(f" {text}\n"))
    assert (actor.role, actor.name, actor.read_only, actor.token) == (Role.OPERATOR, "olga", True, row.id)
    assert actor.how == f"token {row.id}"
    for wrong in ("", text[:-1], text.upper(), text + "a", "\udcff"):
        refused(offices, Secret(wrong))
    other = replace(KEYRING, keys={"x": bytes(32)}, current="x")
    with pytest.raises(BadCredentials):
        actor_of_token(offices.engine, other, made, offices.clock.now())


def test_a_token_ends_when_it_expires_or_is_revoked(offices: Offices, root: Desk) -> None:
    until = offices.clock.now() + 60
    row, made = drive(add_token(root, KEYRING, label="x", expires=until))
    assert comes(offices, made).role is Role.OPERATOR
    offices.clock.advance(60)
    refused(offices, made)
    with pytest.raises(BadInput, match="still to come"):
        drive(add_token(root, KEYRING, label="x", expires=until))
    row, made = drive(add_token(root, KEYRING, label="x", write=True))
    assert not comes(offices, made).read_only
    drive(revoke_token(root, row.id))
    refused(offices, made)
    with pytest.raises(NoSuchToken):
        drive(revoke_token(root, row.id))


@pytest.mark.parametrize(
    ("who", "given", "error"),
    [
        (TIM, {"role": "operator"}, NotPermitted),
        (TIM, {"tenant": ZETA}, NoSuchTenant),
        (TIM, {"domains": [ZINNIA]}, NoSuchDomain),
        (TIM, {"owner": ODA}, NoSuchAdmin),
        (DORA, {"role": "tenant-admin"}, NotPermitted),
        (DORA, {"domains": [BIRCH]}, NoSuchDomain),
        (DORA, {"owner": TIM}, NoSuchAdmin),
        (ODA, {"owner": TIM, "role": "operator"}, NotPermitted),
        (ODA, {"owner": TIM, "domains": [ZINNIA]}, NoSuchDomain),
        (ODA, {"role": "user"}, BadInput),
        (ODA, {"role": "tenant-admin"}, BadInput),
        (ODA, {"role": "operator", "domains": [ACORN]}, BadInput),
        (ODA, {"label": ""}, BadInput),
    ],
)
def test_no_token_may_more_than_who_it_belongs_to(
    offices: Offices, who: str, given: dict[str, str], error: type[Refused]
) -> None:
    with pytest.raises(error):
        drive(add_token(offices.admin(who), KEYRING, **({"label": "x"} | given)))  # type: ignore[arg-type]


def test_a_token_makes_no_tokens_and_no_admins(offices: Offices) -> None:
    made = drive(add_token(offices.admin(TIM), KEYRING, label="x", write=True))[1]
    desk = offices.desk(comes(offices, made))
    with pytest.raises(NotPermitted, match="a token makes no tokens"):
        drive(add_token(desk, KEYRING, label="y"))
    with pytest.raises(NotPermitted, match="not by a token"):
        drive(add_admin(desk, "eve@office.example", role="domain-admin", domains=[ACORN]))
    drive(add_user(desk, Address.parse(f"eve@{ACORN}")))
    with pytest.raises(NoSuchDomain):
        drive(add_user(desk, Address.parse(f"eve@{ZINNIA}")))


def test_what_an_admin_loses_his_tokens_lose(offices: Offices, root: Desk) -> None:
    tim = offices.admin(TIM)
    whole = drive(add_token(tim, KEYRING, label="whole"))[1]
    part = drive(add_token(tim, KEYRING, label="part", domains=[ACORN]))[1]
    given = drive(add_token(root, KEYRING, label="given", owner=TIM))[1]
    for token in (whole, given):
        assert (comes(offices, token).role, comes(offices, token).tenant) == (Role.TENANT, ACME)
    assert comes(offices, part).domains == {ACORN}
    drive(set_admin(root, TIM, status="disabled"))
    for token in (whole, part, given):
        refused(offices, token)
    drive(set_admin(root, TIM, status="active", role="domain-admin", domains=[BIRCH]))
    refused(offices, whole)
    assert comes(offices, part).domains == frozenset()
    drive(set_admin(root, TIM, role="tenant-admin", tenant=ZETA))
    for token in (whole, part, given):
        refused(offices, token)
    drive(set_admin(root, TIM, role="tenant-admin", tenant=ACME))
    assert comes(offices, whole).tenant == ACME
    drive(remove_admin(root, TIM))
    drive(add_admin(root, TIM, role="tenant-admin", tenant=ACME))
    for token in (whole, part, given):
        refused(offices, token)


def test_a_user_has_tokens_of_his_own_which_go_with_him(offices: Offices, root: Desk) -> None:
    ann = offices.user(ANN)
    row, made = drive(add_token(ann, KEYRING, label="script", write=True))
    actor = comes(offices, made)
    assert (actor.role, actor.address, actor.token) == (Role.USER, ANN.key, row.id)
    assert {one.id for one in list_tokens(ann)} == {row.id, offices.ids["user token"]}
    drive(set_user(root, ANN, status="disabled"))
    refused(offices, made)
    drive(set_user(root, ANN, status="active"))
    drive(remove_user(root, Address.parse(f"cal@{ACORN}")))
    assert comes(offices, made).address == ANN.key
    offices.engine.transact(keys.ROLES, lambda txn: roles.forget_user(txn, ANN.key)).result()
    refused(offices, made)


def test_a_domain_that_goes_or_changes_hands_is_nobody_s_any_more(offices: Offices, root: Desk) -> None:
    token = drive(add_token(offices.admin(DORA), KEYRING, label="x"))[1]
    drive(set_domain(root, ACORN, [parse_change("tenant", ZETA)]))
    assert find_admin(root, DORA).domains == () and comes(offices, token).domains == frozenset()
    with pytest.raises(NoSuchDomain):
        offices.admin(TIM).domain(ACORN)
    assert offices.admin(ZOE).domain(ACORN).tenant == ZETA
    drive(remove_domain_alias(root, "eichel.example"))
    drive(set_admin(root, DORA, domains=[ACORN]))
    drive(remove_domain(root, ACORN))
    drive(add_domain(root, ACORN, tenant=ACME))
    with pytest.raises(NoSuchDomain):
        offices.admin(DORA).domain(ACORN)


def test_a_tenant_is_removed_when_nothing_is_its_any_more(offices: Offices, root: Desk) -> None:
    with pytest.raises(NotPermitted, match=f"tenant zeta owns {ZINNIA}"):
        drive(remove_tenant(root, ZETA))
    drive(set_domain(root, ZINNIA, [parse_change("tenant", "")]))
    with pytest.raises(NotPermitted, match=f"has the admins {ZOE}"):
        drive(remove_tenant(root, ZETA))
    drive(remove_admin(root, ZOE))
    drive(remove_tenant(root, ZETA))
    assert [one.row.name for one in list_tenants(root)] == [ACME]
    for name in ("", "Acme", "a" * 64, "a b", "ä"):
        with pytest.raises(BadInput, match="a to z"):
            drive(add_tenant(root, name))
    with pytest.raises(AlreadyExists, match="xtramail tenant set acme"):
        drive(add_tenant(root, ACME))
    assert drive(set_tenant(root, ACME, note=" n ", contact="it@acme.example")).note == "n"
    with pytest.raises(BadInput):
        drive(set_tenant(root, ACME, note="a\nb"))


def test_who_adds_a_domain_adds_it_for_his_own_tenant(offices: Offices) -> None:
    tim = offices.admin(TIM)
    assert drive(add_domain(tim, "elm.example")).tenant == ACME
    with pytest.raises(NoSuchTenant):
        drive(add_domain(tim, "fir.example", tenant=ZETA))
    with pytest.raises(NotPermitted, match="cannot be added; ask an operator"):
        drive(add_domain(tim, ZINNIA))
    with pytest.raises(AlreadyExists):
        drive(add_domain(tim, ACORN))
    with pytest.raises(NotPermitted):
        drive(add_domain(offices.admin(DORA), "fir.example"))
