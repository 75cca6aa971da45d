"""A whole outage as its people live it: from the first refusal to the proof that everything was given back.

What is shown of single parts (kinds of trouble, lost answers, alerts, sent copies) has files of its own.
"""

from __future__ import annotations

import poplib
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.conftest import ANN, BEN, DOMAIN, Install
from tests.journeys.harness import (
    PROGRAMS,
    Installation,
    after_return_path,
    after_trace,
    eventually,
    fetched,
    mail,
)
from tests.journeys.scripted_hook import ScriptedHook
from tests.journeys.scripted_primary import ScriptedPrimary

CARLA = "carla@elsewhere.test"
OPS = "ops@provider.test"
SECRET = "what both sides know"
MAILS = range(20)
FOR_BOTH = range(0, 20, 5)
"""The others are Ann's and Ben's in turn."""
ANSWER, QUESTION, REPLY = 101, 102, 103
"""Ann answers the world, asks Ben, and he replies."""


def recipients(number: int) -> tuple[str, ...]:
    return (ANN, BEN) if number in FOR_BOTH else (ANN,) if number % 2 else (BEN,)


HANDED_BACK = Counter(
    [(user, number, False) for number in MAILS for user in recipients(number)]
    + [(BEN, QUESTION, False), (ANN, REPLY, False)]
    + [(ANN, ANSWER, True), (ANN, QUESTION, True), (BEN, REPLY, True)]
)
"""To whom, which, and whether it is the copy of what he sent."""


@pytest.fixture
def world() -> Iterator[ScriptedPrimary]:
    """The mail server of everybody else."""
    with ScriptedPrimary() as one:
        yield one


@pytest.fixture
def hook() -> Iterator[ScriptedHook]:
    with ScriptedHook(SECRET) as one:
        yield one


@pytest.fixture
def company(install: Install, primary: ScriptedPrimary, world: ScriptedPrimary, hook: ScriptedHook) -> Installation:
    server = install(settings=(f'relay.smarthost="{world.host}"', 'alerts.every="1s"'))
    server.add_domain(DOMAIN, "--primary", primary.host)
    for user in (ANN, BEN):
        server.add_user(user)
    told = (f"alert-mail={OPS}", f"alert-webhook={hook.url}", "alert-secret=-")
    server.command("domain", "set", DOMAIN, *told, text=SECRET + "\n")
    return server.start()


def twenty_mails_are_accepted(server: Installation) -> dict[int, bytes]:
    sent = {number: mail(number, to=", ".join(recipients(number))) for number in MAILS}
    with server.smtp() as client:
        for number, message in sent.items():
            assert not client.sendmail("bob@sender.example", recipients(number), message)
    return sent


def state_is_down(server: Installation) -> None:
    def state() -> str:
        (row,) = server.command("outage", "status", DOMAIN)
        return str(row["state"])

    eventually(lambda: state() == "down", what="its absence is noticed")
    (row,) = server.command("outage", "status", DOMAIN)
    assert row["waiting"] == len(MAILS) and "refused" in row["cause"] and row["outage"]
    # One of them knocks now and then.
    eventually(lambda: {one["state"] for one in server.queue()} == {"primary-down"}, what="all of it waits")


def one_alert_goes_to_people_and_one_to_programs(world: ScriptedPrimary, hook: ScriptedHook) -> None:
    eventually(lambda: alerts(world), what="a mail outside of the domain")
    eventually(lambda: "down" in hook.states(DOMAIN), what="a call")
    assert alerts(world) == [f"[xtramail] {DOMAIN}: primary is down"]
    assert hook.states(DOMAIN).count("down") == 1


def alerts(world: ScriptedPrimary) -> list[str]:
    mine = [one.octets for one in world.messages if one.recipients == (OPS,)]
    return [found[1].decode() for octets in mine if (found := re.search(rb"\r\nSubject: (.*)\r\n", octets))]


def people_hear_of_the_beginning_and_the_end(world: ScriptedPrimary) -> None:
    eventually(lambda: alerts(world)[-1].endswith("primary is up"), what="a mail says that it is over")
    assert alerts(world)[0].endswith("primary is down")
    assert sum(one.endswith("is down") for one in alerts(world)) == 1


