"""Which value of a setting holds, who set it, and that the server goes by the same."""

from __future__ import annotations

import pytest

from tests import desks
from tests.delivery.test_submission import DRAFT
from tests.delivery.world import World
from xtramail.directory.aliases import set_alias
from xtramail.directory.domain_aliases import add_domain_alias
from xtramail.directory.domain_settings import OF_USERS, SETTINGS, text
from xtramail.directory.domains import parse_change, set_domain
from xtramail.directory.effective import Effective, ServerValue, of_address, of_domain
from xtramail.directory.mirrors import add_mirror
from xtramail.directory.precedence import Level
from xtramail.directory.route_words import read
from xtramail.directory.routes import add_route
from xtramail.directory.sending_limits import RATE, limit_of
from xtramail.directory.users import set_user
from xtramail.model.address import Address
from xtramail.model.errors import NoSuchAccount, NoSuchDomain
from xtramail.model.pending import drive
from xtramail.model.secret import Secret

RELAY = "relay.example"
RAY = Address.parse(f"ray@{RELAY}")
SERVER = [
    ServerValue(name="limits.message-size", value="50MiB", source="default"),
    ServerValue(name="relay.smarthost", value="big.example", source="/etc/xtramail/xtramail.toml:12"),
    ServerValue(name="alerts.secret", value="set", source="environment XTRAMAIL_ALERTS_SECRET"),
    ServerValue(name="imap.hide", value="", source="default"),
    ServerValue(name="store.path", value="/var/lib/xtramail", source="default"),
]


@pytest.fixture
def world() -> World:
    return World()


def change(world: World, *changes: str) -> None:
    drive(set_domain(world.desk, RELAY, [parse_change(*one.split("=", 1)) for one in changes]))


def domain(world: World) -> dict[str, Effective]:
    return {one.name: one for one in of_domain(world.desk, RELAY, SERVER)}


def ray(world: World) -> dict[str, Effective]:
    return {one.name: one for one in of_address(world.desk, RAY, SERVER)}


def test_every_setting_of_a_domain_is_there_once(world: World) -> None:
    names = [one.name for one in of_domain(world.desk, RELAY, SERVER)]
    assert len(names) == len(set(names)) and set(SETTINGS) <= set(names)
    assert {"primary", "recipients", "continuity", "retention-days", "outbound", "relay.smarthost"} <= set(names)
    assert "store.path" not in names and "imap.hide" not in names


def test_the_users_counts_before_the_domains_and_that_before_the_default(world: World) -> None:
    assert (ray(world)["sent-back"].value, ray(world)["sent-back"].source) == ("always", "default")
    change(world, "sent-back=outage")
    assert (ray(world)["sent-back"].value, ray(world)["sent-back"].source) == ("outage", "domain")
    drive(set_user(world.desk, RAY, own={"sent-back": "never"}))
    found = ray(world)["sent-back"]
    assert (found.value, found.source) == ("never", "user")
    assert found.beneath == (Level("outage", "domain"), Level("always", "default"))
    assert domain(world)["sent-back"].value == "outage"


def test_the_server_goes_by_it(world: World) -> None:
    def given_back() -> int:
        account = world.desk.account(RAY)
        letter = DRAFT.replace(b"ann@local.example", str(RAY).encode())
        world.submit(account, "bob@local.example", message=letter)
        return sum(entry.kind == "sent" for entry in world.queue())

    assert given_back() == 1
    drive(set_user(world.desk, RAY, own={"sent-back": "never"}))
    assert given_back() == 1
    change(world, "send-rate=9")
    row = world.desk.domain(RELAY)
    assert limit_of(row, world.desk.account(RAY)).per_hour == int(ray(world)[RATE].value) == 9
    drive(set_user(world.desk, RAY, own={RATE: "3"}))
    assert limit_of(row, world.desk.account(RAY)).per_hour == int(ray(world)[RATE].value) == 3
    for name in OF_USERS:
        assert text(row, name, world.desk.account(RAY)) == ray(world)[name].value


def test_where_an_address_lives_and_how_long_its_mail_is_kept(world: World) -> None:
    assert (ray(world)["lives"].value, ray(world)["lives"].source) == ("at the primary", "default")
    change(world, "users-live=here")
    assert (ray(world)["lives"].value, ray(world)["lives"].source) == ("here", "domain (users-live)")
    drive(add_route(world.desk, RELAY, read("own.example", user=str(RAY))))
    assert (ray(world)["lives"].value, ray(world)["lives"].source) == ("own.example:25 (10)", "route")
    assert (ray(world)["retention-days"].value, ray(world)["retention-days"].source) == ("90", "domain")
    drive(add_mirror(world.desk, str(RAY), days=365))
    found = ray(world)["retention-days"]
    assert (found.value, found.source, found.beneath) == ("365", "mirror", (Level("90", "domain"),))


