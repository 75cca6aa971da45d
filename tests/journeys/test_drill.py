"""A drill: some see the outage while their own server receives all; who could not work is named; nothing stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.authority import Authority
from tests.journeys.conftest import ANN, BEN, DOMAIN, Install
from tests.journeys.harness import Installation, eventually, fetched, mail
from tests.journeys.scripted_imap import ScriptedImap
from tests.journeys.scripted_primary import Script, ScriptedPrimary

CARL = f"carl@{DOMAIN}"


@pytest.fixture
def three(install: Install, primary: ScriptedPrimary) -> Installation:
    """Ann and Ben have passwords here; Carl was learned by his mail, and has none."""
    server = install()
    server.add_domain(DOMAIN, "--primary", primary.host)
    for user in (ANN, BEN):
        server.add_user(user)
    server.start()
    server.send(mail("first", to=CARL), CARL)
    server.waits_for_nothing()
    assert len(primary.mailboxes.messages(CARL)) == 1
    return server


def begin(server: Installation) -> str:
    begun = server.command("drill", "start", DOMAIN, "--users", "ann,ben,carl", "--minutes", "30")
    assert begun["without-password"] == [CARL]
    return str(begun["id"])


def report(server: Installation, drill: str) -> dict[str, dict[str, dict[str, Any]]]:
    """By user and step."""
    told = server.command("drill", "report", drill)
    return {one["user"]: {step["step"]: step for step in one["steps"]} for one in told["pilots"]}


def canaries_done(server: Installation, drill: str) -> bool:
    waits = ("in", "in-primary", "out", "out-arrived", "sent-back")
    return all(steps[name]["state"] == "good" for steps in report(server, drill).values() for name in waits)


def ends(server: Installation, drill: str) -> None:
    server.command("drill", "stop", drill)
    eventually(lambda: server.command("drill", "status")[0]["state"] == "over", what="the drill is over")


def test_three_pilots_see_the_outage_while_the_primary_still_receives_all(
    three: Installation, primary: ScriptedPrimary
) -> None:
    drill = begin(three)
    eventually(lambda: canaries_done(three, drill), what="canaries went both ways")
    with three.imap(ANN) as client:
        assert any(b"X-Xtramail-Drill" in one for one in fetched(client)), "her client shows them"
        assert len(fetched(client, "Sent")) == 1
    with three.submission(BEN) as smtp:
        assert not smtp.sendmail(BEN, [ANN], mail("from Ben", to=ANN, sender=BEN))
    three.send(mail("from outside"), ANN)
    three.waits_for_nothing()
    assert len(primary.mailboxes.messages(ANN)) >= 5, "the primary receives all"
    ends(three, drill)
    told = report(three, drill)
    assert [told[user]["login"]["text"] for user in (ANN, BEN)] == ["by imap", "by submission"]
    assert (told[CARL]["credential"]["state"], told[CARL]["login"]["state"]) == ("failed", "failed")
    assert "xtramail user passwd carl@example.test" in told[CARL]["credential"]["next"]
    shown = three.command("drill", "status")[0]
    assert (shown["passed"], shown["failed"]) == ([ANN, BEN], [CARL])
    with three.imap(ANN) as client:
        left = fetched(client)
        assert len(left) == 2 and not any(b"X-Xtramail-Drill" in one for one in left), "only real mail stays"
        assert fetched(client, "Sent") == []
    (alert,) = [one for one in three.command("alert", "list") if one["kind"] == "drill"]
    assert "2 of 3 users passed; not carl@example.test" in alert["text"]
    three.balance()
    assert three.command("verify")["findings"] == []


def test_killed_in_the_middle_it_goes_on_and_sends_nothing_twice(
    three: Installation, primary: ScriptedPrimary
) -> None:
    drill = begin(three)
    eventually(
        lambda: [one for one in primary.messages if b"X-Xtramail-Drill" in one.octets], what="the first canary arrives"
    )
    three.kill()
    # Attempts whose row stood when it died: their dot may have been given, and no one knows.
    doubtful = sum(
        one["address"] == BEN and one["fate"] in ("attempted", "unconfirmed")
        for entry in three.queue()
        for one in entry["recipients"]
    )
    three.start()
    eventually(lambda: canaries_done(three, drill), what="canaries went both ways")
    ends(three, drill)
    names = [one.field("Message-ID") for one in primary.mailboxes.messages(BEN)]
    assert len(set(names)) == 2 and 3 <= len(names) <= 3 + doubtful, "what came in, what he sent to himself, its copy"
    three.balance()


@pytest.fixture
def imap(primary: ScriptedPrimary, tmp_path: Path) -> Iterator[ScriptedImap]:
    """The primary's IMAP, where one password opens every mailbox."""
    certificate = Authority(tmp_path).serving("localhost")
    with ScriptedImap(primary.mailboxes, certificate) as one:
        yield one


def credentials(server: Installation, imap: ScriptedImap, folder: Path, *more: str) -> None:
    server.command(
        "domain", "set", DOMAIN, f"primary-ca={folder / 'authority.pem'}", f"primary-imap={imap.host}",
        "primary-imap-secret=-", *more, text="the secret of the service",
    )  # fmt: skip


def test_with_credentials_canaries_are_seen_and_removed_at_the_primary_too(
    three: Installation, primary: ScriptedPrimary, imap: ScriptedImap, tmp_path: Path
) -> None:
    credentials(three, imap, tmp_path)
    three.send(mail("real"), ANN)
    three.waits_for_nothing()
    drill = begin(three)
    eventually(lambda: canaries_done(three, drill), what="canaries went both ways")
    eventually(
        lambda: {one["in-found"]["state"] for one in report(three, drill).values()} == {"good"},
        what="they are found at the primary",
    )  # fmt: skip
    ends(three, drill)
    assert [one.field("Subject") for one in primary.mailboxes.messages(ANN)] == ["message real"]
    assert primary.mailboxes.messages(BEN) == []
    assert {one["tidy"]["state"] for one in report(three, drill).values()} == {"good"}


def test_a_primary_that_says_250_and_keeps_nothing_is_found_out(
    three: Installation, primary: ScriptedPrimary, imap: ScriptedImap, tmp_path: Path
) -> None:
    canary = (f"canary=probe@{DOMAIN}", "canary-round-trip=on", "canary-every=1s", "canary-time=1m", "probe-idle=1h")
    credentials(three, imap, tmp_path, *canary)
    eventually(lambda: "UID EXPUNGE" in imap.commands, what="a canary came round and is removed")
    alerts = [one["kind"] for one in three.command("alert", "list")]
    assert "canary-missed" not in alerts
    primary.play(Script(discard=True))
    # Only now, for a good one may take its time on a busy machine.
    three.command("domain", "set", DOMAIN, "canary-time=2s")
    eventually(
        lambda: "canary-missed" in [one["kind"] for one in three.command("alert", "list")],
        what="the loss is told",
    )  # fmt: skip
    steps = eventually(
        lambda: [one for one in three.log("primary-changed") if "in no mailbox there" in one["cause"]],
        what="it counts as a fault",
    )  # fmt: skip
    assert steps[0]["after"] == "suspect"