def users_read_all_of_it(server: Installation, sent: dict[int, bytes]) -> list[bytes]:
    """Ann by IMAP, who marks it as read, and Ben by POP3; everything as it is stored."""
    with server.imap(ANN) as client:
        anns = fetched(client)
        client.select("INBOX")
        client.store("1:*", "+FLAGS", "\\Seen")
    pop = poplib.POP3_SSL("localhost", server.ports["pop3s"], context=server.tls(), timeout=60)
    pop.user(BEN)
    pop.pass_(server.users[BEN])
    bens = [b"\r\n".join(pop.retr(number)[1]) + b"\r\n" for number in range(1, len(pop.list()[1]) + 1)]
    pop.quit()
    for user, stored in ((ANN, anns), (BEN, bens)):
        assert [after_trace(one) for one in stored] == [sent[one] for one in MAILS if user in recipients(one)]
    # A message of both has one body, so that both have the same octets.
    return list(dict.fromkeys([*anns, *bens]))


def says(server: Installation, sender: str, to: str, number: int) -> bytes:
    message = mail(number, to=to, sender=sender)
    with server.submission(sender) as client:
        assert not client.sendmail(sender, [to], message)
    return message


def users_reply_to_the_world_at_once(server: Installation, world: ScriptedPrimary) -> None:
    answer = says(server, ANN, CARLA, ANSWER)
    (received,) = eventually(lambda: [one for one in world.messages if one.recipients == (CARLA,)], what="it is there")
    assert received.octets.endswith(answer)


def users_write_to_each_other_at_once(server: Installation) -> None:
    for sender, to, number in ((ANN, BEN, QUESTION), (BEN, ANN, REPLY)):
        message = says(server, sender, to, number)
        with server.imap(to) as client:
            assert after_trace(fetched(client)[-1]) == message, "in the other's mailbox when the sender has his 250"
        with server.imap(sender) as client:
            assert after_trace(fetched(client, "Sent")[-1]) == message


def nothing_has_reached_the_primary(server: Installation, primary: ScriptedPrimary, world: ScriptedPrimary) -> None:
    assert primary.messages == []
    waiting, out = HANDED_BACK.total(), len(world.messages)
    wanted = {"accepted": waiting + out, "held": waiting, "delivered": out}
    # The world has its mail a moment before we know that it does.
    eventually(lambda: server.balance() == wanted, what="only what is for the primary waits")


def primary_comes_back_and_the_state_is_up(server: Installation, primary: ScriptedPrimary, hook: ScriptedHook) -> None:
    primary.accept()
    eventually(lambda: not server.queue(), what="the queue drains by itself")
    eventually(lambda: hook.states(DOMAIN)[-1] == "up", what="it is up")
    assert hook.states(DOMAIN) == ["suspect", "down", "recovering", "up"]


def twenty_are_handed_back_exactly_once(primary: ScriptedPrimary, stored: list[bytes]) -> None:
    from_the_world = [one for one in primary.messages if one.sender == "bob@sender.example"]
    assert len(stored) == len(MAILS)
    assert Counter(one.octets for one in from_the_world) == Counter(after_return_path(one) for one in stored)


def colleagues_mail_and_sent_copies_too(primary: ScriptedPrimary) -> None:
    """Counted for each recipient, what came from the world with it."""
    came = ((user, number(one.octets), marked(one.octets)) for one in primary.messages for user in one.recipients)
    assert Counter(came) == HANDED_BACK


def number(octets: bytes) -> int:
    found = re.search(rb"\r\nMessage-ID: <(\d+)@", octets)
    assert found, octets
    return int(found[1])


def marked(octets: bytes) -> bool:
    return octets.startswith(b"X-Xtramail-Sent: yes\r\n")


def ledger_balances(server: Installation, world: ScriptedPrimary) -> None:
    server.waits_for_nothing()
    looked = server.command("outage", "balance")
    assert looked["balanced"] and looked["wrong"] == []
    assert looked["accepted"] == looked["delivered"] == HANDED_BACK.total() + len(world.messages)
    assert not any(looked.get(fate) for fate in ("held", "attempted", "unconfirmed", "suppressed", "bounced"))
    assert server.command("verify")["findings"] == []


