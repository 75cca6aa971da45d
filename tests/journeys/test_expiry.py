"""Mail leaves when its days are over, and only when the clock is believed."""

from __future__ import annotations

from tests.journeys.conftest import ANN, BEN, DOMAIN, Install
from tests.journeys.dialogue import Line
from tests.journeys.fast_clock import faketime
from tests.journeys.harness import eventually, fetched, mail
from tests.journeys.scripted_primary import ScriptedPrimary


def moved_by(days: int) -> dict[str, str]:
    """The environment of a process whose clocks are so many days ahead."""
    return {"LD_PRELOAD": faketime(), "FAKETIME": f"+{days}d"}


def test_mail_leaves_after_thirty_days_and_waiting_mail_does_not_get_lost(
    install: Install, primary: ScriptedPrimary
) -> None:
    office = install(settings=("relay.hold-days=60",))
    office.add_domain(DOMAIN, "--primary", primary.host)
    for user in (ANN, BEN):
        office.add_user(user)
    office.start()
    for number in range(3):
        office.send(mail(number), ANN)
    office.waits_for_nothing()
    assert len(primary.messages) == 3
    primary.refuse()
    office.send(mail("waits"), BEN)
    # The store's own clock state is of now; a server that wakes up a month later must not believe that at once.
    office.stop()

    later = moved_by(31)
    office.environment = later
    office.start()
    with Line(office.ports["imaps"], tls=office.tls()) as reader:
        reader.hear()
        reader.command("a1", f'LOGIN {ANN} "{office.users[ANN]}"')
        assert "* 3 EXISTS" in reader.command("a2", "SELECT INBOX")
        plan = office.command("expire", "--dry-run", environment=later)
        assert plan["over"] and not plan["dropped"]
        assert not any("EXPUNGE" in line for line in reader.command("a3", "NOOP")), "nothing went by itself"

        office.command("expire", "--confirm", environment=later)
        gone: list[str] = []

        def told() -> bool:
            gone.extend(line for line in reader.command("a4", "NOOP") if line.endswith(" EXPUNGE"))
            return len(gone) == 3

        eventually(told, what="the open session is told of three expunges")
        reader.command("a5", "LOGOUT")
    with office.imap(BEN) as client:
        assert fetched(client) == [], "the copy goes on time"
    assert len(office.queue()) == 1, "what was not handed on yet is kept for that"
    primary.accept()
    office.waits_for_nothing()
    assert len(primary.copies("waits")) == 1 and len(primary.messages) == 4

    office.send(mail("new"), ANN)
    with office.imap(ANN) as client:
        client.select("INBOX")
        assert client.uid("SEARCH", "ALL")[1] == [b"4"], "UIDs go on where they were"
    assert office.command("verify", environment=later)["findings"] == []
