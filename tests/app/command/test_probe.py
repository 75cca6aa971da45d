"""A test of the way to a primary: what must be there before, and a host that is not us."""

from __future__ import annotations

import json

import pytest

from tests.app.command.office import Office
from tests.app.command.test_status import host
from xtramail.store.server_lock import ServerLock

RELAY = "relay.example"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((RELAY,), "no server runs on this store"),
        (("local.example",), "has no primary"),
        ((RELAY, "--to", "ann@local.example"), "it is not in relay.example"),
        (("gone.example",), "is not served here"),
    ],
)
def test_what_cannot_be_tried_is_refused(office: Office, words: tuple[str, ...], reason: str) -> None:
    assert reason in office.refused("domain", "test", *words)


@pytest.mark.parametrize(
    ("greeting", "text"), [(b"554 go away\r\n", "554 go away"), (b"421 later\x1b[2J\r\n", "421 later"), (b"", "closed")]
)
def test_a_server_that_takes_no_mail_is_told_with_what_to_do(office: Office, greeting: bytes, text: str) -> None:
    with ServerLock(office.store), host(greeting) as port:
        office.config.write_text(office.config.read_text().replace("tcp:2525", f"tcp:{port}"))
        result = office.run("domain", "test", RELAY, "--json")
        assert result.exit_code == 1
        told = json.loads(result.stdout)
        (step,) = told["steps"]
        assert (step["step"], step["state"], told["good"]) == ("connect", "failed", False)
        assert text in step["text"] and "xtramail doctor" in step["next"]
        printed = office.run("domain", "test", RELAY)
        assert printed.exit_code == 1 and "\x1b" not in printed.output and "next: " in printed.output
