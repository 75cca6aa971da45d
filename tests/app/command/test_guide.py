"""The guide: this domain's real values, the names of settings as vendors have them, and a way back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.app.command.office import Office
from xtramail.app.connectors import KINDS, kind_of

RELAY = "relay.example"
OURS = ("--address", "192.0.2.7", "--address", "2001:db8::7")


def steps(told: Any) -> str:
    return "\n".join(step for section in told["sections"] for step in section["steps"])


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("exchange", ("New-ReceiveConnector", "-RemoteIPRanges 192.0.2.7,2001:db8::7", "Remove-ReceiveConnector")),
        ("m365", ("New-InboundConnector", "-SenderIPAddresses 192.0.2.7 ", "-EFSkipIPs 192.0.2.7,2001:db8::7")),
        ("google", ("Inbound gateway", "Automatically detect external IP", "Reject all mail not from gateway IPs")),
        ("smtp", ("smtpd_client_event_limit_exceptions", "internal_networks 192.0.2.7 2001:db8::7")),
    ],
)
def test_each_kind_of_primary_has_its_steps_with_real_values(office: Office, kind: str, named: tuple[str, ...]) -> None:
    told = office.json("domain", "guide", RELAY, "--kind", kind, *OURS)
    text = steps(told)
    for one in named:
        assert one in text
    assert (told["host"], told["primary"], told["kind"]) == ("mail.example.org", ["primary.example:25"], kind)
    mx, spf = told["records"]
    assert (mx["type"], mx["ttl"], mx["value"]) == ("MX", 300, "10 mail.example.org.")
    assert "ip4:192.0.2.7 ip6:2001:db8::7" in spf["value"]
    assert "lead it to port 2525" in text and "certificate mail.example.org is for mail.example.org" in text
    assert f"xtramail domain test {RELAY}" in text and "xtramail trace --since 10m" in text
    assert told["sections"][-1]["title"] == "Going back"
    assert f"{RELAY}. 300 IN MX 10 primary.example." in "\n".join(told["sections"][-1]["steps"])
    printed = office.done("domain", "guide", RELAY, "--kind", kind, *OURS)
    assert "  1. " in printed and named[0] in printed


@pytest.mark.parametrize("kind", KINDS)
def test_what_restricts_comes_after_the_mx_has_moved_and_goes_before_it_moves_back(office: Office, kind: str) -> None:
    told = office.json("domain", "guide", RELAY, "--kind", kind, *OURS)
    titles = [section["title"] for section in told["sections"]]
    moved = titles.index("The MX moves")
    early = "\n".join(step for section in told["sections"][:moved] for step in section["steps"])
    assert "-RestrictDomainsToIPAddresses $true" not in early and "firewall" not in early
    assert moved < next(number for number, title in enumerate(titles) if title.startswith("When the old records"))
    back = told["sections"][-1]["steps"]
    mx = next(number for number, step in enumerate(back) if "IN MX" in step)
    opened = [n for n, step in enumerate(back) if "-RestrictDomainsToIPAddresses $false" in step or "untick" in step]
    assert all(number < mx for number in opened) and mx > 0


def test_a_primary_that_sends_through_us_is_told_how(office: Office) -> None:
    assert "relay-account relay.example create" in steps(office.json("domain", "guide", RELAY, *OURS))
    office.done("domain", "relay-account", RELAY, "create")
    told = steps(office.json("domain", "guide", RELAY, "--kind", "exchange", *OURS))
    assert "-SmartHosts mail.example.org -Port 2587 -RequireTLS $true" in told
    assert "BasicAuthRequireTLS" in told and "user name relay.example" in told
    assert 'Remove-SendConnector "To the world by xtramail"' in told
    assert "cannot log in here" not in told
    m365 = steps(office.json("domain", "guide", RELAY, "--kind", "m365", *OURS))
    assert "cannot log in here" in m365 and "journal" in m365


def test_mail_by_a_smarthost_names_it_in_spf(office: Office) -> None:
    office.done("domain", "set", RELAY, "smarthost=out.provider.example:587")
    assert "a:out.provider.example ~all" in office.json("domain", "guide", RELAY, *OURS)["records"][1]["value"]


def test_the_kind_is_known_by_the_name_of_the_host() -> None:
    names = ("example-org.mail.protection.outlook.com", "aspmx.l.google.com", "SMTP.google.com.", "mail.example.org")
    assert [kind_of(name) for name in names] == ["m365", "google", "google", "smtp"]


def test_a_local_domain_has_records_and_no_connector(office: Office) -> None:
    told = office.json("domain", "guide", "local.example", *OURS)
    assert (told["kind"], told["primary"]) == (None, [])
    assert {one["type"] for one in told["records"]} == {"MX", "TXT", "SRV"}
    assert {one["name"] for one in told["records"] if one["type"] == "SRV"} >= {"_imaps._tcp.local.example"}


def test_addresses_that_nobody_knows_are_not_made_up(office: Office) -> None:
    office.config.write_text(office.config.read_text().replace("mail.example.org", "mail.invalid"))
    told = office.json("domain", "guide", RELAY)
    assert told["addresses"] == [] and "ADDRESS-OF-mail.invalid" in steps(told)
    assert "a:mail.invalid ~all" in told["records"][1]["value"]
    assert "No certificate is for mail.invalid" in steps(told)
    assert "write it as 192.0.2.7" in office.refused("domain", "guide", RELAY, "--address", "mail.example.org")
