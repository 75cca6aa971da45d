"""Random hosts, stores, clocks, users and crashes: the ledger balances after each step, nothing is lost, nothing comes
twice without reason, nothing is suppressed that its user did not delete, and no failure is told twice.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from functools import partial

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.delivery.relay_world import Call, RelayWorld, accept, lose, outcome, refuse
from tests.delivery.user_steps import delete, move, restore
from tests.delivery.world import MESSAGE, id_of
from xtramail.delivery.courier import Carried
from xtramail.delivery.signs import ANSWERED
from xtramail.model.errors import Corrupt, StoreFault, StoreFull
from xtramail.model.ids import id_from_text, id_text
from xtramail.model.outcome import Fate, Reply
from xtramail.model.pending import drive
from xtramail.net.adapter import start
from xtramail.store import keys, outbound
from xtramail.store.retention import move_open_bodies
from xtramail.wire.smtp.client_events import RecipientOutcome, Stage, Verdict

RECIPIENTS = ("ray@relay.example", "staff@relay.example", "una@any.example", "vic@any.example")
SENDERS = ("", "zoe@sender.example", "ann@local.example", "ray@relay.example")
SCRIPTS = {
    "accept": accept,
    "away": lose(Stage.CONNECT),
    "busy": refuse(Stage.MAIL, 451),
    "angry": refuse(Stage.MAIL, 550, "5.7.1"),
    "drops": lose(Stage.DATA),
    "unsure": lose(Stage.FINAL),
    "refuses": refuse(Stage.FINAL, 554, "5.6.0"),
    "too big": refuse(Stage.MAIL, 552, "5.3.4"),
    "forgot everybody": refuse(Stage.RCPT, 550, "5.1.1"),
}
EACH = {
    "good": outcome(Verdict.DELIVERED, Stage.FINAL, Reply.of(250, "", "ok")),
    "unknown": outcome(Verdict.REFUSED, Stage.RCPT, Reply.of(550, "5.1.1", "who?")),
    "later": outcome(Verdict.DEFERRED, Stage.RCPT, Reply.of(450, "4.2.1", "busy")),
}


class RelayLedger(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = RelayWorld()
        self.accepted: dict[str, tuple[str, ...]] = {}
        """Recipients by our message id as text."""
        self.doubtful: set[tuple[str, str]] = set()
        """Message and recipient that a host may have without our knowing it."""
        self.world.courier.script = self.host
        self.script = "accept"
        self.mixed: list[str] = []
        self.fail_after = 0
        self.deleted = False
        self.taken: Counter[tuple[str, str]] = Counter()

    def host(self, call: Call) -> Carried:
        carried = self.mix(call) if self.mixed else SCRIPTS[self.script](call)
        for address, one in zip(call.recipients, carried.outcomes, strict=True):
            place = (call.message, address)
            if one.verdict in (Verdict.DELIVERED, Verdict.UNCONFIRMED):
                self.taken[place] += 1
                if self.taken[place] > 1 and call.message in self.accepted:
                    assert place in self.doubtful, "handed over twice without reason"
            if one.verdict is Verdict.UNCONFIRMED:
                self.doubtful.add(place)
        for _ in range(self.fail_after):
            self.world.engine.fail_next(StoreFault())
        self.fail_after = 0
        return carried

    def mix(self, call: Call) -> Carried:
        each: list[RecipientOutcome] = [EACH[self.mixed[at % len(self.mixed)]] for at in range(len(call.recipients))]
        good = tuple(at for at, one in enumerate(each) if one.verdict is Verdict.DELIVERED)
        if good:
            try:
                call.before_dot(good).result()
            except Exception:
                return call.says(outcome(Verdict.DEFERRED, Stage.DATA))
        return call.says(*each)

    @rule(sender=st.sampled_from(SENDERS), to=st.sets(st.sampled_from(RECIPIENTS), min_size=1))
    def mail_arrives(self, sender: str, to: set[str]) -> None:
        names = tuple(sorted(to))
        number = id_of(self.world.receive(*names, sender=sender, message=MESSAGE))
        self.accepted[id_text(number)] = names

    @rule(script=st.sampled_from(sorted(SCRIPTS)))
    def the_host_changes(self, script: str) -> None:
        self.script, self.mixed = script, []

    @rule(each=st.lists(st.sampled_from(sorted(EACH)), min_size=1, max_size=4))
    def the_host_is_choosy(self, each: list[str]) -> None:
        self.mixed = each

    @rule(seconds=st.sampled_from([0, 1, 20, 61, 700, 90_000, -5_000]))
    def time_passes(self, seconds: int) -> None:
        if seconds < 0:
            self.world.clock.jump(seconds)
        else:
            self.world.clock.advance(seconds)
        self.world.ticks()

    @rule(days=st.integers(1, 15))
    def days_pass(self, days: int) -> None:
        self.world.clock.advance(days * 86_400.0)
        self.world.ticks(times=2)

    @rule(times=st.integers(1, 3))
    def a_commit_fails(self, times: int) -> None:
        self.world.engine.fail_next(StoreFull(), times)
        self.world.ticks()
        self.world.engine._failures.clear()

    @rule()
    def the_outcome_cannot_be_written(self) -> None:
        """The next attempt that gets an answer; written when the store can again."""
        self.fail_after = 1
        world = self.world
        for entry in world.queue()[:3]:
            with suppress(StoreFault):
                world.deliver(entry)
            while world.relay.owes(entry.id):
                drive(world.relay.write_owed(entry.id))
        self.fail_after = 0
        world.engine._failures.clear()

    @rule()
    def the_server_dies_before_the_outcome(self) -> None:
        world = self.world
        for entry in world.queue()[:2]:
            self.fail_after = 1
            with suppress(StoreFault):
                world.deliver(entry)
            if world.relay.owes(entry.id):
                self.doubtful.update((id_text(entry.message_id), r.address) for r in entry.recipients)
        self.fail_after = 0
        world.engine._failures.clear()
        world.start()

    @rule()
    def the_server_dies_in_the_attempt(self) -> None:
        world = self.world
        for entry in world.queue()[:2]:
            seen: list[Call] = []

            def die(call: Call, seen: list[Call] = seen) -> None:
                with suppress(Corrupt):
                    call.before_dot(tuple(range(len(call.recipients)))).result()
                seen.append(call)

            world.courier.script = die
            start(world.relay.deliver(entry.id))
        world.courier.script = self.host
        world.start()

    @rule(pick=st.integers(0, 5))
    def the_admin_gives_up(self, pick: int) -> None:
        queue = self.world.queue()
        if queue:
            drive(self.world.relay.bounce(queue[pick % len(queue)].id, "given up"))

    @rule(pick=st.integers(0, 5), held=st.booleans())
    def the_admin_holds_and_releases(self, pick: int, held: bool) -> None:
        queue, now = self.world.queue(), self.world.clock.now()
        if queue:
            number = queue[pick % len(queue)].id
            self.world.engine.transact(
                keys.QUEUE,
                lambda txn: outbound.hold(txn, number, "odd") if held else outbound.release(txn, number, now),
            ).result()

    @rule(pick=st.integers(0, 5))
    def the_admin_insists(self, pick: int) -> None:
        queue, now = self.world.queue(), self.world.clock.now()
        if queue:
            number = queue[pick % len(queue)].id
            self.world.engine.transact(keys.QUEUE, lambda txn: outbound.insist(txn, number, now)).result()

    @rule()
    def a_user_deletes_everything(self) -> None:
        self.deleted = True
        delete(self.world, self.world.ray)

    @rule()
    def a_user_puts_everything_back(self) -> None:
        restore(self.world, self.world.ray)

    @rule(name=st.sampled_from(["Trash", "Archive"]))
    def a_user_files_everything(self, name: str) -> None:
        move(self.world, self.world.ray, name)

    @rule()
    def a_day_expires(self) -> None:
        world = self.world
        for bucket in {entry.body.bucket for entry in world.queue()}:
            drive(move_open_bodies(world.engine, bucket, world.clock.now()))  # type: ignore[arg-type]

    @invariant()
    def the_ledger_balances(self) -> None:
        balance = self.world.engine.read(keys.QUEUE, outbound.balance)
        assert balance.holds and all(count >= 0 for count in balance.fates.values())

    @invariant()
    def queue_and_ledger_say_the_same(self) -> None:
        for entry in self.world.queue():
            assert outbound.is_open(entry)
            rows = self.world.ledger(entry.message_id)
            for recipient in entry.recipients:
                assert rows[recipient.address].fate == recipient.fate

    def teardown(self) -> None:
        """Everything gets well: the queue drains, and each recipient has one fate that is true."""
        world = self.world
        self.script, self.mixed, self.fail_after = "accept", [], 0
        world.engine._failures.clear()
        world.courier.script = self.host
        for domain in ("relay.example", "any.example"):
            for _ in range(3):
                drive(world.watch.saw(domain, ANSWERED))
        for _ in range(3):
            # What may have been delivered, and what was refused, waits for a person again and again.
            for entry in world.queue():
                world.engine.transact(keys.QUEUE, partial(outbound.insist, entry_id=entry.id, now=world.clock.now()))
            world.ticks(times=100, seconds=30)
        assert world.queue() == []
        self.the_ledger_balances()
        for text, names in self.accepted.items():
            fates = world.fates(id_from_text(text))
            for name in names:
                assert fates[name] in (Fate.DELIVERED, Fate.BOUNCED, Fate.SUPPRESSED)
                if fates[name] == Fate.SUPPRESSED:
                    assert self.deleted and name == "ray@relay.example"
                if fates[name] == Fate.DELIVERED:
                    assert self.taken[(text, name)] >= 1
        self.each_failure_was_told_once()

    def each_failure_was_told_once(self) -> None:
        told: Counter[tuple[str, str]] = Counter()
        for account in (self.world.ann, self.world.ray):
            for row in self.world.mailbox(account):
                octets = self.world.octets(row)
                if b"our reference is " not in octets:
                    continue
                assert octets.startswith(b"Return-Path: <>\r\n")
                reference = octets.partition(b"our reference is ")[2][:13].decode()
                for line in octets.split(b"\r\n"):
                    if line.startswith(b"Final-Recipient: rfc822;"):
                        told[(reference, line.partition(b";")[2].strip().decode())] += 1
        assert all(count == 1 for count in told.values()), told
        assert all(text in self.accepted for text, _ in told), "a notice about a notice"


TestRelayLedger = RelayLedger.TestCase
TestRelayLedger.settings = settings(derandomize=True, deadline=None, max_examples=60, stateful_step_count=30)
