"""Drills: chosen users work as in an outage, canaries go both ways, and nothing but the report is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import pytest

from tests.delivery.relay_world import RelayWorld, lose, refuse
from tests.delivery.world import id_of
from xtramail.delivery.canary import Canaries
from xtramail.delivery.cards import Words
from xtramail.delivery.drill import LOOK, TIDY_SECONDS, Drills
from xtramail.delivery.drill_steps import STEPS, fresh_steps
from xtramail.directory import relay_accounts
from xtramail.directory.relay_clients import ACCOUNT
from xtramail.directory.users import OUTSIDE
from xtramail.model.errors import BadInput, StoreFull
from xtramail.model.outcome import Fate
from xtramail.model.pending import Pending, drive
from xtramail.store import accounts, alerts, devices, drills, keys, mailboxes, messages, outbound, recovered
from xtramail.store.drills import DrillRow, Pilot
from xtramail.store.engine import Txn
from xtramail.store.records import Account, Device, DomainRow
from xtramail.wire.smtp.client_events import Stage

RELAY = "relay.example"
RAY = f"ray@{RELAY}"
IMAP = {"primary-imap": "imap.example", "primary-imap-secret": "secret"}
OF_CANARIES = ("in", "in-primary", "out", "out-arrived", "sent-back")


@dataclass
class ScriptedMailboxes:
    """``CanaryMailboxes``: whether messages are there, what was removed; None: nobody can look."""

    there: bool | None = True
    can_remove: bool = True
    asked: list[str] = field(default_factory=list)
    removed: list[tuple[str, str]] = field(default_factory=list)

    def has(self, domain: DomainRow, address: str, message_id: str) -> Pending[bool | None]:
        self.asked.append(message_id)
        return Pending.of(self.there)

    def remove(self, domain: DomainRow, address: str, message_ids: Sequence[str]) -> Pending[int | None]:
        if not self.can_remove:
            return Pending.of(None)
        self.removed += [(address, one) for one in message_ids]
        return Pending.of(len(message_ids))


class DrillWorld(RelayWorld):
    def start(self) -> None:
        super().start()
        self.mailboxes = ScriptedMailboxes()
        self.canaries = Canaries(
            engine=self.engine,
            intake=self.intake,
            submission=self.submission,
            clock=self.clock,
            relay=self.relay,
            mailboxes=self.mailboxes,
        )
        self.drills = Drills(
            engine=self.engine,
            directory=self.directory,
            canaries=self.canaries,
            own_mail=self.own_mail,
            clock=self.clock,
            words=lambda domain, account, ends: Words("your mail", f"for {account.address}"),
        )

    def begin(self, *pilots: Account, seconds: float = 600.0, canary: str = "") -> int:
        now = self.clock.now()
        row = DrillRow(id=keys.micros(now), domain=RELAY, started=now, ends=now + seconds, by="me", canary=canary)
        chosen = tuple(
            Pilot(
                account_id=one.id,
                address=one.address,
                outside=one.settings.get(OUTSIDE, ""),
                steps=fresh_steps(),
            )
            for one in pilots or (self.ray,)
        )
        self.engine.transact(keys.DRILLS, lambda txn: drills.begin(txn, row, chosen)).result()
        return row.id

    def look(self, times: int = 3, seconds: float = 1.0) -> None:
        """What the services do: visits, and what the relay has to do."""
        for _ in range(times):
            for due in self.drills.due():
                drive(self.drills.visit(due))
            self.ticks(1)
            self.clock.advance(seconds)

    def to_the_end(self, drill: int) -> DrillRow:
        self.clock.advance(max(self.row(drill).ends - self.clock.now(), 0))
        self.look(4)
        return self.row(drill)

    def row(self, drill: int) -> DrillRow:
        row = self.engine.read(keys.DRILLS, lambda snap: drills.drill(snap, drill))
        assert row is not None
        return row  # type: ignore[no-any-return]

    def pilot(self, drill: int, account: Account | None = None) -> Pilot:
        number = (account or self.ray).id
        found = self.engine.read(keys.DRILLS, lambda snap: drills.pilot(snap, drill, number))
        assert found is not None
        return found  # type: ignore[no-any-return]

    def states(self, drill: int, account: Account | None = None) -> dict[str, str]:
        return {one.name: one.state for one in self.pilot(drill, account).steps}

    def with_password(self, account: Account, **settings: str) -> Account:
        self.change_account(account, password="{XTRA-HMAC}k$00", settings=settings)
        found = self.directory.account(account.address)
        assert found is not None
        return found

    def held_in_mailboxes(self, account: Account) -> int:
        """Messages in all mailboxes of a user, Recovered as well."""

        def count(snap: object) -> int:
            rows = mailboxes.mailboxes(snap)  # type: ignore[arg-type]
            kept = sum(len(messages.uids(snap, row)) for row in rows)  # type: ignore[arg-type]
            return kept + len(recovered.recoverables(snap))  # type: ignore[arg-type]

        return self.engine.read(keys.user_scope(account.id), count)  # type: ignore[no-any-return]


@pytest.fixture
def world() -> DrillWorld:
    world = DrillWorld()
    world.ray = world.with_password(world.ray)
    return world


def test_a_pilot_passes_when_canaries_went_both_ways_and_he_logged_in(world: DrillWorld) -> None:
    drill = world.begin()
    world.look()
    assert {name: world.states(drill)[name] for name in OF_CANARIES} == dict.fromkeys(OF_CANARIES, "good")
    assert world.states(drill)["login"] == "waits"
    world.drills.seen(world.ray, "imap")
    assert world.to_the_end(drill).state == "over"
    states = world.states(drill)
    assert states == dict.fromkeys(STEPS, "good") | {"told": "skipped", "in-found": "skipped"}
    assert world.pilot(drill).passed and world.pilot(drill).step("login").text == "by imap"


def test_real_mail_goes_to_the_primary_in_a_drill_as_at_any_time(world: DrillWorld) -> None:
    world.begin()
    world.look()
    world.receive(RAY)
    world.look(1)
    taken = [octets for recipient, _, octets in world.courier.taken if b"Hello Ann." in octets]
    assert len(taken) == 1 and world.queue() == [] and world.steps == []


def test_every_canary_is_marked_and_has_a_message_id_of_its_own(world: DrillWorld) -> None:
    world.begin()
    world.look()
    canaries = [octets for _, _, octets in world.courier.taken]
    assert len(canaries) == 3, "one in, one out to himself, and its copy for his own server"
    assert all(b"X-Xtramail-Drill: " in octets for octets in canaries)
    assert len({sender for _, sender, octets in world.courier.taken if b"comes in" in octets} | {""}) == 1


def test_nothing_but_the_report_is_left(world: DrillWorld) -> None:
    drill = world.begin()
    world.look()
    before = world.held_in_mailboxes(world.ray)
    assert before == 3, "the one that came in, the one that came back, and Sent"
    world.to_the_end(drill)
    assert world.held_in_mailboxes(world.ray) == 0
    assert world.queue() == [] and world.balanced()
    tags = {key[:1] for key, _ in world.engine.read(keys.DRILLS, lambda snap: snap.range(0, b"", b"\xff"))}
    assert tags == {keys.DRILL_ROWS, keys.DRILL_PILOTS}
    assert world.drills.due() == []


def test_canaries_that_a_pilot_deleted_or_filed_are_taken_away_too(world: DrillWorld) -> None:
    drill = world.begin()
    world.look()

    def by_hand(txn: object) -> None:
        box = mailboxes.mailbox_by_name(txn, "INBOX")  # type: ignore[arg-type]
        archive = mailboxes.mailbox_by_name(txn, "Archive")  # type: ignore[arg-type]
        assert box is not None and archive is not None
        messages.copy(txn, box.id, archive.id, [1], 1.0)  # type: ignore[arg-type]
        messages.expunge(txn, box.id, [1, 2], "him", 1.0, False)  # type: ignore[arg-type]

    world.engine.transact(keys.user_scope(world.ray.id), by_hand).result()
    world.receive(RAY)
    world.to_the_end(drill)
    assert world.held_in_mailboxes(world.ray) == 1, "his own mail stays"


def test_what_still_waits_is_withdrawn_and_nobody_is_told(world: DrillWorld) -> None:
    world.courier.script = lose(Stage.CONNECT)
    drill = world.begin()
    world.look()
    numbers = [entry.message_id for entry in world.queue()]
    assert len(numbers) == 3
    world.to_the_end(drill)
    assert world.queue() == [] and world.balanced() and world.untold == []
    fates = {fate for number in numbers for fate in world.fates(number).values()}
    assert fates == {Fate.SUPPRESSED}, "nothing bounced"
    states = world.states(drill)
    assert (states["in"], states["in-primary"], states["in-found"]) == ("good", "failed", "skipped")
    assert "connection lost" in world.pilot(drill).step("in-primary").text
    assert f"xtramail outage status {RELAY}" in world.pilot(drill).step("in-primary").next


def test_a_refusal_by_the_primary_is_told_with_its_words(world: DrillWorld) -> None:
    world.courier.script = refuse(Stage.FINAL, 554, "5.7.1", "we take no canaries")
    drill = world.begin()
    world.look()
    world.to_the_end(drill)
    assert "we take no canaries" in world.pilot(drill).step("in-primary").text
    assert world.queue() == [] and world.pilot(drill).passed is False


def test_a_pilot_without_a_password_is_named_until_he_has_one(world: DrillWorld) -> None:
    bea = world.user(f"bea@{RELAY}")
    drill = world.begin(world.ray, bea)
    world.look()
    assert world.states(drill, bea)["credential"] == "waits"
    world.with_password(bea)
    world.look()
    assert world.states(drill, bea)["credential"] == "good"


def test_with_two_step_sign_in_only_a_device_that_still_opens_counts_as_a_password(world: DrillWorld) -> None:
    bea = world.user(f"bea@{RELAY}")
    world.with_password(bea)
    scope, now = keys.user_scope(bea.id), world.clock.now()

    def switch(txn: Txn) -> None:
        current = accounts.get_account(txn)
        assert current is not None
        accounts.put_account(txn, msgspec.structs.replace(current, two_step=True))
        expired = Device(name="old", services=("imap",), created=now - 9, key_id="k", expires=now - 1)
        devices.put(txn, bytes(32), expired)

    world.engine.transact(scope, switch)
    drill = world.begin(world.ray, bea)
    world.look()
    step = world.pilot(drill, bea).step("credential")
    assert (step.state, step.text) == ("waits", "with two-step sign-in on, he has no device password")
    good = Device(name="phone", services=("imap",), created=now, key_id="k")
    world.engine.transact(scope, lambda txn: devices.put(txn, bytes([1]) * 32, good))
    world.look()
    assert world.states(drill, bea)["credential"] == "good"


def test_at_the_end_he_fails_by_name_with_the_next_step(world: DrillWorld) -> None:
    bea = world.user(f"bea@{RELAY}")
    drill = world.begin(world.ray, bea)
    world.look()
    world.drills.seen(world.ray, "pop3")
    world.to_the_end(drill)
    step = world.pilot(drill, bea).step("credential")
    assert (step.state, step.text) == ("failed", "he has no password here")
    assert step.next.startswith(f"give him one: xtramail user passwd bea@{RELAY} --generate")
    (told,) = [one for one in world.engine.read(keys.ALERTS, alerts.alerts) if one.kind == "drill"]
    assert "1 of 2 users passed; not bea@relay.example" in told.text


def test_a_relay_account_logs_in_while_a_drill_goes_on(world: DrillWorld) -> None:
    world.begin()
    domain = world.directory.domain(RELAY)
    assert domain is not None
    account = relay_accounts.of_domain(msgspec.structs.replace(domain, settings={ACCOUNT: "a hash"}))
    assert account is not None and account.id < 0, "no number of a user"
    world.drills.seen(account, "submission")


def test_a_login_of_who_is_in_no_drill_or_after_its_end_counts_for_nothing(world: DrillWorld) -> None:
    world.drills.seen(world.ray, "imap")
    drill = world.begin(seconds=60)
    world.look()
    world.clock.advance(60)
    world.drills.seen(world.ray, "imap")
    world.to_the_end(drill)
    assert world.states(drill)["login"] == "failed"


def test_pilots_are_told_at_their_address_elsewhere_once(world: DrillWorld) -> None:
    world.ray = world.with_password(world.ray, **{OUTSIDE: "ray@home.example"})
    drill = world.begin()
    world.look()
    told = [octets for recipient, _, octets in world.courier.taken if recipient == "ray@home.example"]
    assert len(told) == 1 and b"Subject: [DRILL] your mail" in told[0]
    assert world.states(drill)["told"] == "good"


def test_an_outside_address_that_is_served_here_fails_that_step(world: DrillWorld) -> None:
    world.ray = world.with_password(world.ray, **{OUTSIDE: "ray@local.example"})
    drill = world.begin()
    world.look()
    assert world.states(drill)["told"] == "failed"


def test_a_canary_out_may_go_to_an_address_in_the_world(world: DrillWorld) -> None:
    drill = world.begin(canary="echo@world.example")
    world.look()
    assert ("echo@world.example", RAY) in [taken[:2] for taken in world.courier.taken]
    assert world.states(drill)["out-arrived"] == "good"


def test_what_a_pilot_sends_is_given_back_as_in_an_outage(world: DrillWorld) -> None:
    world.change_domain(RELAY, settings={"sent-back": "outage"})
    world.submit(world.ray, "zoe@sender.example", message=b"From: ray@relay.example\r\nSubject: 1\r\n\r\n1\r\n")
    assert [one.kind for one in world.queue()] == ["outside"]
    drill = world.begin()
    world.look()
    assert world.states(drill)["sent-back"] == "good"
    id_of(world.submit(world.ray, "zoe@sender.example", message=b"From: ray@relay.example\r\nSubject: 2\r\n\r\n2\r\n"))
    assert sorted(one.kind for one in world.queue()) == ["outside", "sent"]
    world.to_the_end(drill)
    world.submit(world.ray, "zoe@sender.example", message=b"From: ray@relay.example\r\nSubject: 3\r\n\r\n3\r\n")
    assert [one.kind for one in world.queue()] == ["outside"]


def test_where_nothing_is_sent_back_that_step_is_left_out(world: DrillWorld) -> None:
    world.change_domain(RELAY, settings={"sent-back": "never"})
    drill = world.begin()
    world.look()
    assert world.states(drill)["sent-back"] == "skipped"


def test_with_credentials_the_mailbox_there_is_looked_into_and_tidied_up(world: DrillWorld) -> None:
    world.change_domain(RELAY, settings=IMAP)
    drill = world.begin()
    world.look()
    assert world.states(drill)["in-found"] == "good"
    world.to_the_end(drill)
    assert [address for address, _ in world.mailboxes.removed] == [RAY, RAY]
    assert "2 at the primary" in world.pilot(drill).step("tidy").text


def test_a_primary_that_takes_mail_and_loses_it_is_found_out(world: DrillWorld) -> None:
    world.change_domain(RELAY, settings=IMAP)
    world.mailboxes.there = False
    drill = world.begin()
    world.look(30)
    assert 2 <= len(world.mailboxes.asked) <= 30 / LOOK + 1
    world.to_the_end(drill)
    step = world.pilot(drill).step("in-found")
    assert step.state == "failed" and "xtramail replay relay.example --from -1d --only-missing" in step.next


def test_canaries_that_stay_at_the_primary_are_told_of(world: DrillWorld) -> None:
    world.change_domain(RELAY, settings=IMAP)
    world.mailboxes.can_remove = False
    drill = world.begin()
    world.look()
    world.to_the_end(drill)
    assert world.row(drill).state == "ending"
    world.clock.advance(TIDY_SECONDS)
    world.look()
    assert world.row(drill).state == "over" and world.states(drill)["tidy"] == "failed"
    assert "X-Xtramail-Drill" in world.pilot(drill).step("tidy").next
    assert world.held_in_mailboxes(world.ray) == 0


def test_a_canary_on_its_way_is_waited_for(world: DrillWorld) -> None:
    drill = world.begin(seconds=60)
    world.courier.script = lose(Stage.CONNECT)
    world.look(1)
    now = world.clock.now()
    for entry in world.queue():
        world.engine.transact(keys.QUEUE, lambda txn, e=entry: outbound.take(txn, e.id, now, 90.0, "other")).result()
    world.to_the_end(drill)
    assert world.row(drill).state == "ending"
    world.clock.advance(60)
    world.look()
    assert world.row(drill).state == "over" and world.queue() == []


def test_a_restart_in_the_middle_sends_nothing_twice(world: DrillWorld) -> None:
    drill = world.begin()
    world.look(1)
    # As if it had died before it could note what it sent.
    bare = Pilot(account_id=world.ray.id, address=RAY, steps=fresh_steps())
    world.engine.transact(keys.DRILLS, lambda txn: drills.put_pilot(txn, drill, bare)).result()
    world.start()
    world.look()
    assert len(world.courier.taken) == 3
    assert world.states(drill)["in-primary"] == "good"
    world.start()
    assert world.to_the_end(drill).state == "over"
    assert world.held_in_mailboxes(world.ray) == 0


def test_a_drill_whose_end_passed_while_the_server_was_off_is_over_when_it_is_back(world: DrillWorld) -> None:
    drill = world.begin(seconds=60)
    world.clock.advance(3_600)
    world.start()
    world.look(4)
    assert world.row(drill).state == "over" and world.states(drill)["in"] == "failed"
    assert world.courier.taken == []


def test_a_store_that_cannot_write_delays_it_and_loses_nothing(world: DrillWorld) -> None:
    drill = world.begin()
    world.engine.fail_next(StoreFull("full"))
    with pytest.raises(StoreFull):
        world.look(1)
    world.look()
    assert world.states(drill)["in-primary"] == "good" and len(world.courier.taken) == 3


def test_a_domain_has_one_drill_at_a_time(world: DrillWorld) -> None:
    drill = world.begin()
    world.clock.advance(1)
    with pytest.raises(BadInput, match=f"xtramail drill stop {drill}"):
        world.begin()
    world.to_the_end(drill)
    world.begin()


def test_a_pilot_who_is_removed_meanwhile_fails_and_holds_nothing_up(world: DrillWorld) -> None:
    drill = world.begin(world.user(f"bea@{RELAY}"))
    bea = world.directory.account(f"bea@{RELAY}")
    assert bea is not None
    world.engine.transact(keys.user_scope(bea.id), lambda txn: txn.delete(0, keys.ACCOUNT)).result()
    assert world.to_the_end(drill).state == "over"
    assert world.pilot(drill, bea).passed is False
