"""What each host of a domain is held to: DANE before MTA-STS before opportunistic TLS, and never less than promised."""

from __future__ import annotations

import pytest

from tests.delivery.promises import ScriptedNames, ScriptedSite
from xtramail.delivery.courier import Hop
from xtramail.delivery.routing import NameServiceDown, NoMailHost, RoutingSettings
from xtramail.delivery.secure_hosts import NoSecureHost, SecureHosts
from xtramail.delivery.sts_policies import StsPolicies
from xtramail.model.clock import SetClock
from xtramail.model.pending import drive
from xtramail.store.memory_engine import MemoryEngine
from xtramail.wire.dns.answer import Address, MailHost, Pointer, Text, Tlsa
from xtramail.wire.mta_sts import StsText

FAR = "far.example"
GOOD = Tlsa(3, 1, 1, b"k" * 32)
PKIX = Tlsa(1, 1, 1, b"k" * 32)
SETTINGS = RoutingSettings()


class World:
    """far.example with two hosts in it, signed by DNSSEC."""

    def __init__(self) -> None:
        self.clock = SetClock()
        self.names = ScriptedNames(secure={FAR})
        self.site = ScriptedSite()
        self.names.put(FAR, "MX", MailHost(20, "b.far.example"), MailHost(10, "a.far.example"))
        self.names.put("a.far.example", "A", Address("192.0.2.1"))
        self.names.put("b.far.example", "A", Address("192.0.2.2"))
        policies = StsPolicies(engine=MemoryEngine(), names=self.names, site=self.site, clock=self.clock)
        self.hosts = SecureHosts(names=self.names, policies=policies, clock=self.clock)

    def hops(self, settings: RoutingSettings = SETTINGS) -> list[Hop]:
        return drive(self.hosts.hops(FAR, settings))

    def told(self, settings: RoutingSettings = SETTINGS) -> list[tuple[str, str, str]]:
        return [(hop.host, hop.tls, hop.promise) for hop in self.hops(settings)]

    def tlsa(self, host: str, *records: Tlsa) -> World:
        self.names.put(f"_25._tcp.{host}", "TLSA", *records)
        return self

    def policy(self, *hosts: str, mode: str = "enforce") -> World:
        self.names.put(f"_mta-sts.{FAR}", "TXT", Text("v=STSv1; id=1;"))
        self.site.policies[FAR] = StsText(mode=mode, max_age=86_400, hosts=hosts)  # type: ignore[arg-type]
        return self


A, B = "a.far.example", "b.far.example"


@pytest.fixture
def world() -> World:
    return World()


def test_without_promises_tls_is_opportunistic_by_preference_with_addresses(world: World) -> None:
    world.names.put(A, "AAAA", Address("2001:db8::1"))
    assert world.hops() == [
        Hop(host=A, port=25, addresses=("2001:db8::1", "192.0.2.1")),
        Hop(host=B, port=25, addresses=("192.0.2.2",)),
    ]
    world.clock.advance(100)
    assert world.told(RoutingSettings(tls="verify")) == [(A, "verify", ""), (B, "verify", "")]


# DANE.


def test_secure_tlsa_records_hold_a_host_to_dane(world: World) -> None:
    world.tlsa(A, GOOD, PKIX)
    first, second = world.hops()
    assert first.tls == "dane" and first.promise == "dane" and first.tlsa == (GOOD,)
    assert first.names == (A, FAR)
    assert (second.tls, second.tlsa) == ("opportunistic", ())


def test_records_nobody_can_use_still_promise_tls(world: World) -> None:
    world.tlsa(A, PKIX, Tlsa(3, 1, 1, b"short"))
    assert world.told() == [(A, "required", ""), (B, "opportunistic", "")]
    assert world.told(RoutingSettings(tls="verify"))[0] == (A, "verify", "")
    assert world.told(RoutingSettings(tls="none")) == [(A, "required", ""), (B, "none", "")]


def test_one_family_of_addresses_that_cannot_be_had_weakens_nothing(world: World) -> None:
    world.tlsa(A, GOOD)
    world.names.bad |= {(A, "AAAA"), (B, "AAAA")}
    first, second = world.hops()
    assert first.tls == "dane" and first.addresses == ("192.0.2.1",) and second.addresses == ("192.0.2.2",)


