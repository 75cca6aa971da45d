"""Keys that sign, from the command line: what is printed can be pasted, and DNS is asked before one signs."""

from __future__ import annotations

import pytest

from tests.app.command.office import Office
from tests.net.name_server import NameServer
from xtramail.wire.dkim.key_record import record_fault

LOCAL = "local.example"


def publish(names: NameServer, line: str) -> None:
    """A line as it was printed, into a zone."""
    name, _, rest = line.partition(". IN TXT ( ")
    names.put(name, "TXT", rest.removesuffix(" )"))


def lines(told: str) -> list[str]:
    return [line for line in told.splitlines() if ". IN TXT ( " in line]


def test_what_is_printed_can_be_pasted_and_is_found(office: Office) -> None:
    told = office.done("dkim", "create", LOCAL, "--selector", "s1")
    assert told.endswith(f"or at once: xtramail dkim activate {LOCAL}\n")
    assert all(len(part) <= 257 for line in lines(told) for part in line.split(" ( ")[1].split('" "'))
    with NameServer() as names:
        where = ("--nameserver", f"127.0.0.1:{names.port}")
        first, second = lines(told)
        publish(names, first)
        half = office.run("dkim", "activate", LOCAL, *where)
        assert half.exit_code == 1
        assert half.stdout.splitlines()[:2] == [
            "s1-rsa signs from now on.",
            "s1-ed does not sign yet: there is no such TXT record",
        ]
        publish(names, second)
        assert office.json("dkim", "activate", LOCAL, *where) == {"domain": LOCAL, "active": ["s1-ed"], "waiting": {}}
        shown = office.done("dkim", "show", LOCAL, *where)
        assert shown.count("in DNS: as it should be") == 2


def test_a_name_server_that_does_not_answer_lets_nothing_sign(office: Office) -> None:
    office.done("dkim", "create", LOCAL, "--algorithm", "ed25519", "--selector", "s1")
    with NameServer() as names:
        names.bad.add("s1._domainkey.local.example")
        done = office.run("dkim", "activate", LOCAL, "--nameserver", f"127.0.0.1:{names.port}")
    assert done.exit_code == 1 and "s1 does not sign yet: DNS does not answer for s1._domainkey" in done.stdout
    assert "--force" in done.stdout
    assert office.done("dkim", "activate", LOCAL, "--force") == "s1 signs from now on.\n"


def test_json_has_the_record_whole_and_in_its_strings(office: Office) -> None:
    (made,) = office.json("dkim", "create", LOCAL, "--algorithm", "rsa", "--selector", "s1", "--force")
    assert made["state"] == "active" and made["record-name"] == "s1._domainkey.local.example"
    assert "".join(made["strings"]) == made["record"] and len(made["strings"]) == 2
    assert record_fault([made["record"]], "rsa-sha256", b"") == "it holds another key"
    assert "private" not in made


def test_keys_are_replaced_step_by_step(office: Office) -> None:
    assert "nothing; make keys" in office.done("dkim", "show", LOCAL)
    assert "make one: xtramail dkim create" in office.refused("dkim", "rotate", LOCAL)
    office.done("dkim", "create", LOCAL, "--algorithm", "ed25519", "--selector", "a", "--force")
    office.done("dkim", "rotate", LOCAL, "--selector", "b")
    office.done("dkim", "activate", LOCAL, "--force")
    assert "may wait somewhere until" in office.refused("dkim", "rotate", LOCAL, "--drop")
    dropped = office.done("dkim", "rotate", LOCAL, "--drop", "--force")
    assert dropped == "Dropped: a. Take out of DNS now:\n  a._domainkey.local.example\n"
    assert "b of local.example is gone" in office.done("dkim", "remove", LOCAL, "b", "--yes")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("create", "nowhere.example"), "domain nowhere.example is not served here"),
        (("create", LOCAL, "--algorithm", "dsa"), "choose one of rsa, ed25519, both"),
        (("create", LOCAL, "--selector", "a b"), "selector 'a b': letters, digits and hyphens"),
        (("activate", LOCAL), "no key waits"),
        (("remove", LOCAL, "x", "--yes"), "has no key x"),
    ],
)
def test_what_is_wrong_is_said(office: Office, words: tuple[str, ...], reason: str) -> None:
    assert reason in office.refused("dkim", *words)
