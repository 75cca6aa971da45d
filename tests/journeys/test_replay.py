"""A primary takes mail and keeps none of it: a replay refills its mailboxes with exactly what is missing, once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.authority import Authority
from tests.journeys.conftest import ANN, BEN, DOMAIN
from tests.journeys.harness import Installation, Refused, mail
from tests.journeys.scripted_imap import ImapScript, ScriptedImap
from tests.journeys.scripted_primary import Script, ScriptedPrimary

SECRET = "the secret of the service"
WINDOW = ("replay", DOMAIN, "--from", "-1h")


@pytest.fixture
def imap(office: Installation, primary: ScriptedPrimary, tmp_path: Path) -> Iterator[ScriptedImap]:
    """The primary's IMAP, which the domain knows of."""
    logins = {f"{user}*admin": SECRET for user in (ANN, BEN)}
    certificate = Authority(tmp_path).serving("localhost")
    with ScriptedImap(primary.mailboxes, certificate, script=ImapScript(passwords=logins)) as one:
        office.command(
            "domain", "set", DOMAIN, f"primary-ca={tmp_path / 'authority.pem'}", f"primary-imap={one.host}",
            "primary-imap-login={address}*admin", "primary-imap-secret=-", "replay-rate=100000", text=SECRET,
        )  # fmt: skip
        yield one


def send(server: Installation, first: int, count: int, *to: str) -> None:
    with server.smtp() as client:
        for number in range(first, first + count):
            client.sendmail("bob@sender.example", list(to), mail(number, to=to[0]))
    server.waits_for_nothing()


def have(primary: ScriptedPrimary, user: str) -> list[str]:
    return sorted(one.field("Message-ID") for one in primary.mailboxes.messages(user))


def names(*numbers: int) -> list[str]:
    return sorted(f"<{number}@sender.example>" for number in numbers)


def test_only_what_a_primary_took_and_discarded_is_given_to_it_again(
    office: Installation, primary: ScriptedPrimary, imap: ScriptedImap
) -> None:
    send(office, 0, 5, ANN)
    primary.play(Script(discard=True))
    send(office, 5, 10, ANN)
    send(office, 15, 10, BEN)
    primary.play(Script())
    send(office, 25, 5, ANN, BEN)
    assert have(primary, ANN) == names(*range(5), *range(25, 30)) and have(primary, BEN) == names(*range(25, 30))
    assert office.balance() == {"accepted": 35, "delivered": 35}, "it said 250 to each"

    tried = office.command(*WINDOW, "--only-missing", "--dry-run")
    assert (tried["queued"], tried["present"]) == (20, 15)
    done = office.command(*WINDOW, "--only-missing")
    assert (done["queued"], done["present"], done["unknown"]) == (20, 15, 0)
    office.waits_for_nothing()
    assert have(primary, ANN) == names(*range(15), *range(25, 30)), "each once"
    assert have(primary, BEN) == names(*range(15, 30))
    assert office.balance() == {"accepted": 35, "delivered": 35}

    before = primary.taken
    again = office.command(*WINDOW, "--only-missing")
    assert (again["queued"], again["present"], again["replayed"]) == (0, 15, 20)
    assert primary.taken == before
    assert office.command("verify")["findings"] == []


def test_where_nobody_can_look_nothing_is_sent_and_the_exit_code_says_so(
    office: Installation, imap: ScriptedImap
) -> None:
    send(office, 0, 2, ANN)
    imap.refuse()
    with pytest.raises(Refused) as failed:
        office.command(*WINDOW, "--only-missing")
    assert failed.value.code == 1
    assert office.queue() == []


@pytest.mark.parametrize("point", ["replay.after-commit:1", "replay.before-commit:2"])
def test_a_replay_that_is_killed_goes_on_at_the_next_run_and_doubles_nothing(
    office: Installation, primary: ScriptedPrimary, point: str
) -> None:
    send(office, 0, 70, ANN)
    office.command("domain", "set", DOMAIN, "replay-rate=100000")
    with pytest.raises(Refused) as killed:
        office.command(*WINDOW, environment={"XTRAMAIL_CRASH_AT": point})
    assert killed.value.code == -signal.SIGKILL
    office.balance()
    office.command(*WINDOW)
    office.waits_for_nothing()
    assert office.command(*WINDOW)["replayed"] == 70
    assert have(primary, ANN) == sorted(names(*range(70)) * 2), "what it had, and each once more"
    assert office.balance() == {"accepted": 70, "delivered": 70}
