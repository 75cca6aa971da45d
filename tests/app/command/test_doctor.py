"""The doctor on an installation with a name server, primaries and doors that say what a test tells them."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificates

from tests.app.command.office import Office
from tests.app.command.test_status import host
from tests.journeys.authority import Authority
from tests.journeys.scripted_primary import Script, ScriptedPrimary
from tests.net.name_server import NameServer
from xtramail.app.authority import issue
from xtramail.app.command.doctor import Waiting
from xtramail.app.doctor import listening, machine
from xtramail.app.doctor.finding import Finding, worst
from xtramail.app.doctor.kernel_clock import kept_right
from xtramail.app.doctor.patient import Patient
from xtramail.app.paths import Paths
from xtramail.app.settings import Settings
from xtramail.delivery.retention import RetentionJob
from xtramail.model.clock import SetClock
from xtramail.model.pending import drive
from xtramail.net.dane import public_key_info
from xtramail.store import keys
from xtramail.store.last_backup import put_last_backup
from xtramail.store.lmdb_engine import LmdbEngine

MAIL = "mail.example.org"
US = "192.0.2.7"
PUBLIC = "8.8.4.4"
"""One that the world can reach; nothing is ever sent to it here, because the server does not run."""
LOCAL, RELAY = "local.example", "relay.example"


@pytest.fixture
def names() -> Iterator[NameServer]:
    with NameServer() as server:
        server.put(MAIL, "A", PUBLIC).put("4.4.8.8.in-addr.arpa", "PTR", f"{MAIL}.")
        for name in (LOCAL, RELAY):
            server.put(name, "MX", f"10 {MAIL}.").put(name, "TXT", f'"v=spf1 a:{MAIL} -all"')
            server.put(f"_dmarc.{name}", "TXT", '"v=DMARC1; p=reject"')
        yield server


def told(office: Office, names: NameServer, *domains: str) -> dict[str, list[tuple[str, str, str]]]:
    """Level, text and remedy by check."""
    result = office.run("doctor", *domains, "--nameserver", f"127.0.0.1:{names.port}", "--json")
    rows = json.loads(result.stdout)
    assert result.exit_code == (1 if any(row["level"] == "error" for row in rows) else 0), result.output
    found: dict[str, list[tuple[str, str, str]]] = {}
    for row in rows:
        assert row["remedy"] or row["level"] in ("ok", "info"), row
        assert "\n" not in row["finding"] + row["remedy"]
        found.setdefault(row["check"], []).append((row["level"], row["finding"], row["remedy"]))
    return found


def one(office: Office, names: NameServer, check: str, domain: str = LOCAL) -> tuple[str, str, str]:
    (found,) = told(office, names, domain)[check]
    return found


def test_a_domain_whose_records_are_right_is_well(office: Office, names: NameServer) -> None:
    found = told(office, names, LOCAL)
    for check in ("mx", "spf", "dmarc", "ptr"):
        assert [level for level, _, _ in found[check]] == ["ok"], (check, found[check])
    assert found["dkim"][0][0] == "info" and "xtramail dkim create" in found["dkim"][0][2]


def test_mx_that_is_not_ours(office: Office, names: NameServer) -> None:
    names.put(LOCAL, "MX", "10 mx.elsewhere.example.")
    level, text, remedy = one(office, names, "mx")
    assert level == "warn" and "mx.elsewhere.example is not ours" in text and "domain guide" in remedy
    names.put(LOCAL, "MX", f"10 {MAIL}.", "20 mx.elsewhere.example.")
    assert "not all of them are ours" in one(office, names, "mx")[1]
    names.forget(LOCAL, "MX")
    assert f"{LOCAL} has no MX record" in one(office, names, "mx")[1]
    for name, kind in list(names.records):
        if name.endswith(LOCAL):
            names.forget(name, kind)
    found = told(office, names, LOCAL)
    assert "does not exist" in found["mx"][0][1] and "spf" not in found, "one thing to mend at a time"


def test_spf_that_leaves_us_out_is_missing_or_broken(office: Office, names: NameServer) -> None:
    names.put(LOCAL, "TXT", '"v=spf1 ip4:203.0.113.1 -all"')
    assert one(office, names, "spf")[:2] == (
        "warn", f"{LOCAL}: its SPF record does not let us send, from {PUBLIC} (fail)"
    )
    names.put(LOCAL, "TXT", '"v=spf1 include:gone.example -all"')
    level, text, remedy = one(office, names, "spf")
    assert level == "error" and "includes gone.example, which has no SPF record" in text
    names.put(LOCAL, "TXT", '"v=spf1 -all"', '"v=spf1 +all"')
    assert "2 SPF records" in one(office, names, "spf")[1]
    names.forget(LOCAL, "TXT")
    assert "has no SPF record" in one(office, names, "spf")[1]


def test_spf_is_asked_for_the_smarthost_where_one_carries_the_mail(office: Office, names: NameServer) -> None:
    office.done("domain", "set", LOCAL, "smarthost=out.example")
    names.put("out.example", "A", "203.0.113.5")
    assert "203.0.113.5 (fail)" in one(office, names, "spf")[1]
    names.put(LOCAL, "TXT", '"v=spf1 a:out.example -all"')
    assert one(office, names, "spf")[0] == "ok"


def test_dmarc_that_is_missing_or_there_twice(office: Office, names: NameServer) -> None:
    names.forget(f"_dmarc.{LOCAL}", "TXT")
    level, _, remedy = one(office, names, "dmarc")
    assert level == "info" and f"_dmarc.{LOCAL}" in remedy
    names.put(f"_dmarc.{LOCAL}", "TXT", '"v=DMARC1; p=none"', '"v=DMARC1; p=reject"')
    assert one(office, names, "dmarc")[0] == "warn"


def test_who_publishes_dmarc_hears_that_his_aliases_lend_his_name(office: Office, names: NameServer) -> None:
    office.done("alias", "add", f"in@{LOCAL}", f"ann@{LOCAL}")
    assert one(office, names, "dmarc")[0] == "ok"
    office.done("alias", "add", f"out@{LOCAL}", "far@away.example")
    (_, (level, finding, remedy)) = told(office, names, LOCAL)["dmarc"]
    assert level == "info" and f"a forged From of {LOCAL}" in finding and f"domain set {LOCAL} forward-as=" in remedy
    office.done("domain", "set", LOCAL, f"forward-as={RELAY}")
    assert one(office, names, "dmarc")[0] == "ok"


def test_dkim_keys_are_looked_for_in_dns(office: Office, names: NameServer) -> None:
    office.done("dkim", "create", LOCAL, "--algorithm", "ed25519", "--selector", "s1")
    level, text, remedy = one(office, names, "dkim")
    assert level == "info" and "s1" in text and "is not in DNS yet" in text and "dkim show" in remedy
    shown = office.json("dkim", "show", LOCAL)
    record = shown[0]["record"] if isinstance(shown, list) else shown["keys"][0]["record"]
    names.put(f"s1._domainkey.{LOCAL}", "TXT", f'"{record}"')
    level, text, remedy = one(office, names, "dkim")
    assert (level, remedy) == ("info", f"put it to work: xtramail dkim activate {LOCAL}")
    office.done("dkim", "activate", LOCAL, "--force")
    assert one(office, names, "dkim")[0] == "ok"
    names.forget(f"s1._domainkey.{LOCAL}", "TXT")
    level, text, _ = one(office, names, "dkim")
    assert level == "error" and "signs mail and nobody finds it" in text


def test_addresses_and_their_way_back(office: Office, names: NameServer) -> None:
    names.put("4.4.8.8.in-addr.arpa", "PTR", "dns.google.example.")
    level, text, remedy = one(office, names, "ptr")
    assert level == "warn" and "does not lead back" in text and f"PTR {MAIL}" in remedy
    names.put("dns.google.example", "A", PUBLIC)
    assert one(office, names, "ptr")[0] == "info"
    names.forget("4.4.8.8.in-addr.arpa", "PTR")
    assert "has no PTR record" in one(office, names, "ptr")[1]
    names.put(MAIL, "A", US)
    assert one(office, names, "ptr")[:2] == ("info", f"{MAIL} is {US}, an address that the world cannot reach")
    names.forget(MAIL, "A")
    assert one(office, names, "host")[:2] == ("warn", f"{MAIL} has no address in DNS")


def test_mail_programs_of_a_local_domain_find_us(office: Office, names: NameServer) -> None:
    assert {level for level, _, _ in told(office, names, LOCAL)["srv"]} == {"info"}
    assert "srv" not in told(office, names, RELAY), "they find their primary"
    names.put(f"_imaps._tcp.{LOCAL}", "SRV", f"0 1 2993 {MAIL}.")
    names.put(f"_submissions._tcp.{LOCAL}", "SRV", "0 1 465 old.example.")
    levels = {text.split(".")[0]: level for level, text, _ in told(office, names, LOCAL)["srv"]}
    assert levels["_imaps"] == "ok" and levels["_submissions"] == "warn" and levels["_submission"] == "info"
    names.put(f"autoconfig.{LOCAL}", "CNAME", "pages.example.").put("pages.example", "A", US)
    assert "which is pages.example" in one(office, names, "autoconfig")[1]


def test_tlsa_records_of_ours_that_name_another_certificate_are_an_error(office: Office, names: NameServer) -> None:
    certificate, _ = issue(office.folder / "certs", [MAIL], now=time.time())
    der = load_pem_x509_certificates(certificate.read_bytes())[0].public_bytes(Encoding.DER)
    good = f"3 1 1 {sha256(public_key_info(der)).hexdigest()}"
    names.put(f"_25._tcp.{MAIL}", "TLSA", good)
    assert one(office, names, "tlsa")[0] == "ok"
    names.put(f"_25._tcp.{MAIL}", "TLSA", "3 1 1 " + "ab" * 32)
    assert one(office, names, "tlsa")[0] == "error"


def test_the_trusted_resolver_is_tried(office: Office, names: NameServer) -> None:
    level, text, remedy = one(office, names, "dnssec")
    assert level == "info" and "no resolver that checks DNSSEC is named" in text and "validating" in remedy
    with office.config.open("a") as config:
        config.write(f'\n[dns]\nvalidating = "127.0.0.1:{names.port}"\n')
    level, text, _ = one(office, names, "dnssec")
    assert level == "warn" and "does not check DNSSEC" in text
    names.secure.add(".")
    assert one(office, names, "dnssec")[0] == "ok"
    names.bad.add(".")
    level, text, _ = one(office, names, "dnssec")
    assert level == "error" and "mail to the world waits" in text


def test_without_a_name_server_the_rest_is_looked_at(office: Office) -> None:
    began = time.monotonic()
    result = office.run("doctor", LOCAL, "--nameserver", "127.0.0.1:1", "--json")
    found = {row["check"]: row for row in json.loads(result.stdout)}
    assert found["dns"]["level"] == "warn" and "no name server answers" in found["dns"]["finding"]
    assert "mx" not in found and found["ledger"]["level"] == "ok"
    assert time.monotonic() - began < 30


def test_one_record_that_cannot_be_had_leaves_the_others(office: Office, names: NameServer) -> None:
    names.bad.add(f"{LOCAL} MX")
    found = told(office, names, LOCAL)
    assert found["mx"][0][0] == "warn" and "SERVFAIL" in found["mx"][0][1] and found["spf"][0][0] == "ok"


def test_a_primary_is_looked_at_closely(office: Office, names: NameServer, tmp_path: Path) -> None:
    with ScriptedPrimary() as primary:
        office.done("domain", "set", RELAY, f"primary={primary.host}", "recipients=ask")
        found = told(office, names, RELAY)
        assert found["primary"][0][0] == "ok" and found["primary-tls"][0][0] == "info"
        level, text, remedy = found["recipients"][0]
        assert level == "warn" and "takes recipients that do not exist" in text and "recipients=listed" in remedy
        office.done("domain", "set", RELAY, "primary-tls=required")
        assert told(office, names, RELAY)["primary-tls"][0][0] == "error"
        primary.play(Script(certificate=Authority(tmp_path).serving("localhost")))
        assert told(office, names, RELAY)["primary-tls"][0][0] == "ok"
        office.done("domain", "set", RELAY, "primary-tls=verify")
        level, text, remedy = told(office, names, RELAY)["primary-tls"][0]
        assert level == "error" and "its mail waits" in text
        office.done(
            "domain", "set", RELAY, f"primary=localhost:{primary.port}", f"primary-ca={tmp_path / 'authority.pem'}"
        )
        assert told(office, names, RELAY)["primary-tls"][0][0] == "ok"
        assert not primary.messages
    with host(b"554 go away\r\n") as port:
        office.done("domain", "set", RELAY, f"primary=127.0.0.1:{port}")
        found = told(office, names, RELAY)
        assert found["primary"][0][0] == "error" and "primary-tls" not in found


def test_a_name_of_ours_without_a_certificate_is_found(office: Office, names: NameServer) -> None:
    text = office.config.read_text()
    office.config.write_text(re.sub(r"(?m)^hostname = .*$", f'hostname = ["{MAIL}", "other.example.org"]', text))
    found = told(office, names, LOCAL)["certificates"]
    assert any(level == "ok" and "days from now, for " in text for level, text, _ in found), found
    assert any("other.example.org" in text and level == "error" for level, text, _ in found), found
    assert any("believed only by who was given its authority" in text for _, text, _ in found), found


def test_our_door_is_tried_by_a_public_address(office: Office) -> None:
    with host(f"220 {MAIL.upper()} ESMTP\r\n".encode()) as ours, host(b"220 mx.else.example\r\n") as other:
        (found,) = listening.from_outside(MAIL, "127.0.0.1", ours)
        assert found.level == "ok"
        (found,) = listening.from_outside(MAIL, "127.0.0.1", other)
        assert found.level == "warn" and "somebody else" in found.what
    (found,) = listening.from_outside(MAIL, "127.0.0.1", ours)
    assert found.level == "info" and "does not answer from here" in found.what


def test_who_never_answers_is_waited_for_a_bounded_time() -> None:
    over = threading.Event()

    def silent() -> Iterator[Finding]:
        over.wait(60)
        yield Finding("ok", "a", "late")

    waiting = Waiting(2.0)
    waiting.add("the quick one", lambda: iter([Finding("ok", "a", "quick")]))
    waiting.add("the silent one", silent)
    began = time.monotonic()
    quick, late = waiting.findings()
    over.set()
    assert quick.what == "quick" and time.monotonic() - began < 40
    assert (late.level, late.what) == ("warn", "the silent one: nothing was heard within 2 s")


@contextmanager
def patient(folder: Path, **changes: Any) -> Iterator[Patient]:
    engine = LmdbEngine(folder / "store", create=True)
    settings = Settings()
    try:
        yield Patient(
            **{
                "settings": settings,
                "engine": engine,
                "paths": Paths.of(settings, None),
                "now": time.time(),
                "running": False,
                "domains": (),
                "identities": (),
                "dkim": {},
                **changes,
            }
        )
    finally:
        engine.close()


def test_the_age_of_the_backup_is_told(tmp_path: Path) -> None:
    with patient(tmp_path) as whose:
        assert [found.level for found in machine.backup(whose)] == ["warn"]
        for days, level in ((1, "ok"), (5, "warn")):
            at = whose.now - days * 86_400
            whose.engine.transact(keys.STORE, lambda txn, at=at: put_last_backup(txn, at)).result()
            (found,) = machine.backup(whose)
            assert found.level == level and ("5 days ago" in found.what) == (days == 5)


def test_a_clock_that_is_behind_what_was_done_here_is_told(tmp_path: Path) -> None:
    """Whoever makes a store on a machine whose clock was set back has no mail of a later day yet."""

    def clock(whose: Patient) -> Finding:
        return next(one for one in machine.clock(whose, lambda: True) if one.check == "clock")

    with patient(tmp_path) as whose:
        job = RetentionJob(
            engine=whose.engine, clock=SetClock(whose.now + 300.0), run="r", on_drop=print, on_pause=print
        )
        drive(job.look())
        assert clock(whose).level == "ok", "clocks are corrected a little"
        late = replace(whose, now=whose.now - 86_400)
        found = clock(late)
        assert found.level == "error" and "the server was at work at" in found.what
        assert "NTP" in found.remedy and "expire --confirm" in found.remedy
        whose.engine.transact(keys.STORE, lambda txn: put_last_backup(txn, whose.now)).result()
        (found,) = machine.backup(late)
        assert found.level == "warn" and "now it is" in found.what and "NTP" in found.remedy


@pytest.mark.parametrize(("kept", "level"), [(True, "ok"), (False, "warn"), (None, "info")])
def test_a_clock_that_nobody_keeps_right_is_told(tmp_path: Path, kept: bool | None, level: str) -> None:
    with patient(tmp_path) as whose:
        found = [one.level for one in machine.clock(whose, lambda: kept) if one.check == "ntp"]
        assert found == [level]


def test_the_kernel_is_asked_for_its_clock() -> None:
    assert kept_right() in (True, False, None)


def test_the_worst_finding_makes_the_exit_code(office: Office, names: NameServer) -> None:
    assert worst([Finding("ok", "a", "b"), Finding("warn", "a", "b"), Finding("info", "a", "b")]) == "warn"
    server = f"127.0.0.1:{names.port}"
    assert office.run("doctor", LOCAL, "--nameserver", server).exit_code == 0
    assert office.run("doctor", LOCAL, "--nameserver", server, "--fail-on", "warn").exit_code == 1
    office.done("domain", "set", RELAY, "primary=127.0.0.1:1")
    assert office.run("doctor", RELAY, "--nameserver", server).exit_code == 1
