"""Keys at work: found for a domain, gone with a change, and no reason to hold mail up."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec.structs import replace

from tests.delivery.world import World
from tests.directory.test_totp import KEYRING, OTHER
from xtramail.directory import dkim_keys
from xtramail.directory.keyring import Keyring, key_id
from xtramail.directory.signing_keys import SigningKeys
from xtramail.model.pending import drive
from xtramail.store import dkim, keys
from xtramail.store.dkim import DkimRow

NAME = "local.example"


class Opened:
    def __init__(self, keyring: Keyring = KEYRING) -> None:
        self.world = World()
        self.faults: list[tuple[str, str]] = []
        self.keys = SigningKeys(self.world.engine, keyring, fault=lambda *fault: self.faults.append(fault))

    def create(self, selector: str, algorithm: str = "both", name: str = NAME) -> None:
        desk = self.world.desk
        drive(dkim_keys.create(desk, name, KEYRING, selector=selector, algorithm=algorithm))
        drive(dkim_keys.activate(desk, name, None))

    def rows(self) -> list[DkimRow]:
        return self.world.engine.read(keys.domain_scope(NAME), dkim.dkim_rows)

    def selectors(self, name: str = NAME) -> list[str]:
        return [one.selector for one in self.keys.of(name)]


@pytest.fixture
def opened() -> Opened:
    return Opened()


def test_a_domain_without_keys_signs_nothing(opened: Opened) -> None:
    for name in (NAME, "nowhere.example", "not a domain", ""):
        assert opened.keys.of(name) == ()


def test_every_key_at_work_signs_and_no_other(opened: Opened) -> None:
    opened.create("s1")
    assert opened.selectors() == ["s1-rsa", "s1-ed"]
    drive(dkim_keys.rotate(opened.world.desk, NAME, KEYRING, selector="s2"))
    assert opened.selectors() == ["s1-rsa", "s1-ed"]
    drive(dkim_keys.activate(opened.world.desk, NAME, None))
    assert opened.selectors() == ["s2-rsa", "s2-ed"]
    assert opened.selectors("LOCAL.Example") == ["s2-rsa", "s2-ed"]


def test_a_key_that_is_removed_signs_no_more(opened: Opened) -> None:
    opened.create("s1")
    assert len(opened.keys.of(NAME)) == 2
    drive(dkim_keys.remove(opened.world.desk, NAME, "s1-rsa"))
    assert opened.selectors() == ["s1-ed"]


def test_a_signature_is_what_the_published_half_says(opened: Opened) -> None:
    opened.create("s1", "ed25519")
    (key,), (row,) = opened.keys.of(NAME), opened.rows()
    # RFC 8463 §3: of the SHA-256 of what is signed.
    digest = bytes.fromhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    Ed25519PublicKey.from_public_bytes(row.public).verify(key.sign(b"abc"), digest)


def test_a_host_is_signed_for_by_the_domain_that_it_lies_in(opened: Opened) -> None:
    opened.create("s1", "ed25519")
    for host in (NAME, f"mx.{NAME}", f"a.b.{NAME}"):
        assert [one.domain for one in opened.keys.of_host(host)] == [NAME]
    assert opened.keys.of_host("mx.example") == () and opened.keys.of_host("") == ()


def test_a_key_whose_server_key_is_missing_is_told_once_and_left_out() -> None:
    opened = Opened(Keyring(keys={key_id(OTHER): OTHER}, current=key_id(OTHER)))
    opened.create("s1", "ed25519")
    assert opened.keys.of(NAME) == () and opened.keys.of(NAME) == ()
    ((domain, text),) = opened.faults
    assert domain == NAME
    assert text.startswith(f"DKIM key s1 of {NAME} cannot be used: the server key {KEYRING.current} is missing")


def test_a_key_that_lies_where_it_was_not_sealed_for_is_left_out(opened: Opened) -> None:
    opened.create("s1")
    edwards, rsa = opened.rows()
    swapped = replace(edwards, private=rsa.private)
    opened.world.engine.transact(keys.domain_scope(NAME), lambda txn: dkim.put_dkim(txn, swapped)).result()
    assert opened.selectors() == ["s1-rsa"]
    assert [domain for domain, _ in opened.faults] == [NAME]
