"""The score of a domain: a table of weights, what is unknown, what does not concern it, and what gains most."""

from __future__ import annotations

from dataclasses import replace

import pytest

from xtramail.directory.readiness import DAY, DRILL_DAYS, WEIGHTS, Check, Facts, Hop, User, judge

NOW = 1_767_225_600.0
OURS = "mail.provider.example"
ANN = User(address="ann@x.example", password=True, logins={"imap": NOW - DAY}, outside=True)
GOOD = Facts(
    domain="x.example",
    now=NOW,
    hosts=(OURS,),
    mx=((10, OURS),),
    certificate=True,
    certificate_text="good",
    hops=(Hop(host="primary.x.example:25", fault="", tls="verified"),),
    users=(ANN,),
    told=True,
    outgoing=True,
    drill=NOW - DAY,
    drill_passed=True,
    backup=NOW - DAY / 2,
)


def check(facts: Facts, name: str) -> Check:
    return next(one for one in judge(facts).checks if one.name == name)


def test_the_weights_are_a_hundred_and_a_ready_domain_has_all_of_them() -> None:
    assert sum(WEIGHTS.values()) == 100
    ready = judge(GOOD)
    assert (ready.score, ready.next) == (100, ()) and not any(one.remedy for one in ready.checks)


def test_what_gains_most_comes_first() -> None:
    bob = User(address="bob@x.example", password=False)
    found = judge(replace(GOOD, mx=((10, "mx.elsewhere.example"),), users=(ANN, bob), told=False, backup=None))
    assert [one.name for one in found.next] == ["mx", "passwords", "logins", "alerts", "backup", "outside"]
    assert found.score == int(100 - 20 - 7.5 - 5 - 5 - 2 - 1.5)
    assert "bob@x.example" in check(replace(GOOD, users=(ANN, bob)), "passwords").remedy


@pytest.mark.parametrize(
    ("mx", "share"),
    [
        (((10, OURS.upper() + "."),), 1.0),
        (((10, OURS), (20, "primary.x.example")), 0.7),
        (((10, "primary.x.example"), (20, OURS)), 0.0),
        ((), 0.0),
        (None, None),
    ],
)
def test_an_mx_counts_by_who_is_first(mx: tuple[tuple[int, str], ...] | None, share: float | None) -> None:
    assert check(replace(GOOD, mx=mx), "mx").share == share


def test_what_is_unknown_earns_nothing_and_is_no_fault() -> None:
    found = judge(replace(GOOD, mx=None, mx_text="no name server answered in 5 s"))
    assert found.score == 80
    assert (found.next[0].name, found.next[0].share) == ("mx", None) and "no name server" in found.next[0].text


def test_a_local_domain_is_not_asked_for_its_primary() -> None:
    found = judge(replace(GOOD, hops=(), told=False, outgoing=False, drill=None))
    assert found.score == 100
    assert {one.name for one in found.checks} == {
        "mx", "certificate", "passwords", "logins", "outside", "backup",
    }  # fmt: skip


def test_each_host_of_a_primary_counts() -> None:
    away = Hop(host="b.x.example:25", fault="Connection refused", tls="unknown")
    plain = Hop(host="c.x.example:25", fault="", tls="none", tls_fault="it offers no STARTTLS")
    facts = replace(GOOD, hops=(GOOD.hops[0], away))
    assert check(facts, "primary").share == 0.5 and check(facts, "primary-tls").share == 0.5
    assert "b.x.example:25: Connection refused" in check(facts, "primary").text
    bare = check(replace(GOOD, hops=(plain,)), "primary-tls")
    assert bare.share == 0.0 and f"xtramail domain set {GOOD.domain} primary-ca=FILE" in bare.remedy
    assert check(replace(GOOD, hops=(away,)), "primary-tls").share is None


def test_a_drill_grows_old_and_must_have_passed() -> None:
    old = replace(GOOD, drill=NOW - (DRILL_DAYS + 2) * DAY)
    assert [check(one, "drill").share for one in (GOOD, old, replace(GOOD, drill_passed=False))] == [1.0, 0.5, 0.3]
    assert check(replace(GOOD, drill=None), "drill").share == 0.0


def test_a_device_password_lets_a_user_in() -> None:
    assert check(replace(GOOD, users=(replace(ANN, password=False, devices=1),)), "passwords").share == 1.0
    assert check(replace(GOOD, users=()), "passwords").share == 0.0


def test_backups_grow_old() -> None:
    ages = [1.0, 10.0, 30.0]
    assert [check(replace(GOOD, backup=NOW - age * DAY), "backup").share for age in ages] == [1.0, 0.5, 0.0]