def while_held_each_says_why(server: Installation) -> None:
    traced = server.command("trace", ANN)
    statuses = {(one["fate"], one["status"].partition(":")[0]) for one in traced["fates"]}
    assert statuses == {("held", "444 Redirect because"), ("delivered", "")}, "what went to the world went"
    assert {one["status"].partition(":")[0] for one in server.queue()} == {"444 Redirect because"}


def nothing_says_deferred_afterwards(server: Installation) -> None:
    traced = [server.command("trace", who) for who in (ANN, BEN)]
    assert {one["fate"] for found in traced for one in found["fates"]} == {"delivered"}
    last = {one["id"]: one for found in traced for one in found["events"]}
    assert {(one["event"], one["fate"]) for one in last.values()} == {("state", "delivered")}
    assert all(one["text"].startswith("delivered: 250 ") for one in last.values())
    for one in last:
        line = said(server, "trace", one).rstrip().splitlines()[-1]
        assert "delivered: 250 " in line and "deferred" not in line, "what people read last"
    assert said(server, "queue", "list") == "the queue is empty: all mail is handed on\n"
    for words in (("status",), ("outage", "status")):
        assert "deferred" not in said(server, *words)


def said(server: Installation, *arguments: str) -> str:
    """What people read."""
    command = [str(PROGRAMS / "xtramail"), "--config", str(server.config), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=240).stdout


def users_of(server: Installation, outage: str) -> dict[str, Any]:
    """What its people did in an outage, by their address."""
    return {one["address"]: one for one in server.command("outage", "show", outage)["evidence"]["users"]}


def evidence_is_true(server: Installation, folder: Path) -> None:
    (outage,) = server.command("outage", "history", DOMAIN)
    assert outage["started"] and outage["ended"] and "refused" in outage["cause"]
    shown = server.command("outage", "show", outage["id"])
    assert [one["after"] for one in shown["steps"]] == ["down", "recovering", "up"]
    evidence, copies = shown["evidence"], sum(count for (_, _, marked), count in HANDED_BACK.items() if marked)
    incoming = HANDED_BACK.total() - copies
    assert evidence["received"] + evidence["waited"] == evidence["fates"]["delivered"] == incoming
    assert (evidence["sent"], evidence["sent-back"], evidence["balanced"]) == (copies, {"delivered": copies}, True)
    assert evidence["longest-delay-seconds"] >= evidence["median-delay-seconds"] > 0
    # Logins are written down every ten seconds.
    eventually(lambda: set(users_of(server, outage["id"])[BEN]["logins"]) >= {"pop3", "submission"}, what="his logins")
    users = users_of(server, outage["id"])
    assert {address: one["sent"] for address, one in users.items()} == {ANN: 2, BEN: 1}
    assert users[ANN]["read"] == sum(ANN in recipients(one) for one in MAILS)
    server.command("outage", "show", outage["id"], "--html", str(folder / "evidence.html"))
    page = (folder / "evidence.html").read_text()
    assert "<svg" in page and "<script" not in page and ANN in page


def test_an_outage_from_its_first_refusal_to_its_proof(
    company: Installation, primary: ScriptedPrimary, world: ScriptedPrimary, hook: ScriptedHook, tmp_path: Path
) -> None:
    primary.refuse()
    sent = twenty_mails_are_accepted(company)
    state_is_down(company)
    one_alert_goes_to_people_and_one_to_programs(world, hook)
    stored = users_read_all_of_it(company, sent)
    users_reply_to_the_world_at_once(company, world)
    users_write_to_each_other_at_once(company)
    nothing_has_reached_the_primary(company, primary, world)
    while_held_each_says_why(company)
    primary_comes_back_and_the_state_is_up(company, primary, hook)
    twenty_are_handed_back_exactly_once(primary, stored)
    colleagues_mail_and_sent_copies_too(primary)
    people_hear_of_the_beginning_and_the_end(world)
    ledger_balances(company, world)
    nothing_says_deferred_afterwards(company)
    evidence_is_true(company, tmp_path)
