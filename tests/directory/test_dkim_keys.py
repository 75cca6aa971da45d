"""Keys of a domain: nothing is signed before DNS shows them, and the old ones stay until mail is through."""

from __future__ import annotations

import pytest

from tests.delivery.world import World
from tests.desks import domain_admin
from tests.directory.test_totp import KEYRING
from xtramail.directory import dkim_keys, sealing
from xtramail.directory.dkim_keys import DkimKey
from xtramail.directory.domain_aliases import add_domain_alias, remove_domain_alias
from xtramail.directory.domains import remove_domain
from xtramail.model.errors import AlreadyExists, BadInput, NoSuchDomain, NotPermitted
from xtramail.model.pending import drive
from xtramail.store import audit, dkim, keys
from xtramail.store.dkim import DkimRow
from xtramail.store.records import AuditRow

NAME = "local.example"


class Keys:
    """The commands, for one domain."""

    def __init__(self) -> None:
        self.world = World()
        self.desk = self.world.desk

    def create(self, **options: str) -> list[DkimKey]:
        return drive(dkim_keys.create(self.desk, NAME, KEYRING, **options))

    def rotate(self, selector: str = "") -> list[DkimKey]:
        return drive(dkim_keys.rotate(self.desk, NAME, KEYRING, selector=selector))

    def activate(self, published: dict[str, list[str]] | None = None) -> dkim_keys.Activation:
        return drive(dkim_keys.activate(self.desk, NAME, published))

    def states(self) -> dict[str, str]:
        return {one.selector: one.state for one in dkim_keys.of_domain(self.desk, NAME)}

    def rows(self) -> list[DkimRow]:
        return self.world.engine.read(keys.domain_scope(NAME), dkim.dkim_rows)

    def audit(self) -> list[AuditRow]:
        """The newest first."""
        rows = self.world.engine.read(keys.AUDIT, lambda snap: [row for _, row in audit.newest(snap)])
        return [row for row in rows if row.what.startswith("dkim")]


@pytest.fixture
def made() -> Keys:
    return Keys()


def test_both_algorithms_have_a_key_each_and_wait(made: Keys) -> None:
    made.create(selector="S1")
    assert made.states() == {"s1-ed": "pending", "s1-rsa": "pending"}
    assert {one.algorithm: len(one.public) for one in made.rows()} == {"rsa-sha256": 294, "ed25519-sha256": 32}


def test_without_a_selector_it_is_the_day(made: Keys) -> None:
    (first,) = made.create(algorithm="ed25519")
    made.activate()
    (second,) = made.rotate()
    assert (first.selector, second.selector) == ("xt20260101-ed", "xt20260101-1-ed")


@pytest.mark.parametrize("selector", ["a.b", "-a", "a_b", "a b", "ä", "x" * 61])
def test_a_selector_that_dns_would_not_have_is_refused(made: Keys, selector: str) -> None:
    with pytest.raises(BadInput, match="selector"):
        made.create(selector=selector)


def test_another_algorithm_is_refused_by_its_name(made: Keys) -> None:
    with pytest.raises(BadInput, match=r"algorithm 'dsa': choose one of rsa, ed25519, both"):
        made.create(algorithm="dsa")


def test_a_key_of_an_algorithm_is_made_once(made: Keys) -> None:
    made.create(algorithm="rsa")
    with pytest.raises(AlreadyExists, match="dkim rotate local.example"):
        made.create(algorithm="both")
    made.create(algorithm="ed25519")


def test_the_private_half_is_sealed_for_its_place(made: Keys) -> None:
    (key,) = made.create(algorithm="ed25519", selector="s1")
    (row,) = made.rows()
    about = dkim_keys.about(NAME, "s1")
    assert len(sealing.unseal(KEYRING, row.key_id, row.private, about=about)) == 48
    with pytest.raises(BadInput):
        sealing.unseal(KEYRING, row.key_id, row.private, about=dkim_keys.about("relay.example", "s1"))


def test_a_key_is_put_to_work_when_dns_shows_it(made: Keys) -> None:
    rsa, edwards = made.create(selector="s1")
    done = made.activate({"s1-rsa": [rsa.record_text], "s1-ed": ["v=DKIM1; k=ed25519; p="]})
    assert [one.selector for one in done.active] == ["s1-rsa"]
    assert [(one.selector, why) for one, why in done.waiting] == [
        ("s1-ed", "the key there is revoked (its p= is empty)")
    ]
    assert made.states() == {"s1-ed": "pending", "s1-rsa": "active"}
    done = made.activate({"s1-ed": [edwards.record_text]})
    assert not done.waiting and made.states() == {"s1-ed": "active", "s1-rsa": "active"}
    with pytest.raises(NotPermitted, match="no key waits"):
        made.activate()


def test_what_dns_does_not_show_signs_when_somebody_says_so(made: Keys) -> None:
    made.create(selector="s1")
    assert len(made.activate({}).waiting) == 2
    made.activate(None)
    assert set(made.states().values()) == {"active"}