def of(world: World, address: str) -> dict[str, Effective]:
    return {one.name: one for one in of_address(world.desk, Address.parse(address), SERVER)}


def test_an_alias_says_where_it_leads_and_what_holds_in_its_domain(world: World) -> None:
    drive(set_alias(world.desk, f"sales@{RELAY}", [str(RAY), "far@away.example"]))
    change(world, "sent-back=outage")
    found = of(world, f"Sales@{RELAY}")
    assert (found["leads-to"].value, found["leads-to"].source) == (f"{RAY}, far@away.example", "alias")
    assert (found["sent-back"].value, found["sent-back"].source) == ("outage", "domain")
    assert found["lives"].value == "at the primary"
    assert "quota" not in found and "imap.hide" not in found and "limits.message-size" in found
    assert (ray(world)["leads-to"].value, ray(world)["leads-to"].source) == ("", "default")
    drive(set_alias(world.desk, f"@{RELAY}", [str(RAY)]))
    assert of(world, f"whoever@{RELAY}")["leads-to"].source == f"alias @{RELAY}"
    assert ray(world)["leads-to"].value == "", "he is listed"


def test_an_address_that_lives_apart_says_where_though_it_is_no_user(world: World) -> None:
    drive(add_route(world.desk, RELAY, read("own.example", user=f"eve@{RELAY}")))
    found = of(world, f"eve@{RELAY}")
    assert (found["lives"].value, found["lives"].source) == ("own.example:25 (10)", "route")
    assert found["recipients"].value == world.desk.domain(RELAY).recipients


def test_another_name_of_a_domain_has_what_holds_for_that(world: World) -> None:
    drive(add_domain_alias(world.desk, "other.example", RELAY))
    change(world, "sent-back=outage")
    found = {one.name: one for one in of_domain(world.desk, "Other.example", SERVER)}
    assert (found["another-name-of"].value, found["another-name-of"].source) == (RELAY, "domain-alias")
    assert found["sent-back"].value == "outage"
    assert of(world, "ray@other.example")["type"].value == "user"
    stranger = desks.domain_admin(world.engine, world.clock, "local.example")
    with pytest.raises(NoSuchDomain, match="domain other.example is not served here"):
        of_domain(stranger, "other.example", [])
    with pytest.raises(NoSuchAccount, match="user ray@other.example does not exist"):
        of_address(stranger, Address.parse("ray@other.example"), [])


def test_what_an_alias_stands_for_is_not_for_its_users(world: World) -> None:
    drive(set_alias(world.desk, f"sales@{RELAY}", [str(RAY)]))
    himself = desks.user(world.engine, world.clock, str(RAY))
    with pytest.raises(NoSuchAccount, match=f"user sales@{RELAY} does not exist"):
        of_address(himself, Address.parse(f"sales@{RELAY}"), [])
    with pytest.raises(NoSuchAccount, match=f"user nobody@{RELAY} does not exist"):
        of_address(world.desk, Address.parse(f"nobody@{RELAY}"), [])


def test_the_servers_settings_say_where_they_were_set_and_what_overrules_them(world: World) -> None:
    found = domain(world)["relay.smarthost"]
    assert (found.value, found.source) == ("big.example", "/etc/xtramail/xtramail.toml:12")
    drive(add_route(world.desk, RELAY, read("out.example", out=True)))
    found = domain(world)["relay.smarthost"]
    assert (found.value, found.source) == ("out.example:587", "domain")
    assert found.beneath == (Level("big.example", "/etc/xtramail/xtramail.toml:12"),)
    world.change_account(world.ray, settings={"message-size": "1000"})
    assert (ray(world)["limits.message-size"].value, ray(world)["limits.message-size"].source) == ("1000", "user")


def test_secrets_are_only_said_to_be_set(world: World) -> None:
    drive(add_route(world.desk, RELAY, read("o.example", out=True, login="us", password=Secret("hush"))))
    drive(set_domain(world.desk, RELAY, [parse_change("alert-secret", "x" * 32)]))
    found = domain(world)
    assert found["outbound-password"].value == found["alert-secret"].value == found["alerts.secret"].value == "set"
    assert "hush" not in str(found) and "xxxx" not in str(found)


def test_an_admin_sees_his_own_and_no_files_of_the_machine(world: World) -> None:
    dora = desks.domain_admin(world.engine, world.clock, RELAY)
    found = {one.name: one for one in of_domain(dora, RELAY, SERVER)}
    assert found["relay.smarthost"].source == "server" and found["limits.message-size"].source == "default"
    with pytest.raises(NoSuchDomain):
        of_domain(dora, "local.example", SERVER)
    with pytest.raises(NoSuchAccount):
        of_address(dora, Address.parse("ann@local.example"), SERVER)
