"""What SPF records say of one address, and records that nobody can follow."""

from __future__ import annotations

import pytest

from tests.delivery.promises import ScriptedNames
from xtramail.app.doctor.spf import Spf, SpfFault, records_of
from xtramail.delivery.routing import NameServiceDown
from xtramail.model.pending import drive
from xtramail.wire.dns.answer import Address, MailHost, Text

US, SIX = "192.0.2.7", "2001:db8::7"
DOMAIN = "our.example"


def result(record: str, address: str = US, **others: str) -> str:
    """``others``: records of a.example (as ``a``) and so on."""
    names = ScriptedNames().put(DOMAIN, "TXT", Text("something else"), Text(record))
    for name, text in others.items():
        names.put(f"{name}.example", "TXT", Text(text))
    names.put("host.example", "A", Address(US)).put("host.example", "AAAA", Address(SIX))
    names.put(DOMAIN, "A", Address(US)).put(DOMAIN, "MX", MailHost(1, "host.example"), MailHost(2, ""))
    names.put("near.example", "A", Address("192.0.2.99"))
    return drive(Spf(names, address).result(DOMAIN))


RESULTS = {
    "v=spf1 -all": "fail",
    "v=spf1 ~all": "softfail",
    "v=spf1 ?all": "neutral",
    "v=spf1 +all": "pass",
    "v=spf1": "neutral",
    "V=SPF1 IP4:192.0.2.7 -ALL": "pass",
    "v=spf1 ip4:192.0.2.0/28 -all": "pass",
    "v=spf1 ip4:192.0.2.128/25 -all": "fail",
    "v=spf1 ip6:2001:db8::/32 -all": "fail",
    "v=spf1 -ip4:192.0.2.7 +all": "fail",
    "v=spf1 a -all": "pass",
    "v=spf1 a:host.example -all": "pass",
    "v=spf1 a:near.example/24 -all": "pass",
    "v=spf1 a:near.example/24//64 -all": "pass",
    "v=spf1 a:near.example -all": "fail",
    "v=spf1 mx -all": "pass",
    "v=spf1 mx//64 -all": "pass",
    "v=spf1 exists:%{i}.list.example -all": "fail",
    "v=spf1 include:a.example -all": "pass",
    "v=spf1 include:b.example -all": "fail",
    "v=spf1 redirect=a.example": "pass",
    "v=spf1 -all redirect=a.example": "fail",
    "v=spf1 exp=why.example ip4:192.0.2.7": "pass",
    "v=spf1 ip4:198.51.100.1 unknown=modifier ~all": "softfail",
}


@pytest.mark.parametrize("record", RESULTS)
def test_each_mechanism_says_what_it_says(record: str) -> None:
    assert result(record, a="v=spf1 ip4:192.0.2.7 -all", b="v=spf1 -ip4:192.0.2.7 ~all") == RESULTS[record]


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        ("v=spf1 a:host.example -all", "pass"),
        ("v=spf1 ip6:2001:db8::/32 -all", "pass"),
        ("v=spf1 ip4:192.0.2.7 -all", "fail"),
    ],
)
def test_addresses_of_ipv6_too(record: str, wanted: str) -> None:
    assert result(record, SIX) == wanted


FAULTS = {
    "v=spf1 include:gone.example -all": "includes gone.example, which has no SPF record",
    "v=spf1 redirect=gone.example": "redirects to gone.example, which has no SPF record",
    "v=spf1 ip4:192.0.2.300 -all": "is no network",
    "v=spf1 ip4 -all": "is no network",
    "v=spf1 foo -all": "'foo' in its SPF record, which nobody knows",
    "v=spf1 a:%{d} -all": "filled in for each message",
    "v=spf1 include:a..b -all": "is no name",
    "v=spf1 include:a.example -all": "more than 10 look-ups",
    "v=spf1 " + "a:near.example " * 11 + "-all": "more than 10 look-ups",
}


@pytest.mark.parametrize("record", FAULTS)
def test_a_record_that_cannot_be_followed_is_named(record: str) -> None:
    with pytest.raises(SpfFault, match=FAULTS[record]):
        result(record, a="v=spf1 include:a.example -all")


def test_two_records_are_a_fault_and_none_is_none() -> None:
    names = ScriptedNames().put(DOMAIN, "TXT", Text("v=spf1 -all"), Text("v=spf1 +all"))
    with pytest.raises(SpfFault, match="2 SPF records"):
        drive(Spf(names, US).result(DOMAIN))
    assert drive(Spf(ScriptedNames(), US).result(DOMAIN)) == "none"
    assert records_of(("v=spf10 +all", "spf1")) == []


def test_dns_that_fails_is_no_result() -> None:
    with pytest.raises(NameServiceDown):
        drive(Spf(ScriptedNames(bad={(DOMAIN, "TXT")}), US).result(DOMAIN))


@pytest.mark.parametrize(
    "term", ["\x1b[2J{}", "redirect=x\x1b[2J{}", "include:\x1b]0;x\x07{}", "ip4:\x9b{}", "a:%\x1b{}"]
)
def test_what_a_record_says_cannot_act_on_a_terminal(term: str) -> None:
    with pytest.raises(SpfFault) as fault:
        result("v=spf1 " + term.format("x" * 5000))
    assert str(fault.value).isprintable() and len(str(fault.value)) < 600