def test_a_new_key_takes_the_place_of_the_old_one_which_stays(made: Keys) -> None:
    made.create(selector="s1", algorithm="ed25519")
    with pytest.raises(NotPermitted, match="signs with no key"):
        Keys().rotate()
    made.activate()
    made.rotate("s2")
    assert made.states() == {"s1": "active", "s2": "pending"}
    with pytest.raises(NotPermitted, match="s2 wait to be published"):
        made.rotate("s3")
    made.activate()
    assert made.states() == {"s1": "retired", "s2": "active"}


def test_a_retired_key_is_dropped_when_no_mail_needs_it(made: Keys) -> None:
    made.create(selector="s1", algorithm="rsa")
    made.activate()
    with pytest.raises(NotPermitted, match="no retired key"):
        drive(dkim_keys.drop(made.desk, NAME))
    made.rotate("s2")
    made.activate()
    with pytest.raises(NotPermitted, match="may wait somewhere until 2026-01-17"):
        drive(dkim_keys.drop(made.desk, NAME))
    made.world.clock.advance(dkim_keys.RETIRED_SECONDS)
    assert [one.selector for one in drive(dkim_keys.drop(made.desk, NAME))] == ["s1"]
    assert made.states() == {"s2": "active"}


def test_a_retired_key_can_be_dropped_early(made: Keys) -> None:
    made.create(selector="s1", algorithm="rsa")
    made.activate()
    made.rotate("s2")
    made.activate()
    drive(dkim_keys.drop(made.desk, NAME, early=True))
    assert made.states() == {"s2": "active"}


def test_one_key_is_removed_whatever_it_does(made: Keys) -> None:
    made.create(selector="s1")
    made.activate()
    drive(dkim_keys.remove(made.desk, NAME, "S1-RSA"))
    assert made.states() == {"s1-ed": "active"}
    with pytest.raises(BadInput, match="has no key s1-rsa"):
        drive(dkim_keys.remove(made.desk, NAME, "s1-rsa"))


def test_each_change_of_a_key_is_written_down_without_what_is_secret(made: Keys) -> None:
    made.create(selector="s1", algorithm="rsa")
    made.activate()
    made.rotate("s2")
    made.activate()
    drive(dkim_keys.remove(made.desk, NAME, "s1"))
    told = [(row.what, row.object, row.before, row.after) for row in reversed(made.audit())]
    there = {"algorithm": "rsa-sha256", "private": "set"}
    first, second = f"s1._domainkey.{NAME}", f"s2._domainkey.{NAME}"
    assert told == [
        ("dkim create", first, None, there | {"state": "pending"}),
        ("dkim activate", first, {"state": "pending"}, {"state": "active"}),
        ("dkim rotate", second, None, there | {"state": "pending"}),
        ("dkim activate", second, {"state": "pending"}, {"state": "active"}),
        ("dkim activate", first, {"state": "active"}, {"state": "retired"}),
        ("dkim remove", first, there | {"state": "retired"}, None),
    ]


def test_another_domains_admin_is_told_that_there_is_no_such_domain(made: Keys) -> None:
    desk = domain_admin(made.world.engine, made.world.clock, "relay.example")
    with pytest.raises(NoSuchDomain):
        dkim_keys.of_domain(desk, NAME)
    with pytest.raises(NoSuchDomain):
        drive(dkim_keys.create(desk, NAME, KEYRING))


def test_keys_go_with_their_domain(made: Keys) -> None:
    made.world.domain("new.example")
    drive(dkim_keys.create(made.desk, "new.example", KEYRING, algorithm="ed25519"))
    drive(remove_domain(made.desk, "new.example"))
    made.world.domain("new.example")
    assert dkim_keys.of_domain(made.desk, "new.example") == []


def test_another_name_of_a_domain_has_keys_of_its_own(made: Keys) -> None:
    drive(add_domain_alias(made.desk, "other.example", NAME))
    (key,) = drive(dkim_keys.create(made.desk, "Other.example", KEYRING, algorithm="ed25519", selector="s1"))
    assert key.record_name == "s1._domainkey.other.example"
    drive(dkim_keys.activate(made.desk, "other.example", None))
    assert made.states() == {}
    row, *_ = made.audit()
    assert (row.object, row.domain) == ("s1._domainkey.other.example", NAME)
    there = domain_admin(made.world.engine, made.world.clock, NAME)
    assert [one.state for one in dkim_keys.of_domain(there, "other.example")] == ["active"]
    elsewhere = domain_admin(made.world.engine, made.world.clock, "relay.example")
    with pytest.raises(NoSuchDomain, match=r"^domain other.example is not served here"):
        dkim_keys.of_domain(elsewhere, "other.example")


def test_the_keys_of_another_name_go_with_it(made: Keys) -> None:
    drive(add_domain_alias(made.desk, "other.example", NAME))
    drive(dkim_keys.create(made.desk, "other.example", KEYRING, algorithm="ed25519", selector="s1"))
    drive(remove_domain_alias(made.desk, "other.example"))
    with pytest.raises(NoSuchDomain):
        dkim_keys.of_domain(made.desk, "other.example")
    drive(add_domain_alias(made.desk, "other.example", NAME))
    assert dkim_keys.of_domain(made.desk, "other.example") == []
