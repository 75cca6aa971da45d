"""A thousand held messages are given back in one go, each once, and memory does not grow with them.

``scripts/bench drain`` does it with ten thousand, or a hundred thousand, and prints the rate.
"""

from __future__ import annotations

from collections import Counter

from tests.journeys.conftest import DOMAIN, Install
from tests.journeys.give_back import USERS, drained, held
from tests.journeys.harness import eventually
from tests.journeys.scripted_primary import ScriptedPrimary

COUNT = 1_000


def test_a_thousand_messages_are_given_back_in_bounded_memory(install: Install) -> None:
    with ScriptedPrimary(keep_octets=False) as primary:
        office = install()
        office.add_domain(DOMAIN, "--primary", primary.host, "--recipients", "listed")
        for number in range(USERS):
            office.add_user(f"user{number}@{DOMAIN}")
        office.start()
        # Whatever is allocated at the first message of all is no growth.
        held(office, DOMAIN, USERS, 4_000)
        drained(office, primary, DOMAIN, USERS)
        held(office, DOMAIN, COUNT, 4_000)
        assert office.balance()["held"] == COUNT
        found = drained(office, primary, DOMAIN, USERS + COUNT)
        assert found.growth < 16 << 20, f"{found.growth >> 10} KiB more"
        eventually(lambda: office.balance() == {"accepted": USERS + COUNT, "delivered": USERS + COUNT})
        assert primary.taken == USERS + COUNT
        # Users take turns: nobody's first message comes behind the last of somebody else.
        first = [one.recipients[0] for one in primary.messages[USERS : USERS + 200]]
        assert len(Counter(first)) == USERS