@pytest.mark.parametrize("kind", ["A", "TLSA"])
def test_a_host_that_dns_cannot_answer_for_is_left_out_never_taken_without(world: World, kind: str) -> None:
    world.tlsa(A, GOOD)
    world.names.bad.add((f"_25._tcp.{A}" if kind == "TLSA" else A, kind))
    assert world.told() == [(B, "opportunistic", "")]
    world.names.bad.add((f"_25._tcp.{B}" if kind == "TLSA" else B, kind))
    with pytest.raises(NoSecureHost, match="SERVFAIL"):
        world.hops()


def test_mx_that_cannot_be_had_defers(world: World) -> None:
    world.names.bad.add((FAR, "MX"))
    with pytest.raises(NameServiceDown):
        world.hops()


def test_tlsa_records_that_are_not_secure_are_nothing(world: World) -> None:
    world.tlsa(A, GOOD)
    world.names.secure = {A, B}
    assert world.told()[0] == (A, "opportunistic", "")
    assert ("_25._tcp.a.far.example", "TLSA") not in world.names.asked


def test_records_that_are_not_secure_at_a_host_that_is_are_nothing_either(world: World) -> None:
    world.tlsa(A, GOOD)
    world.names.unsigned.add("_25._tcp.a.far.example")
    assert world.told()[0] == (A, "opportunistic", "")


def test_an_alias_that_is_not_secure_has_no_records(world: World) -> None:
    world.names.records[A, "alias"] = "mx.other.example"
    world.names.put("mx.other.example", "A", Address("192.0.2.5")).put(A, "CNAME", Pointer("mx.other.example"))
    world.names.unsigned.add(A)
    world.tlsa(A, GOOD)
    assert world.told()[0] == (A, "opportunistic", "")


def test_a_host_in_an_unsigned_domain_is_not_asked_for_records(world: World) -> None:
    world.names.put(FAR, "MX", MailHost(10, "mx.other.example")).put("mx.other.example", "A", Address("192.0.2.9"))
    world.tlsa("mx.other.example", GOOD)
    assert world.told() == [("mx.other.example", "opportunistic", "")]
    assert not any(kind == "TLSA" for _, kind in world.names.asked)


def test_one_family_of_addresses_that_is_not_secure_is_enough_for_none(world: World) -> None:
    world.tlsa(A, GOOD)
    world.names.unsigned.add((A, "AAAA"))
    assert world.told()[0] == (A, "opportunistic", "")


def test_without_mx_the_domain_itself_is_held_to_its_records(world: World) -> None:
    world.names.records.pop((FAR, "MX"))
    world.names.put(FAR, "A", Address("192.0.2.3"))
    world.tlsa(FAR, GOOD)
    (hop,) = world.hops()
    assert (hop.host, hop.tls, hop.names) == (FAR, "dane", (FAR,))


def test_records_are_looked_for_where_an_alias_leads_then_at_the_alias(world: World) -> None:
    world.names.records[A, "alias"] = "real.far.example"
    world.names.put("real.far.example", "A", Address("192.0.2.5"))
    world.tlsa(A, PKIX)
    world.tlsa("real.far.example", GOOD)
    first = world.hops()[0]
    assert (first.host, first.tls, first.names) == (A, "dane", ("real.far.example", FAR))
    world.clock.advance(100)
    world.names.records.pop(("_25._tcp.real.far.example", "TLSA"))
    world.tlsa(A, GOOD)
    assert world.hops()[0].names == (A, FAR)


def test_a_secure_alias_to_an_unsigned_host_may_have_records_of_its_own(world: World) -> None:
    world.names.records[A, "alias"] = "mx.other.example"
    world.names.put("mx.other.example", "A", Address("192.0.2.5")).put(A, "CNAME", Pointer("mx.other.example"))
    world.tlsa(A, GOOD).tlsa("mx.other.example", Tlsa(3, 1, 1, b"x" * 32))
    first = world.hops()[0]
    assert first.tls == "dane" and first.tlsa == (GOOD,) and first.names == (A, FAR)


