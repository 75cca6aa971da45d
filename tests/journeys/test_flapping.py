"""A primary that comes and goes: nothing is lost or doubled, and it does not set off a storm."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tests.journeys.conftest import ANN, BEN, DOMAIN, Install
from tests.journeys.harness import after_return_path, fetched, mail
from tests.journeys.scripted_primary import ScriptedPrimary

ROUNDS = 16
SEED = 20261121
MESSAGES = 80


@contextmanager
def flapping(primary: ScriptedPrimary) -> Iterator[None]:
    """Up and down every fifth of a second or so, which is every second or two of a minute at real settings."""
    over = threading.Event()
    chance = random.Random(SEED)

    def flap() -> None:
        for _ in range(ROUNDS):
            for change in (primary.refuse, primary.accept):
                if over.wait(chance.uniform(0.1, 0.4)):
                    return
                change()

    thread = threading.Thread(target=flap)
    thread.start()
    try:
        yield
        thread.join(60)
    finally:
        over.set()
        thread.join()
        primary.accept()


def test_a_primary_that_comes_and_goes_gets_everything_once_without_a_storm(
    install: Install, primary: ScriptedPrimary
) -> None:
    office = install()
    office.add_domain(DOMAIN, "--primary", primary.host)
    # All times a tenth or less of what they are by default.
    quick = ("outage-window=6s", "probe-busy=1s", "probe-idle=2s")
    office.command("domain", "set", DOMAIN, *quick)
    for user in (ANN, BEN):
        office.add_user(user)
    office.start()
    began = office.log_end()
    with flapping(primary), office.smtp() as client:
        for number in range(MESSAGES):
            assert not client.sendmail("bob@sender.example", (ANN, BEN), mail(number, to=f"{ANN}, {BEN}"))
            # Mail comes all the while.
            threading.Event().wait(0.1)

    office.drains()
    office.finds_its_primary("up")
    with office.imap(ANN) as client:
        kept = fetched(client)
    assert len(kept) == MESSAGES
    handed = Counter(one.octets for one in primary.messages for _ in one.recipients)
    doubtful = len(office.log("recipient-unconfirmed", since=began))
    assert handed.keys() == {after_return_path(one) for one in kept}
    assert sum(count - 2 for count in handed.values()) <= doubtful, "twice only where the answer to the dot was lost"
    assert all(count >= 2 for count in handed.values())
    assert office.balance() == {"accepted": 2 * MESSAGES, "delivered": 2 * MESSAGES}

    steps = office.log("primary-changed", since=began)
    assert any(one["after"] == "down" for one in steps)
    # It was away sixteen times. An outage takes three faults to begin and three good answers to end.
    outages = sum(1 for one in steps if one["after"] == "down")
    assert outages <= 4 and len(steps) <= 4 * (outages + 1), [one["after"] for one in steps]

