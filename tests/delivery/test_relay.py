"""One attempt for one queue entry: what it leaves in queue and ledger, whatever host, store and clock do."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.delivery.relay_world import (
    HOLD,
    OK,
    Call,
    RelayWorld,
    accept,
    after_dot,
    lose,
    outcome,
    refuse,
    wait,
)
from tests.delivery.world import MESSAGE, id_of
from xtramail.delivery.courier import Carried
from xtramail.delivery.judgement import MOST_REPLIES
from xtramail.model.bucket import bucket_at
from xtramail.model.errors import Corrupt, NoSuchAccount, StoreFault, StoreFull
from xtramail.model.outcome import Fate, Reply
from xtramail.model.pending import Pending, drive
from xtramail.net.adapter import start
from xtramail.store import accounts, keys, outbound
from xtramail.store.retention import move_open_bodies
from xtramail.wire.smtp.client_events import Stage, Verdict

RAY = "ray@relay.example"


@pytest.fixture
def world() -> RelayWorld:
    return RelayWorld()


def test_a_message_goes_out_as_it_came_in_and_leaves_the_queue(world: RelayWorld) -> None:
    number = id_of(world.receive(RAY))
    attempt = world.deliver(world.only())
    assert attempt is not None and attempt.reached
    assert world.queue() == []
    assert world.fates(number) == {RAY: Fate.DELIVERED}
    row = world.ledger(number)[RAY]
    assert [fate for fate, _, _ in row.history] == [Fate.HELD, Fate.ATTEMPTED]
    assert (row.attempts, row.reply) == (1, "250 2.0.0 taken")
    (call,) = world.courier.calls
    assert call.octets().endswith(MESSAGE)
    assert call.octets().startswith(b"Received: ") and len(call.octets()) == call.body.size
    assert {event.kind for event in world.events(number)} == {"accepted", "attempt"}
    assert world.balanced()


STAGES = [Stage.CONNECT, Stage.HELLO, Stage.STARTTLS, Stage.AUTH, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.FINAL]


@pytest.mark.parametrize("stage", STAGES)
def test_4yz_at_any_stage_defers(world: RelayWorld, stage: Stage) -> None:
    number = id_of(world.receive(RAY))
    world.courier.script = refuse(stage, 451, "4.3.0")
    attempt = world.deliver(world.only())
    entry = world.only()
    assert world.fates(number) == {RAY: Fate.HELD}
    assert (entry.due, entry.attempts, entry.lease_until) == (world.clock.now() + 60, 1, 0)
    assert "451 4.3.0 no" in entry.last_reply
    assert attempt is not None and attempt.reached == (stage in STAGES[4:])
    assert world.balanced()


@pytest.mark.parametrize("stage", STAGES)
def test_5yz_of_a_primary_bounces_only_what_it_says_of_recipient_or_message(world: RelayWorld, stage: Stage) -> None:
    number = id_of(world.receive(RAY))
    world.courier.script = refuse(stage, 550, "5.7.1")
    world.deliver(world.only())
    waits = stage in STAGES[:5]
    assert world.fates(number) == {RAY: Fate.HELD if waits else Fate.BOUNCED}
    assert len(world.queue()) == waits
    assert world.balanced()


@pytest.mark.parametrize(("code", "enhanced"), [(552, ""), (552, "5.3.4"), (550, "5.3.4")])
def test_too_big_for_the_primary_bounces_at_mail_too(world: RelayWorld, code: int, enhanced: str) -> None:
    number = id_of(world.receive(RAY))
    world.courier.script = refuse(Stage.MAIL, code, enhanced)
    world.deliver(world.only())
    assert world.fates(number) == {RAY: Fate.BOUNCED}


@pytest.mark.parametrize("stage", STAGES)
def test_a_connection_lost_before_the_dot_defers_and_after_it_is_unconfirmed(world: RelayWorld, stage: Stage) -> None:
    number = id_of(world.receive(RAY))
    world.courier.script = lose(stage)
    world.deliver(world.only())
    assert world.fates(number) == {RAY: Fate.UNCONFIRMED if stage is Stage.FINAL else Fate.HELD}
    assert len(world.queue()) == 1 and world.balanced()


def test_unconfirmed_stays_so_until_the_host_says_otherwise(world: RelayWorld) -> None:
    number = id_of(world.receive(RAY))
    world.courier.script = lose(Stage.FINAL)
    world.deliver(world.only())
    for script in (lose(Stage.CONNECT), refuse(Stage.RCPT, 451), refuse(Stage.MAIL, 550), refuse(Stage.FINAL, 452)):
        world.courier.script = script
        world.deliver(world.only())
        assert world.fates(number) == {RAY: Fate.UNCONFIRMED}
    world.courier.script = accept
    world.deliver(world.only())
    assert world.fates(number) == {RAY: Fate.DELIVERED}


def test_recipients_of_one_message_go_their_own_ways(world: RelayWorld) -> None:
    names = [f"{name}@relay.example" for name in ("ray", "staff")]
    world.user("una@relay.example")
    world.user("vic@relay.example")
    names += ["una@relay.example", "vic@relay.example"]
    number = id_of(world.receive(*names))
    no = outcome(Verdict.REFUSED, Stage.RCPT, Reply.of(550, "5.1.1", "who?"))
    later = outcome(Verdict.DEFERRED, Stage.RCPT, Reply.of(450, "4.2.1", "busy"))
    unsure = outcome(Verdict.UNCONFIRMED, Stage.FINAL)

    def mixed(call: Call) -> Carried:
        call.before_dot((0, 3)).result()
        during = world.fates(number)
        assert [during[name] for name in names] == [Fate.ATTEMPTED, Fate.HELD, Fate.HELD, Fate.ATTEMPTED]
        return call.says(OK, no, later, unsure)

    world.courier.script = mixed
    world.deliver(world.only())
    after = world.fates(number)
    assert [after[name] for name in names] == [Fate.DELIVERED, Fate.BOUNCED, Fate.HELD, Fate.UNCONFIRMED]
    assert world.balanced()
    world.courier.script = accept
    world.deliver(world.only())
    assert world.courier.calls[-1].recipients == names[2:]
    assert world.queue() == [] and world.balanced()


def test_the_attempt_row_is_durable_before_the_dot(world: RelayWorld) -> None:
    number = id_of(world.receive(RAY))
    seen: list[object] = []

    def look(call: Call) -> Carried:
        world.engine.pause()
        written = call.before_dot((0,))
        seen.extend((written.done, world.fates(number)[RAY]))
        world.engine.resume()
        written.result()
        seen.append(world.fates(number)[RAY])
        return call.says(OK)

    world.courier.script = look
    world.deliver(world.only())
    assert seen == [False, Fate.HELD, Fate.ATTEMPTED], "it is waited for until it is there"


def test_without_an_attempt_row_nothing_is_handed_over(world: RelayWorld) -> None:
    number = id_of(world.receive(RAY))

    def full(call: Call) -> Carried | None:
        world.engine.fail_next(StoreFull())
        return accept(call)

    world.courier.script = full
    world.deliver(world.only())
    assert world.courier.taken == []
    assert world.fates(number) == {RAY: Fate.HELD}
    world.courier.script = accept
    world.deliver(world.only())
    assert len(world.courier.taken) == 1


def test_a_lease_that_cannot_be_written_changes_nothing(world: RelayWorld) -> None:
    world.receive(RAY)
    before = world.only()
    world.engine.fail_next(StoreFull())
    with pytest.raises(StoreFull):
        world.deliver(before)
    assert world.only() == before and world.courier.calls == []
    assert not world.relay.owes(before.id)


@pytest.mark.parametrize("error", [StoreFull(), StoreFault()])
def test_an_outcome_that_cannot_be_written_is_owed_and_not_tried_again(world: RelayWorld, error: Exception) -> None:
    number = id_of(world.receive(RAY))

    def then_full(call: Call) -> Carried:
        carried = accept(call)
        world.engine.fail_next(error, times=2)
        return carried

    world.courier.script = then_full
    entry = world.only()
    with pytest.raises(type(error)):
        world.deliver(entry)
    assert world.fates(number) == {RAY: Fate.ATTEMPTED} and world.balanced()
    with pytest.raises(type(error)):
        drive(world.relay.write_owed(entry.id))
    assert world.relay.owes(entry.id)
    drive(world.relay.write_owed(entry.id))
    assert world.fates(number) == {RAY: Fate.DELIVERED} and world.queue() == []
    assert not world.relay.owes(entry.id)
    assert len(world.courier.taken) == 1


def test_a_run_that_died_in_the_attempt_leaves_it_unconfirmed_until_the_host_answers(world: RelayWorld) -> None:
    number = id_of(world.receive(RAY))

    def die(call: Call) -> None:
        call.before_dot((0,)).result()

    world.courier.script = die
    start(world.relay.deliver(world.only().id))
    assert world.fates(number) == {RAY: Fate.ATTEMPTED}
    world.start()
    assert world.due() == ["relay.example"]
    for script in (lose(Stage.CONNECT), lose(Stage.CONNECT)):
        world.courier.script = script
        world.deliver(world.only())
        assert world.fates(number) == {RAY: Fate.UNCONFIRMED}
    # Also where it does not come to a connection at all.
    world.change_domain("relay.example", primaries=())
    world.deliver(world.only())
    assert world.fates(number) == {RAY: Fate.UNCONFIRMED}
    assert world.balanced()


def test_a_leased_entry_is_nobody_elses(world: RelayWorld) -> None:
    world.receive(RAY)
    world.courier.script = wait
    entry = world.only()
    start(world.relay.deliver(entry.id))
    other = world.other_relay("another process")
    assert drive(other.deliver(entry.id)) is None
    assert drive(other.bounce(entry.id, "enough")) is None
    assert len(world.courier.calls) == 1


def test_who_lost_the_lease_hands_nothing_over_and_writes_nothing(world: RelayWorld) -> None:
    number = id_of(world.receive(RAY, sender=""))
    world.courier.script = wait
    entry = world.only()
    late = start(world.relay.deliver(entry.id))
    world.clock.advance(world.relay.settings.lease + 1)
    assert drive(world.other_relay("another process").bounce(entry.id, "given up")) is not None
    (call,) = world.courier.calls
    carried = accept(call)
    assert carried.outcomes[0].verdict is Verdict.DEFERRED
    call.carried.settle(carried)
    assert late.called and late.result is None
    assert world.queue() == [] and world.fates(number) == {RAY: Fate.BOUNCED}
    assert world.courier.taken == [] and world.balanced()


def test_the_attempt_row_renews_the_lease(world: RelayWorld) -> None:
    world.receive(RAY)

    def slow(call: Call) -> Carried:
        world.clock.advance(3_000)
        call.before_dot((0,)).result()
        world.clock.advance(3_000)
        assert drive(world.other_relay("another process").bounce(world.only().id, "given up")) is None
        return call.says(OK)

    world.courier.script = slow
    world.deliver(world.only())
    assert world.queue() == [] and world.balanced()


def test_a_delivery_that_ends_after_the_lease_is_still_a_fact(world: RelayWorld) -> None:
    number = id_of(world.receive(RAY, "staff@relay.example"))
    entry = world.only()

    def taken_over_meanwhile(call: Call) -> Carried:
        call.before_dot((0, 1)).result()
        stolen = replace(world.only(), lease_owner="another run")
        world.engine.transact(keys.QUEUE, lambda txn: outbound.update(txn, stolen)).result()
        return call.says(OK, outcome(Verdict.DEFERRED, Stage.RCPT, Reply.of(450, "", "busy")))

    world.courier.script = taken_over_meanwhile
    assert world.deliver(entry) is None
    assert world.fates(number)[RAY] == Fate.DELIVERED
    assert world.only().lease_owner == "another run" and world.balanced()


def test_what_is_held_while_its_dot_is_on_the_way_is_not_given_up_before_the_answer(world: RelayWorld) -> None:
    number = id_of(world.receive(RAY, "staff@relay.example"))
    entry = world.only()

    def held_meanwhile(call: Call) -> Carried:
        call.before_dot((0, 1)).result()
        world.engine.transact(keys.QUEUE, lambda txn: outbound.hold(txn, entry.id, "looks odd")).result()
        assert drive(world.other_relay("command").bounce(entry.id, "given up")) is None
        return call.says(OK, outcome(Verdict.DEFERRED, Stage.RCPT, Reply.of(450, "", "busy")))

    world.courier.script = held_meanwhile
    world.deliver(entry)
    assert world.fates(number) == {RAY: Fate.DELIVERED, "staff@relay.example": Fate.HELD}
    assert world.only().held and world.balanced()
    assert drive(world.other_relay("command").bounce(entry.id, "given up")) is not None, "now it may be"


def test_what_is_held_before_its_dot_stays_here(world: RelayWorld) -> None:
    world.receive(RAY)
    entry = world.only()

    def held_before(call: Call) -> Carried:
        world.engine.transact(keys.QUEUE, lambda txn: outbound.hold(txn, entry.id, "looks odd")).result()
        return accept(call)  # type: ignore[return-value]

    world.courier.script = held_before
    world.deliver(entry)
    assert world.courier.taken == [] and world.only().held
    assert {one.fate for one in world.only().recipients} == {Fate.HELD}


def test_a_bug_in_the_courier_does_not_keep_an_entry_for_ever(world: RelayWorld) -> None:
    world.receive(RAY)

    def broken(call: Call) -> None:
        call.carried.fail(ZeroDivisionError())

    world.courier.script = broken
    world.courier._take = lambda call, carried: None  # type: ignore[method-assign]
    entry = world.only()
    failed: list[BaseException] = []
    world.courier.carry = lambda *_, **__: Pending.failed(ZeroDivisionError())  # type: ignore[method-assign]
    start(world.relay.deliver(entry.id)).addErrback(lambda failure: failed.append(failure.value))
    assert isinstance(failed[0], ZeroDivisionError)
    assert world.only().lease_owner == "" and world.only().attempts == 1
    assert "ZeroDivisionError" in world.only().last_reply


def test_a_bug_in_a_notice_does_not_keep_the_outcome_from_being_written(world: RelayWorld) -> None:
    number = id_of(world.receive(RAY))
    world.hosts.mail_hosts = lambda domain: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    world.clock.advance(HOLD)
    world.courier.script = lose(Stage.CONNECT)
    with pytest.raises(ZeroDivisionError):
        world.deliver(world.only())
    assert world.fates(number) == {RAY: Fate.BOUNCED} and world.queue() == [] and world.balanced()


def test_a_bounce_and_its_report_are_one_commit(world: RelayWorld) -> None:
    number = id_of(world.submit(world.ann, RAY, message=MESSAGE.replace(b"zoe@sender", b"ann@local")))
    commits: list[int] = []

    def refused(call: Call) -> Carried | None:
        commits.append(world.engine.newest_commit())
        return refuse(Stage.RCPT, 550, "5.1.1")(call)

    world.courier.script = refused
    world.deliver(world.only())
    assert world.fates(number) == {RAY: Fate.BOUNCED} and len(world.mailbox(world.ann)) == 1
    assert world.engine.newest_commit() == commits[0] + 1, "who dies between two leaves a sender who is not told"


def test_a_notice_that_cannot_be_filed_this_moment_is_made_anew(world: RelayWorld) -> None:
    number = id_of(world.submit(world.ann, RAY, message=MESSAGE.replace(b"zoe@sender", b"ann@local")))
    world.courier.script = refuse(Stage.RCPT, 550, "5.1.1")
    entry = world.only()
    transact_all = world.engine.transact_all

    def removed_meanwhile(parts: Any) -> Any:
        world.engine.transact_all = transact_all  # type: ignore[method-assign]
        world.engine.transact(keys.user_scope(world.ann.id), accounts.delete_account).result()
        return transact_all(parts)

    world.engine.transact_all = removed_meanwhile  # type: ignore[method-assign]
    with pytest.raises(NoSuchAccount):
        world.deliver(entry)
    assert world.relay.owes(entry.id)
    drive(world.relay.write_owed(entry.id))
    assert world.fates(number) == {RAY: Fate.BOUNCED} and world.queue() == [] and world.balanced()


def test_primaries_are_tried_in_their_order_until_one_decides(world: RelayWorld) -> None:
    world.change_domain("relay.example", primaries=(("a.example", 25), ("b.example", 2525), ("c.example", 25)))
    world.receive(RAY)
    world.courier.hosts = {"a.example": lose(Stage.CONNECT), "b.example": refuse(Stage.MAIL, 550, "5.7.1")}
    world.deliver(world.only())
    assert [str(call.hop) for call in world.courier.calls] == ["a.example:25", "b.example:2525", "c.example:25"]
    assert world.queue() == []


@pytest.mark.parametrize("script", [refuse(Stage.RCPT, 450), refuse(Stage.FINAL, 451), lose(Stage.FINAL)])
def test_the_second_primary_is_not_asked_what_the_first_has_decided(world: RelayWorld, script: object) -> None:
    world.change_domain("relay.example", primaries=(("a.example", 25), ("b.example", 25)))
    world.receive(RAY)
    world.courier.hosts = {"a.example": script}  # type: ignore[dict-item]
    world.deliver(world.only())
    assert [call.hop.host for call in world.courier.calls] == ["a.example"]


def test_what_a_host_said_counts_more_than_that_the_next_was_away(world: RelayWorld) -> None:
    world.change_domain("relay.example", primaries=(("a.example", 25), ("b.example", 25)))
    world.receive(RAY)
    world.courier.hosts = {"a.example": refuse(Stage.MAIL, 451, "4.3.2", "closing"), "b.example": lose(Stage.CONNECT)}
    attempt = world.deliver(world.only())
    assert attempt is not None and attempt.reached and "closing" in world.only().last_reply


def test_a_message_that_breaks_every_connection_does_not_make_its_host_look_dead(world: RelayWorld) -> None:
    world.receive(RAY)
    world.courier.script = lose(Stage.DATA)
    attempt = world.deliver(world.only())
    assert attempt is not None and attempt.reached


def test_mail_for_a_domain_that_is_served_no_more_waits_and_never_goes_to_its_mx(world: RelayWorld) -> None:
    number = id_of(world.receive(RAY))
    scope = keys.domain_scope("relay.example")
    world.engine.transact(scope, lambda txn: txn.delete_range(0, b"\0", b"\xff")).result()  # type: ignore[arg-type]
    world.deliver(world.only())
    assert world.courier.calls == [] and world.fates(number) == {RAY: Fate.HELD}


def test_a_domain_that_takes_no_mail_bounces_at_once_and_dns_trouble_waits(world: RelayWorld) -> None:
    message = MESSAGE.replace(b"zoe@sender.example", b"ann@local.example")
    number = id_of(world.submit(world.ann, "x@null.example", "y@slow.example", message=message))
    world.hosts.known = {"null.example": "domain null.example takes no mail", "slow.example": "down"}
    for entry in world.queue():
        world.deliver(entry)
    assert world.fates(number) == {"x@null.example": Fate.BOUNCED, "y@slow.example": Fate.HELD}
    assert [attempt.reached for attempt in world.attempts] == [True, False]
    notice = world.octets(world.mailbox(world.ann)[0])
    assert b"Status: 5.1.2" in notice and b"takes no mail" in notice


def test_replies_without_end_fit_into_the_queue(world: RelayWorld) -> None:
    names = [f"user{number}@any.example" for number in range(100)]
    world.receive(*names)
    endless = Reply(code=451, enhanced="4.3.0", lines=tuple("\N{BLACK STAR}" * 2000 for _ in range(100)))
    for stage in (Stage.RCPT, Stage.MAIL, Stage.CONNECT):
        world.courier.script = lambda call, stage=stage: call.says(  # type: ignore[misc]
            outcome(Verdict.DEFERRED, stage, endless), fault=endless.text
        )
        world.deliver(world.only())
    assert sum(len(one.reply.encode()) for one in world.only().recipients) <= MOST_REPLIES
    assert world.balanced()


def test_an_address_that_people_may_not_write_goes_out_as_it_was_accepted(world: RelayWorld) -> None:
    local = "l" * 65
    number = id_of(world.receive(f"{local}@any.example"))
    world.deliver(world.only())
    assert world.courier.calls[0].recipients == [f"{local}@any.example"]
    assert set(world.fates(number).values()) == {Fate.DELIVERED}


# Time and bodies.


def test_what_expires_is_bounced_after_one_last_try(world: RelayWorld) -> None:
    number = id_of(world.submit(world.ann, RAY, message=MESSAGE.replace(b"zoe@sender", b"ann@local")))
    world.clock.advance(HOLD)
    world.courier.script = refuse(Stage.CONNECT, 554, "5.3.2", "closed for good")
    world.deliver(world.only())
    assert world.fates(number) == {RAY: Fate.BOUNCED} and world.queue() == []
    notice = world.octets(world.mailbox(world.ann)[0])
    assert b"given up after 14 days" in notice and b"closed for good" in notice and b"Status: 5.4.7" in notice
    assert world.balanced()


def test_what_expires_is_delivered_when_its_last_try_is_good(world: RelayWorld) -> None:
    number = id_of(world.receive(RAY))
    world.clock.advance(HOLD + 5)
    world.deliver(world.only())
    assert world.fates(number) == {RAY: Fate.DELIVERED}


def test_expire_gives_up_without_asking_and_only_what_is_over(world: RelayWorld) -> None:
    number = id_of(world.submit(world.ann, RAY, message=MESSAGE.replace(b"zoe@sender", b"ann@local")))
    world.courier.script = refuse(Stage.CONNECT, 421, "4.3.2", "away")
    world.deliver(world.only())
    world.clock.advance(HOLD - 10)
    drive(world.relay.expire(world.only().id))
    assert world.fates(number) == {RAY: Fate.HELD}
    world.clock.advance(10)
    drive(world.relay.expire(world.only().id))
    assert len(world.courier.calls) == 1
    assert world.fates(number) == {RAY: Fate.BOUNCED} and world.queue() == []
    assert "421 4.3.2 away" in world.ledger(number)[RAY].reply
    assert len(world.mailbox(world.ann)) == 1 and world.balanced()


@pytest.mark.parametrize("how", ["plain", "held", "domain held"])
def test_the_admin_gives_up_mail_whether_it_is_held_or_not(world: RelayWorld, how: str) -> None:
    number = id_of(world.submit(world.ann, RAY, message=MESSAGE.replace(b"zoe@sender", b"ann@local")))
    entry = world.only()
    if how == "held":
        world.engine.transact(keys.QUEUE, lambda txn: outbound.hold(txn, entry.id, "odd")).result()
    if how == "domain held":
        world.hold("relay.example")
    assert drive(world.relay.bounce(entry.id, "moved away")) is not None
    assert world.fates(number) == {RAY: Fate.BOUNCED} and world.queue() == []
    assert b"moved away" in world.octets(world.mailbox(world.ann)[0])
    assert world.courier.calls == [] and world.balanced()


def test_a_body_saved_from_its_day_while_it_is_carried_goes_on_from_where_it_was(world: RelayWorld) -> None:
    big = MESSAGE + b"x" * 70 + b"\r\n" + (b"0123456789" * 7 + b"\r\n") * 6_000
    number = id_of(world.receive(RAY, message=big))
    bucket = world.only().body.bucket
    read: list[bytes] = []

    def during(call: Call) -> Carried:
        for at, chunk in enumerate(call.body.chunks()):
            read.append(chunk)
            if at == 2:
                world.clock.advance(60 * 86_400)
                drive(move_open_bodies(world.engine, bucket, world.clock.now()))  # type: ignore[arg-type]
                world.engine.drop_bucket(bucket, int(world.clock.now() * 1e6)).result()  # type: ignore[arg-type]
        call.before_dot((0,)).result()
        return call.says(OK)

    world.courier._take = lambda call, carried: None  # type: ignore[method-assign]
    world.courier.script = during
    world.deliver(world.only())
    assert b"".join(read).endswith(big) and world.queue() == []
    assert world.fates(number) == {RAY: Fate.DELIVERED} and world.balanced()


def test_a_damaged_body_defers_and_is_told(world: RelayWorld) -> None:
    number = id_of(world.receive(RAY))
    body = world.only().body
    world.engine.corrupt(body.bucket, keys.BODY, keys.body_chunk(body.id, 1))  # type: ignore[arg-type]
    attempt = world.deliver(world.only())
    assert attempt is not None and Corrupt.__name__ in attempt.unreadable
    assert world.courier.taken == [] and world.fates(number) == {RAY: Fate.HELD}


def test_an_entry_whose_day_is_gone_comes_to_its_end_all_the_same(world: RelayWorld) -> None:
    world.receive(RAY, sender="")
    entry = world.only()
    world.engine.drop_bucket(entry.body.bucket, 1).result()  # type: ignore[arg-type]
    attempt = world.deliver(entry)
    assert attempt is not None and attempt.unreadable
    assert len(world.queue()) == 1
    world.clock.advance(HOLD)
    world.deliver(entry)
    assert world.queue() == [] and world.balanced()


def test_the_log_event_lies_in_the_day_of_the_attempt(world: RelayWorld) -> None:
    number = id_of(world.receive(RAY))
    world.clock.advance(3 * 86_400)
    world.courier.script = after_dot(outcome(Verdict.REFUSED, Stage.FINAL, Reply.of(554, "5.6.0", "no spam")))
    world.deliver(world.only())
    event = world.events(number)[-1]
    assert event.at == world.clock.now() and "554 5.6.0 no spam" in event.text
    assert event.fields["fate"] == "bounced" and event.fields["next"] == ""
    assert bucket_at(event.at, 1) in world.engine.buckets()