# MTA-STS.


def test_an_enforced_policy_wants_good_certificates_of_the_hosts_it_names(world: World) -> None:
    world.names.secure.clear()
    world.policy(A)
    settings = RoutingSettings(authorities="/ca.pem")
    assert world.hops(settings) == [
        Hop(host=A, port=25, tls="verify", ca="/ca.pem", addresses=("192.0.2.1",), promise="sts")
    ]


def test_with_no_host_in_the_policy_mail_waits_with_the_reason(world: World) -> None:
    for secure in (set(), {FAR}):
        world.names.secure = secure
        world.policy("*.mail.far.example")
        with pytest.raises(NoSecureHost, match="MTA-STS policy"):
            world.hops()


@pytest.mark.parametrize("mode", ["testing", "none"])
def test_other_modes_change_nothing(world: World, mode: str) -> None:
    world.policy("elsewhere.example", mode=mode)
    assert world.told() == [(A, "opportunistic", ""), (B, "opportunistic", "")]


def test_dane_comes_before_mta_sts_whatever_the_policy_says(world: World) -> None:
    world.policy(B).tlsa(A, GOOD)
    assert world.told() == [(A, "dane", "dane"), (B, "verify", "sts")]
    # A host that fails DANE is not tried by the policy instead.
    assert all(hop.tls != "verify" for hop in world.hops() if hop.host == A)


def test_unusable_records_do_not_weaken_a_policy(world: World) -> None:
    world.policy(A, B).tlsa(A, PKIX)
    assert world.told() == [(A, "verify", "sts"), (B, "verify", "sts")]


def test_the_hosts_of_a_policy_count_first_where_a_domain_has_many(world: World) -> None:
    world.names.secure.clear()
    many = [MailHost(number, f"m{number}.far.example") for number in range(20)]
    world.names.put(FAR, "MX", *many)
    world.names.put("m19.far.example", "A", Address("192.0.2.9"))
    world.policy("m19.far.example")
    assert world.told() == [("m19.far.example", "verify", "sts")]


# The rest.


def test_a_domain_that_takes_no_mail_says_so(world: World) -> None:
    world.names.put(FAR, "MX", MailHost(0, ""))
    with pytest.raises(NoMailHost, match="null MX"):
        world.hops()
    world.names.gone.add(FAR)
    with pytest.raises(NoMailHost, match="does not exist"):
        world.hops()


def test_hosts_without_addresses_are_left_out(world: World) -> None:
    world.names.put(A, "A")
    assert world.told() == [(B, "opportunistic", "")]
    world.names.put(B, "A")
    with pytest.raises(NoSecureHost, match="a.far.example has no address; b.far.example has no address"):
        world.hops()


def test_what_was_found_is_believed_for_a_minute_or_as_long_as_it_holds(world: World) -> None:
    world.hops()
    asked = len(world.names.asked)
    world.clock.advance(59)
    world.tlsa(A, GOOD)
    assert world.hops()[0].tls == "opportunistic" and len(world.names.asked) == asked
    world.clock.advance(2)
    assert world.hops()[0].tls == "dane"
    world.tlsa(A)
    world.names.ttl = 5
    world.clock.advance(61)
    world.hops()
    world.tlsa(A, GOOD)
    world.clock.advance(6)
    assert world.hops()[0].tls == "dane"


def test_what_was_found_with_a_fault_is_asked_again_at_once(world: World) -> None:
    world.names.bad.add((f"_25._tcp.{A}", "TLSA"))
    assert world.told() == [(B, "opportunistic", "")]
    world.names.bad.clear()
    assert len(world.told()) == 2


def test_at_most_four_addresses_of_a_host_are_tried_of_both_families(world: World) -> None:
    world.names.put(A, "A", *(Address(f"192.0.2.{number}") for number in range(10, 20)))
    world.names.put(A, "AAAA", *(Address(f"2001:db8::{number}") for number in range(1, 9)))
    assert world.hops()[0].addresses == ("2001:db8::1", "2001:db8::2", "192.0.2.10", "192.0.2.11")
