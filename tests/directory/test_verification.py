"""A domain that an admin added is his when DNS says so; until then nothing of it is served, nobody else loses by it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests import desks
from tests.delivery.outward_world import KEYRING
from tests.delivery.test_submission import DRAFT
from tests.delivery.world import PEER, World, rcpt, reverse
from xtramail.directory.desk import Desk
from xtramail.directory.domain_aliases import add_domain_alias
from xtramail.directory.domains import add_domain, parse_change, set_domain
from xtramail.directory.journal_addresses import JournalAddresses
from xtramail.directory.keyring import Keyring, key_id
from xtramail.directory.relay_accounts import create, relay_account
from xtramail.directory.relay_clients import RelayClients
from xtramail.directory.tenants import add_tenant
from xtramail.directory.users import add_user
from xtramail.directory.verification import Challenge, challenge_of, refusal, verify
from xtramail.model.address import Address
from xtramail.model.errors import NoSuchDomain, NotPermitted
from xtramail.model.outcome import Reply
from xtramail.model.peer import Peer
from xtramail.model.pending import drive
from xtramail.store import audit, keys

NEW = "new.example"
ANN = f"ann@{NEW}"


@pytest.fixture
def world() -> World:
    found = World()
    for name in ("office", "rival"):
        drive(add_tenant(found.desk, name))
    return found


@pytest.fixture
def tim(world: World) -> Desk:
    """The admin of a tenant, who has added a domain with a user."""
    desk = desks.tenant_admin(world.engine, world.clock, "office")
    drive(add_domain(desk, NEW, primaries=(("mail.new.example", 25),)))
    drive(add_user(desk, Address.parse(ANN)))
    return desk


def asked(world: World, recipient: str = ANN) -> Reply:
    transaction = world.intake.begin(PEER)
    transaction.mail_from(reverse("zoe@sender.example"))
    return rcpt(transaction, recipient)


def proof(desk: Desk, keyring: Keyring = KEYRING) -> Challenge:
    return challenge_of(desk, NEW, keyring)


def test_nothing_of_it_is_served_before(world: World, tim: Desk) -> None:
    assert asked(world).text == "450 4.7.1 This domain is not set up here yet, try again later"
    assert world.directory.domain(NEW) is None and world.directory.account(ANN) is None
    account = tim.account(Address.parse(ANN))
    assert world.submission.begin(PEER, account).mail_from(reverse(ANN)).code == 553
    assert asked(world, "ann@elsewhere.example").code == 550


def test_mail_of_others_to_it_goes_out_into_the_world(world: World, tim: Desk) -> None:
    world.submit(world.ann, ANN, message=DRAFT)
    (entry,) = world.queue()
    assert (entry.kind, entry.destination) == ("outside", NEW)


def test_its_hosts_send_for_nobody(world: World, tim: Desk) -> None:
    drive(set_domain(tim, NEW, [parse_change("relay-from", "198.51.100.7")]))
    drive(create(tim, NEW, KEYRING))
    clients, journals = RelayClients(world.engine, world.clock), JournalAddresses(world.engine)
    inside = Peer(address="198.51.100.7", port=1, helo="x", esmtp=True)
    assert clients.domains_of(inside) == frozenset() and relay_account(world.engine, NEW) is None
    assert not journals.any
    drive(verify(tim, NEW, KEYRING, [proof(tim).value]))
    assert clients.domains_of(inside) == {NEW} and relay_account(world.engine, NEW) is not None


def test_the_record_proves_it(world: World, tim: Desk) -> None:
    challenge = proof(tim)
    assert challenge.name == f"_xtramail.{NEW}" and challenge.value.startswith("xtramail-verify=")
    assert challenge.zone_line == f'_xtramail.{NEW}. IN TXT "{challenge.value}"'
    drive(verify(tim, NEW, KEYRING, ["v=spf1 -all", f" {challenge.value} "]))
    assert asked(world).code == 250 and world.directory.account(ANN) is not None
    assert proof(tim).verified
    drive(verify(tim, NEW, KEYRING, []))


@pytest.mark.parametrize("texts", [[], ["xtramail-verify="], ["xtramail-verify=0123456789abcdef"], ["other"], ["é"]])
def test_nothing_else_does_and_what_to_publish_is_told(world: World, tim: Desk, texts: list[str]) -> None:
    with pytest.raises(NotPermitted) as refused:
        drive(verify(tim, NEW, KEYRING, texts))
    assert proof(tim).zone_line in refused.value.text
    assert asked(world).code == 450


def test_a_record_is_of_one_domain_one_tenant_and_one_server(world: World, tim: Desk) -> None:
    challenge, row = proof(tim), tim.domain(NEW)
    other = bytes(range(1, 33))
    for another in (replace(row, name="far.example"), replace(row, tenant="rival")):
        assert refusal(another, KEYRING, [challenge.value]) == "the record there is another one"
    assert refusal(row, Keyring(keys={key_id(other): other}, current=key_id(other)), [challenge.value])
    rotated = Keyring(keys={**KEYRING.keys, key_id(other): other}, current=key_id(other))
    assert refusal(row, rotated, [challenge.value]) == "", "published before the server's key was replaced"


def test_only_an_operator_needs_none(world: World, tim: Desk) -> None:
    with pytest.raises(NotPermitted, match="skip new.example: this is for an operator"):
        drive(verify(tim, NEW, KEYRING, None))
    rival = desks.tenant_admin(world.engine, world.clock, "rival")
    with pytest.raises(NoSuchDomain):
        drive(verify(rival, NEW, KEYRING, [proof(tim).value]))
    drive(verify(world.desk, NEW, KEYRING, None))
    assert asked(world).code == 250
    (row, *_) = world.engine.read(keys.AUDIT, lambda snap: [row for _, row in audit.newest(snap)])
    assert (row.what, row.object, row.tenant) == ("domain verify", NEW, "office")
    assert row.after == {"verified": True, "by": "an operator"}


def test_mail_to_another_name_of_it_waits_as_well(world: World, tim: Desk) -> None:
    drive(add_domain_alias(world.desk, "other.example", NEW))
    assert asked(world, "ann@other.example").code == 450 and asked(world, "ann@never.example").code == 550
    drive(verify(world.desk, NEW, KEYRING, None))
    assert asked(world, "ann@other.example").code == 250


def test_what_an_operator_adds_is_served_at_once_unless_he_wants_proof(world: World) -> None:
    drive(add_domain(world.desk, "own.example"))
    drive(add_domain(world.desk, "asked.example", tenant="office", unverified=True))
    assert world.directory.domain("own.example") is not None and world.directory.domain("asked.example") is None
