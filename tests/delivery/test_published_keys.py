"""A key signs by itself once DNS shows its record, and not before."""

from __future__ import annotations

from tests.delivery.world import World
from tests.directory.test_totp import KEYRING
from xtramail.delivery.published_keys import PublishedKeys
from xtramail.delivery.routing import NameServiceDown
from xtramail.directory import dkim_keys
from xtramail.directory.domain_aliases import add_domain_alias
from xtramail.model.pending import Pending, drive
from xtramail.store import audit, keys


class Names:
    """DNS: texts by name; None: it does not answer."""

    def __init__(self) -> None:
        self.known: dict[str, list[str] | None] = {}
        self.asked: list[str] = []

    def texts(self, name: str) -> Pending[list[str]]:
        self.asked.append(name)
        found = self.known.get(name, [])
        return Pending.failed(NameServiceDown("no answer")) if found is None else Pending.of(found)


class Looking:
    def __init__(self) -> None:
        self.world = World()
        self.names = Names()
        self.published = PublishedKeys(engine=self.world.engine, texts=self.names, clock=self.world.clock)

    def create(self, domain: str = "local.example") -> list[dkim_keys.DkimKey]:
        return drive(dkim_keys.create(self.world.desk, domain, KEYRING, selector="s1"))

    def look(self) -> None:
        drive(self.published.look())

    def states(self, domain: str = "local.example") -> list[str]:
        return [one.state for one in dkim_keys.of_domain(self.world.desk, domain)]


def test_nobody_is_asked_while_no_key_waits() -> None:
    looking = Looking()
    looking.create()
    drive(dkim_keys.activate(looking.world.desk, "local.example", None))
    looking.look()
    assert looking.names.asked == []


def test_each_key_signs_when_its_record_is_there() -> None:
    looking = Looking()
    rsa, edwards = looking.create()
    looking.look()
    assert looking.states() == ["pending", "pending"]
    looking.names.known[rsa.record_name] = [rsa.record_text]
    looking.look()
    assert looking.states() == ["pending", "active"]
    looking.names.known[edwards.record_name] = [edwards.record_text]
    looking.look()
    assert looking.states() == ["active", "active"]
    (_, row), *_ = looking.world.engine.read(keys.AUDIT, lambda snap: list(audit.newest(snap)))
    assert (row.actor, row.how, row.what) == ("xtramail", "server", "dkim activate")


def test_a_name_server_that_fails_changes_nothing() -> None:
    looking = Looking()
    looking.names.known = {one.record_name: None for one in looking.create()}
    looking.look()
    assert looking.states() == ["pending", "pending"]


def test_other_names_of_domains_are_looked_at_too() -> None:
    looking = Looking()
    drive(add_domain_alias(looking.world.desk, "other.example", "local.example"))
    looking.names.known = {one.record_name: [one.record_text] for one in looking.create("other.example")}
    looking.look()
    assert looking.states("other.example") == ["active", "active"]
