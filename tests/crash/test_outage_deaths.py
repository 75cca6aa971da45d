"""Killed in an outage, at the end of one, or while mail is given back or given up: the next life goes on from there."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.load import Acknowledged, audit, send_some, twice
from tests.journeys.conftest import ANN, BEN, DOMAIN
from tests.journeys.harness import PROGRAMS, Installation, eventually, fetched, mail
from tests.journeys.scripted_primary import ScriptedPrimary
from tests.journeys.test_expiry import moved_by

World = tuple[Installation, ScriptedPrimary, Acknowledged]

# Point, and at which passes to die there. Steps of one life: suspect, down, recovering, up.
POINTS = {
    "outage.before-step": (1, 3),
    "outage.after-step": (2, 3, 4),
    "drain.next": (1, 6),
    "relay.before-attempt": (5,),
    "relay.after-attempt": (5,),
    "relay.after-outcome": (9,),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ScriptedPrimary() as primary:
        server = Installation(tmp_path_factory.mktemp("outage") / "server").init()
        server.add_domain(DOMAIN, "--primary", primary.host, "--recipients", "listed")
        server.add_user(ANN)
        server.command("domain", "set", DOMAIN, "outage-goods=2", "outage-faults=2", "probe-idle=200ms")
        yield server, primary, Acknowledged()
        server.close()


def state(server: Installation) -> str:
    (row,) = server.command("outage", "status")
    return str(row["state"])


def balanced(server: Installation) -> None:
    """Asked of the store as the death left it, before anybody mends it."""
    server.balance()
    assert server.command("verify")["findings"] == []


@pytest.mark.parametrize(
    ("point", "at"), [(point, at) for point, passes in POINTS.items() for at in passes], ids=lambda value: str(value)
)
def test_a_death_in_an_outage_loses_nothing_and_hands_over_once(world: World, point: str, at: int) -> None:
    server, primary, known = world
    before = twice(primary)
    primary.refuse()
    server.environment = {"XTRAMAIL_CRASH_AT": f"{point}:{at}"}
    began = server.log_end()
    server.start(may_die=True)
    send_some(server, known, 9)
    eventually(lambda: not server.alive() or down(server, began), what="it is down, or died before")
    primary.accept()
    assert server.wait_for_death() == -signal.SIGKILL

    balanced(server)
    attempted = open_attempts(server)
    server.environment = {}
    server.start()
    server.drains()
    server.finds_its_primary("up")
    audit(server, primary, known)
    assert server.stop() == 0
    assert twice(primary) - before <= attempted, "twice only where the answer to the dot may have been lost"


def down(server: Installation, since: int) -> bool:
    return any(one["after"] == "down" for one in server.log("primary-changed", since=since))


def open_attempts(server: Installation) -> set[str]:
    names = {one["id"]: one["message_id"].strip("<>").partition("@")[0] for one in server.log("message-accepted")}
    return {
        names.get(entry["message"], "")
        for entry in server.queue()
        if any(one["fate"] in ("attempted", "unconfirmed") for one in entry["recipients"])
    }


@pytest.mark.parametrize("point", ["desk.before-change", "writer.before-commit", "desk.after-change"])
def test_a_hold_whose_command_was_killed_holds_or_does_not(tmp_path: Path, point: str) -> None:
    """The command commits in a process of its own, beside the server."""
    with ScriptedPrimary() as primary:
        server = Installation(tmp_path / "server").init()
        server.add_domain(DOMAIN, "--primary", primary.host, "--recipients", "listed")
        server.add_user(ANN)
        server.start()
        for command, number in (("hold", 1), ("release", 2)):
            died = killed(server, point, {}, "domain", command, DOMAIN)
            assert died == -signal.SIGKILL
            balanced(server)
            done = state(server) != ("up" if command == "hold" else "held")
            assert done == (point == "desk.after-change"), "one commit, whole or not at all"
            server.command("domain", command, DOMAIN)
            server.send(mail(number), ANN)
        server.drains()
        assert [one.octets.count(b"This is message") for one in primary.messages] == [1, 1]
        assert server.balance() == {"accepted": 2, "delivered": 2}
        server.close()


def killed(server: Installation, point: str, environment: dict[str, str], *arguments: str) -> int:
    """The exit code of a command that dies at a named point."""
    done = subprocess.run(
        [str(PROGRAMS / "xtramail"), "--config", str(server.config), *arguments],
        env={**os.environ, "XTRAMAIL_CRASH_AT": point, **environment}, capture_output=True, timeout=240,
    )  # fmt: skip
    return done.returncode


@pytest.mark.parametrize("point", ["relay.seized", "relay.before-outcome", "relay.after-outcome"])
def test_what_was_being_given_up_is_given_up_once(tmp_path: Path, point: str) -> None:
    with ScriptedPrimary() as primary:
        server = Installation(tmp_path / "server", settings=("relay.hold-days=3",)).init()
        server.add_domain(DOMAIN, "--primary", primary.host, "--recipients", "listed")
        for user in (ANN, BEN):
            server.add_user(user)
        server.start()
        server.command("domain", "hold", DOMAIN)
        for number in range(3):
            server.send(mail(number), BEN, sender=ANN)
        server.stop()

        # Mail is given up by a clock that somebody believes.
        server.environment = moved_by(4)
        server.start()
        server.command("expire", "--confirm", environment=moved_by(4))
        server.stop()

        server.environment = {**moved_by(4), "XTRAMAIL_CRASH_AT": f"{point}:2"}
        server.start(may_die=True)
        assert server.wait_for_death() == -signal.SIGKILL
        balanced(server)
        server.environment = moved_by(4)
        server.start()
        # What is told to Ann goes to her own primary, too, and that is held.
        eventually(lambda: server.balance().get("bounced") == 3, what="all are given up")
        with server.imap(ANN) as client:
            told = [one for one in fetched(client) if b"could not be delivered" in one]
        assert len(told) == 3, "each once"
        assert primary.messages == []
        server.close()
