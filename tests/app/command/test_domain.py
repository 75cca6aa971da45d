"""Served domains, from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.app.command.office import Office
from xtramail.app.authority import make_authority
from xtramail.store import domains, keys

RELAY = "relay.example"


def row(office: Office, name: str) -> domains.DomainRow:
    with office.engine() as engine:
        found = engine.read(keys.domain_scope(name), domains.get_domain)
    assert found is not None
    return found


def test_a_domain_without_a_primary_is_local(bare: Office) -> None:
    added = bare.json("domain", "add", "Example.ORG.")
    assert (added["name"], added["primary"], added["recipients"], added["retention-days"]) == (
        "example.org",
        [],
        "listed",
        30,
    )
    assert "primary none: local mailboxes" in bare.done("domain", "add", "two.example")


def test_a_domain_with_primaries_asks_them(bare: Office) -> None:
    words = ("--primary", "mx1.example.org", "--primary", "[2001:db8::1]:2525", "--primary-tls", "verify")
    added = bare.json("domain", "add", "example.org", *words, "--retention-days", "7")
    assert added["primary"] == ["mx1.example.org:25", "[2001:db8::1]:2525"]
    assert (added["recipients"], added["primary-tls"], added["retention-days"]) == ("ask", "verify", 7)


def test_the_settings_give_the_days_where_none_are_named(bare: Office) -> None:
    bare.config.write_text(bare.config.read_text() + "\n[retention]\ndays = 90\n")
    assert bare.json("domain", "add", "example.org")["retention-days"] == 90


def test_any_warns_people_and_scripts(bare: Office) -> None:
    words = ("domain", "add", "example.org", "--primary", "mx.example.org", "--recipients", "any")
    result = bare.run(*words)
    assert result.exit_code == 0 and "warning: recipients=any takes mail" in result.stderr
    changed = bare.json("domain", "set", "example.org", "recipients=any")
    assert "recipients=any takes mail" in changed["warnings"][0]
    assert bare.json("domain", "set", "example.org", "recipients=ask")["warnings"] == []


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["add", "bad-.example"], "domain 'bad-.example': not a domain name; write it as example.org"),
        (["add", ""], "not a domain name"),
        (["add", RELAY], "domain relay.example exists already; change it with: xtramail domain set relay.example"),
        (["add", "a.example", "--recipients", "ask"], "there is no primary to ask; give --primary or choose listed"),
        (["add", "a.example", "--retention-days", "0"], "retention-days 0: a number from 1 to 3650"),
        (["add", "a.example", "--primary", "host:0"], "the port is a number from 1 to 65535"),
        (["add", "a.example", "--primary", ""], "write it as mail.example.org"),
        (["add", "a.example", "--primary-ca", "gone.pem"], "primary-ca 'gone.pem': No such file or directory"),
        (["set", RELAY, "primary"], "write it as KEY=VALUE"),
        (["set", RELAY, "colour=red"], "setting 'colour': there is no such setting; choose one of primary,"),
        (["set", RELAY, "retention-days=9999999999999999999999"], "retention-days"),
        (["set", RELAY, "continuity=maybe"], "continuity 'maybe': choose one of on, off"),
        (["set", RELAY, "smarthost=host:port"], "the port is a number"),
        (["set", RELAY, "contact=nobody"], "address 'nobody': write it as name@example.org"),
        (["set", RELAY, "smarthost-password=secret"], "not on the command line; write smarthost-password=-"),
        (["set", "local.example", "continuity=off"], "without a primary its mail would be nowhere; set primary=HOST"),
        (["set", "local.example", "recipients=ask"], "there is no primary to ask; set primary=HOST"),
        (["set", "gone.example", "continuity=on"], "domain gone.example is not served here; see: xtramail domain list"),
        (["show", "gone.example"], "domain gone.example is not served here"),
        (["hold", "gone.example"], "domain gone.example is not served here"),
        (["release", "gone.example"], "domain gone.example is not served here"),
        (["remove", "gone.example"], "domain gone.example is not served here"),
        (["list", "gone.example"], "domain gone.example is not served here"),
    ],
)
def test_a_refusal_names_the_field_the_rule_and_the_next_step(office: Office, words: list[str], reason: str) -> None:
    before = office.json("domain", "list")
    assert reason in office.refused("domain", *words)
    assert office.json("domain", "list") == before


def test_set_changes_all_or_nothing(office: Office) -> None:
    before = office.json("domain", "show", RELAY)
    assert "there is no such setting" in office.refused("domain", "set", RELAY, "retention-days=9", "colour=red")
    assert office.json("domain", "show", RELAY) == before
    changes = ("primary=one.example,two.example:26", "retention-days=9", "smarthost=out.example", "smarthost-user=us")
    changed = office.json("domain", "set", RELAY, *changes, "contact=ray@relay.example", "continuity=off")
    assert changed["primary"] == ["one.example:25", "two.example:26"]
    assert (changed["retention-days"], changed["smarthost"], changed["smarthost-user"]) == (9, "out.example", "us")
    assert (changed["contact"], changed["continuity"]) == ("ray@relay.example", "off")


def test_the_smarthosts_password_comes_by_standard_input_and_is_never_shown(office: Office) -> None:
    result = office.run("domain", "set", RELAY, "smarthost=out.example", "smarthost-password=-", input="s3cret pw\n")
    assert result.exit_code == 0
    assert row(office, RELAY).smarthost_password == "s3cret pw"
    assert "s3cret" not in result.output + office.done("domain", "show", RELAY, "--json")
    assert office.json("domain", "show", RELAY)["smarthost-password"] == "set"
    office.done("domain", "set", RELAY, "smarthost=out.example", "--password-stdin", input="other one\r\n")
    assert row(office, RELAY).smarthost_password == "other one"
    assert office.json("domain", "set", RELAY, "smarthost-password=")["smarthost-password"] == ""


def test_an_authority_is_kept_by_its_absolute_path(office: Office, tmp_path: Path) -> None:
    make_authority(tmp_path, now=0.0)
    changed = office.json("domain", "set", RELAY, "primary-ca=ca.crt")
    assert changed["primary-ca"] == str(tmp_path / "ca.crt")
    (tmp_path / "junk.pem").write_bytes(b"\x00\xff")
    assert "holds no PEM certificate" in office.refused("domain", "set", RELAY, "primary-ca=junk.pem")
    assert office.json("domain", "set", RELAY, "primary-ca=")["primary-ca"] == ""


def test_a_held_domain_says_how_to_release_it_and_how_much_goes(office: Office) -> None:
    office.receive("ray@relay.example")
    assert "xtramail domain release relay.example" in office.done("domain", "hold", RELAY)
    assert office.json("domain", "show", RELAY)["state"] == "held"
    assert office.json("domain", "show", RELAY)["waiting"] == 1
    released = office.json("domain", "release", RELAY)
    assert (released["state"], released["waiting"]) == ("recovering", 1)


def test_show_counts_users_and_list_has_a_line_for_each(office: Office) -> None:
    assert office.json("domain", "show", "local.example")["users"] == 2
    lines = office.done("domain", "list").splitlines()
    assert lines[0].split("\t") == ["name", "primary", "state", "recipients", "retention-days", "continuity"]
    assert [line.split("\t")[0] for line in lines[1:]] == [
        "any.example",
        "ask.example",
        "local.example",
        "relay.example",
    ]
    assert [one["name"] for one in office.json("domain", "list", "Local.Example")] == ["local.example"]


def test_a_removed_domain_is_gone_with_its_users(office: Office) -> None:
    assert office.json("domain", "remove", "local.example") == {"removed": "local.example", "users": 2}
    assert "is not served here" in office.refused("domain", "show", "local.example")
    assert "does not exist" in office.refused("user", "show", "ann@local.example")


def test_without_domains_the_list_says_what_to_do(bare: Office) -> None:
    assert bare.done("domain", "list") == "no domain is served yet; add one: xtramail domain add NAME --primary HOST\n"
    assert bare.json("domain", "list") == []


def test_every_mistake_of_a_change_is_told_at_once(office: Office) -> None:
    office.done("domain", "add", "many.example")
    told = office.refused("domain", "set", "many.example", "retention-days=x", "primary-tls=maybe", "colour=red")
    assert "retention-days" in told and "primary-tls" in told and "colour" in told


def test_a_relay_account_is_shown_once(office: Office) -> None:
    made = office.json("domain", "relay-account", RELAY, "create")
    assert made["user"] == RELAY and len(made["generated"]) == 23
    shown = office.json("domain", "relay-account", RELAY, "show")
    assert shown["user"] == RELAY and made["generated"] not in str(shown)
    assert office.json("domain", "show", RELAY)["relay-account"] == "set"
    assert "removing it first" in office.refused("domain", "relay-account", RELAY, "create")
    assert f"domain {RELAY} has no relay account any more" in office.done("domain", "relay-account", RELAY, "remove")
    assert "make one: xtramail domain relay-account" in office.refused("domain", "relay-account", RELAY, "show")


def test_who_may_send_is_set_and_shown(office: Office, tmp_path: Path) -> None:
    authority, _ = make_authority(tmp_path / "ca", now=0.0)
    words = ("relay-from=192.0.2.7,198.51.100.0/28", "relay-certificate=mail.corp.example", "relay-rate=500")
    changed = office.json("domain", "set", RELAY, *words, f"relay-certificate-ca={authority}")
    assert changed["relay-from"] == "192.0.2.7/32,198.51.100.0/28" and changed["relay-rate"] == "500"
    assert "relay-certificate-ca 'gone': No such file" in office.refused(
        "domain", "set", RELAY, "relay-certificate-ca=gone"
    )
    reason = office.refused("domain", "set", "local.example", "relay-from=40.92.0.0/15")
    assert "customers of Microsoft 365 share" in reason and "relay-account local.example create" in reason
