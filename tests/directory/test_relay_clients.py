"""Who may send for a domain: what a person may set, and what is never enough alone."""

from __future__ import annotations

import pytest

from tests.delivery.outward_world import KEYRING, OutwardWorld
from xtramail.directory.relay_accounts import create, relay_account, remove
from xtramail.directory.relay_clients import certificates, networks
from xtramail.directory.shared_networks import PROVIDERS
from xtramail.model.errors import AlreadyExists, BadInput, NoSuchAccount
from xtramail.model.peer import Peer
from xtramail.model.pending import drive

MARK = "ab" * 32


@pytest.fixture
def world() -> OutwardWorld:
    return OutwardWorld()


def test_networks_are_made_regular() -> None:
    assert networks("192.0.2.7, 192.0.2.0/24 2001:DB8::/48") == "192.0.2.7/32,192.0.2.0/24,2001:db8::/48"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("mail.example.org", "not an address or network; write 192.0.2.7 or 192.0.2.0/24"),
        ("192.0.2.7/24", "has bits behind its prefix; write 192.0.2.0/24"),
        ("192.0.2.0/33", "not an address or network"),
    ],
)
def test_what_is_no_network_is_told(value: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        networks(value)


def test_certificates_are_made_regular() -> None:
    colons = ":".join(["AB"] * 32)
    assert certificates(f"{colons},SHA256:{MARK.upper()} Mail.Corp.Example") == (
        f"sha256:{MARK},sha256:{MARK},mail.corp.example"
    )
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        certificates("sha256:abcd")


@pytest.mark.parametrize("name", ["mail.protection.outlook.com", "smtp.gmail.com", "mail-oi1-f1.google.com"])
def test_a_certificate_that_many_share_is_nobodys_proof(name: str) -> None:
    with pytest.raises(ValueError, match="use a relay account"):
        certificates(name)


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        ("198.51.0.0/16", "wider than a /24"),
        ("10.0.0.0/8", "wider than a /24"),
        ("0.0.0.0/0", "share"),
        ("2001:db8::/32", "wider than a /48"),
        ("40.92.1.0/24", "all customers of Microsoft 365 share"),
        ("104.47.0.1/32", "all customers of Microsoft 365 share"),
        ("2a01:111:f403:2800::/56", "all customers of Microsoft 365 share"),
        ("209.85.220.41/32", "all customers of Google share"),
    ],
)
def test_what_is_never_enough_alone_wants_an_account_first(world: OutwardWorld, network: str, reason: str) -> None:
    with pytest.raises(BadInput) as refused:
        world.set("any.example", f"relay-from={network}")
    assert f"relay-from {network}" in refused.value.text and reason in refused.value.text
    assert "xtramail domain relay-account any.example create" in refused.value.text
    drive(create(world.desk, "any.example", KEYRING))
    world.set("any.example", f"relay-from={network}")
    address = network.partition("/")[0]
    assert "any.example" not in world.clients.domains_of(Peer(address=address)), "the address alone is not enough"
    with pytest.raises(BadInput, match="is never enough alone"):
        drive(remove(world.desk, "any.example"))


def test_a_name_needs_who_vouches_for_it(world: OutwardWorld) -> None:
    with pytest.raises(BadInput, match="set relay-certificate-ca=FILE too"):
        world.set("any.example", "relay-certificate=mail.corp.example")
    world.set("any.example", "relay-certificate=mail.corp.example", "relay-certificate-ca=/nowhere.pem")


def test_a_change_holds_at_once(world: OutwardWorld) -> None:
    peer = Peer(address="203.0.113.9")
    assert world.clients.domains_of(peer) == frozenset()
    world.set("any.example", "relay-from=203.0.113.0/24")
    world.set("ask.example", "relay-from=203.0.113.9")
    assert world.clients.domains_of(peer) == {"any.example", "ask.example"}
    world.set("any.example", "relay-from=")
    assert world.clients.domains_of(peer) == {"ask.example"}
    assert world.clients.domains_of(Peer(address="")) == frozenset()


def test_an_account_is_made_once_and_kept_as_a_hash(world: OutwardWorld) -> None:
    made = drive(create(world.desk, "Any.Example", KEYRING))
    row = world.desk.domain("any.example")
    assert made.reveal() not in repr(row) and row.settings["relay-account"].startswith("{XTRA-HMAC}")
    assert len(made.reveal().replace("-", "")) == 20
    account = relay_account(world.engine, "any.example")
    assert account is not None and (account.address, account.kind) == ("any.example", "relay")
    assert account.created == world.clock.now()
    with pytest.raises(AlreadyExists, match="removing it first"):
        drive(create(world.desk, "any.example", KEYRING))
    drive(remove(world.desk, "any.example"))
    assert relay_account(world.engine, "any.example") is None
    with pytest.raises(NoSuchAccount):
        drive(remove(world.desk, "any.example"))


def test_the_table_of_shared_networks_says_where_it_is_from() -> None:
    assert all(provider.source and provider.networks and provider.certificate_names for provider in PROVIDERS)
