"""What was sent in the last hour and day, in rows that do not grow."""

from __future__ import annotations

from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.store import keys, rates, sending_keys
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.rates import DAY, HOUR, SLOT, SendingRow, Sent

NOW = 1_800_000_000.0
WHO = sending_keys.user(7)


class Counted:
    def __init__(self) -> None:
        self.engine = MemoryEngine()

    def send(self, recipients: int, now: float, octets: int = 10, bounced: int = 0) -> None:
        more = Sent(recipients=recipients, messages=1, octets=octets, bounced=bounced)
        self.engine.transact(keys.SENDING, lambda txn: rates.count(txn, WHO, more, now)).result()

    def row(self) -> SendingRow:
        return self.engine.read(keys.SENDING, lambda snap: rates.sending(snap, WHO))

    def hour(self, now: float) -> int:
        return rates.last_hour(self.row(), now).recipients

    def day(self, now: float) -> int:
        return rates.last_day(self.row(), now).recipients


def test_everything_is_counted() -> None:
    sent = Counted()
    sent.send(3, NOW, octets=100, bounced=1)
    sent.send(2, NOW + 1, octets=50)
    assert rates.last_hour(sent.row(), NOW + 1) == Sent(recipients=5, messages=2, octets=150, bounced=1)


def test_an_hour_rolls_in_steps_of_five_minutes() -> None:
    sent = Counted()
    sent.send(3, NOW)
    sent.send(2, NOW + 30 * 60)
    assert sent.hour(NOW + HOUR) == 5
    assert sent.hour(NOW + HOUR + SLOT - 1) == 5
    assert sent.hour(NOW + HOUR + SLOT) == 2
    assert sent.hour(NOW + 2 * HOUR) == 0
    assert sent.day(NOW + 2 * HOUR) == 5


def test_a_day_ends_by_the_hour() -> None:
    sent = Counted()
    sent.send(3, NOW)
    assert sent.day(NOW + DAY - 1) == 3
    assert sent.day(NOW + DAY + HOUR) == 0


def test_when_there_is_room_again() -> None:
    sent = Counted()
    sent.send(6, NOW)
    sent.send(4, NOW + 2 * SLOT)
    row, now = sent.row(), NOW + HOUR - 60
    assert rates.room_at(row, now, limit=11, wanted=1) == now
    assert rates.room_at(row, now, limit=10, wanted=1) == NOW + SLOT + HOUR
    assert rates.room_at(row, now, limit=10, wanted=8) == NOW + 3 * SLOT + HOUR


def test_what_is_forgiven_counts_for_the_day_alone() -> None:
    sent = Counted()
    sent.send(6, NOW)
    sent.engine.transact(keys.SENDING, lambda txn: rates.forgive(txn, WHO, NOW)).result()
    assert (sent.hour(NOW), sent.day(NOW)) == (0, 6)


def test_a_clock_that_was_ahead_blocks_nobody_when_it_is_right_again() -> None:
    sent = Counted()
    sent.send(100, NOW + 40 * DAY)
    assert (sent.hour(NOW), sent.day(NOW)) == (0, 0)
    sent.send(1, NOW)
    assert (sent.hour(NOW), sent.day(NOW)) == (1, 1)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 90 * 60), st.integers(1, 9)), max_size=80))
def test_sums_are_those_of_what_was_sent_and_rows_stay_short(steps: list[tuple[int, int]]) -> None:
    sent, now = Counted(), NOW
    told: list[tuple[float, int]] = []
    for wait, recipients in steps:
        now += wait
        sent.send(recipients, now)
        told.append((now, recipients))
    hour = sum(n for at, n in told if (int(at) // SLOT + 1) * SLOT > now - HOUR)
    assert sent.hour(now) == hour
    least = sum(n for at, n in told if at > now - DAY)
    most = sum(n for at, n in told if at > now - DAY - HOUR)
    assert least <= sent.day(now) <= most
    row = sent.row()
    assert len(row.slots) <= 13 and len(row.hours) <= 25


def test_users_and_domains_are_listed_apart() -> None:
    engine = MemoryEngine()
    for who in (sending_keys.domain("a.example"), sending_keys.user(9)):
        engine.transact(keys.SENDING, partial(rates.count, who=who, more=Sent(recipients=1), now=NOW)).result()
    found = [key for key, _ in engine.read(keys.SENDING, rates.senders)]
    assert found == [sending_keys.user(9), sending_keys.domain("a.example")]
    assert sending_keys.user_of(found[0]) == 9 and sending_keys.domain_of(found[1]) == "a.example"
