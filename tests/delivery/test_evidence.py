"""What is counted of an outage is what happened in it."""

from __future__ import annotations

from tests.delivery.relay_world import RelayWorld, accept, lose
from tests.delivery.user_steps import box, change, delete, move
from tests.delivery.world import MESSAGE, id_of
from xtramail.delivery.evidence import Counting, Evidence, EvidenceKeeper, count, kept
from xtramail.delivery.ledger_look import LedgerLook
from xtramail.directory.primaries import step
from xtramail.model.bucket import Bucket
from xtramail.model.flags import Flag
from xtramail.model.ids import id_text
from xtramail.model.outcome import Fate
from xtramail.model.pending import drive
from xtramail.model.primary import Event
from xtramail.store import keys, ledger, logins, mailboxes, outages, outbound
from xtramail.store.engine import Txn
from xtramail.store.flag_changes import store_flags
from xtramail.store.outages import OutageRow
from xtramail.store.records import Account, LedgerRow
from xtramail.wire.smtp.client_events import Stage

RELAY = "relay.example"
RAY, STAFF = f"ray@{RELAY}", f"staff@{RELAY}"


def message(number: int) -> bytes:
    return MESSAGE.replace(b"<m1@", f"<m{number}@".encode())


def go(world: RelayWorld, event: Event) -> None:
    assert drive(step(world.engine, RELAY, event, cause=f"because of {event}", now=world.clock.now())) is not None


def outage(world: RelayWorld) -> OutageRow:
    newest: OutageRow = world.engine.read(keys.domain_scope(RELAY), outages.outages)[0]
    return newest


def counted(world: RelayWorld) -> Evidence:
    return count(world.engine, RELAY, outage(world), world.clock.now())


def give_back(world: RelayWorld) -> None:
    world.courier.script = accept
    for entry in world.queue():
        world.deliver(entry)


def login(world: RelayWorld, account: Account) -> None:
    seen = {account.id: {"imap": world.clock.now()}}
    world.engine.transact(keys.LOGINS, lambda txn: logins.note(txn, seen)).result()


def an_outage(world: RelayWorld) -> None:
    """Two messages come in it, one waited already, one came and went before; it ends after an hour."""
    world.receive(RAY, message=message(0))
    give_back(world)
    world.courier.script = lose(Stage.CONNECT)
    world.clock.advance(600)
    world.receive(RAY, message=message(1))
    world.deliver(world.only())
    world.clock.advance(60)
    go(world, Event.FAILS)
    for number in (2, 3):
        world.clock.advance(600)
        world.receive(RAY, STAFF, message=message(number))
    world.clock.advance(2_400)
    go(world, Event.ANSWERS)
    give_back(world)
    go(world, Event.DRAINED)


def test_mail_of_the_outage_is_counted_by_what_became_of_it(world: RelayWorld) -> None:
    an_outage(world)
    found = counted(world)
    assert (found.received, found.waited) == (4, 1)
    assert found.fates == {"delivered": 5, "held": 0, "unconfirmed": 0, "suppressed": 0, "bounced": 0}
    assert found.balanced and found.wrong == ()
    assert round(found.longest_delay) == 3_660 and round(found.median_delay) == 3_000
    assert [one.after for one in found.steps] == ["down", "recovering", "up"]
    assert found.ended - found.started == 3_600
    assert sum(found.timeline.received) == 4 and sum(found.timeline.delivered) == 5
    assert found.timeline.received[10] == 2 and found.timeline.received[20] == 2
    assert found.timeline.delivered[-1] == 5


def test_what_still_waits_is_held_and_what_came_later_is_not_of_it(world: RelayWorld) -> None:
    go(world, Event.HOLD)
    world.receive(RAY, message=message(1))
    world.clock.advance(60)
    found = counted(world)
    assert (found.received, found.fates["held"], found.ended, found.longest_message) == (1, 1, 0.0, "")
    go(world, Event.RELEASE)
    world.clock.advance(1)
    go(world, Event.DRAINED)
    world.clock.advance(1)
    world.receive(RAY, message=message(2))
    assert counted(world).received == 1


def test_what_each_user_did_is_counted(world: RelayWorld) -> None:
    world.receive(RAY, message=message(0))
    give_back(world)
    world.clock.advance(60)
    go(world, Event.FAILS)
    world.clock.advance(60)
    world.receive(RAY, message=message(1))
    world.clock.advance(60)
    text = b"From: ray@relay.example\r\nTo: zoe@sender.example\r\nMessage-ID: <s1@x>\r\n\r\nHi.\r\n"
    world.submit(world.ray, "zoe@sender.example", message=text)

    def read(txn: Txn) -> None:
        inbox = box(txn, "INBOX")
        store_flags(txn, inbox.id, [2], "add", int(Flag.SEEN), (), now=world.clock.now())

    change(world, world.ray, read)
    change(world, world.ray, lambda txn: mailboxes.create(txn, "Filed", now=world.clock.now()))
    move(world, world.ray, "Filed")
    login(world, world.ray)
    at = world.clock.now()
    world.clock.advance(1)
    (one,) = counted(world).users
    assert (one.address, one.received, one.sent, one.read, one.filed, one.deleted) == (RAY, 1, 1, 1, 2, 0)
    assert one.logins == {"imap": at}
    assert counted(world).sent == 1 and counted(world).sent_back == {"held": 1}
    delete(world, world.ray, "Filed")
    (one,) = counted(world).users
    assert one.deleted == 2


def test_it_is_kept_once_when_the_outage_is_over(world: RelayWorld) -> None:
    keeper = EvidenceKeeper(world.engine, world.clock)
    go(world, Event.FAILS)
    list(keeper.walk())
    assert kept(outage(world)) is None, "it goes on"
    world.clock.advance(60)
    go(world, Event.ANSWERS)
    go(world, Event.DRAINED)
    list(keeper.walk())
    first = kept(outage(world))
    assert first is not None and first == counted(world)
    world.clock.advance(60)
    list(keeper.walk())
    assert kept(outage(world)) == first


def test_it_is_counted_again_while_some_of_its_mail_is_on_its_way(world: RelayWorld) -> None:
    keeper = EvidenceKeeper(world.engine, world.clock)
    go(world, Event.FAILS)
    world.clock.advance(60)
    world.receive(RAY)
    world.clock.advance(60)
    go(world, Event.ANSWERS)
    go(world, Event.DRAINED)

    def fates() -> tuple[int, int]:
        list(keeper.walk())
        found = kept(outage(world))
        assert found is not None and found.balanced
        return found.fates["held"], found.fates["delivered"]

    assert fates() == (1, 0)
    give_back(world)
    world.clock.advance(59)
    assert fates() == (1, 0), "not at every look"
    world.clock.advance(1)
    assert fates() == (0, 1)


def test_hundreds_of_users_do_not_burst_a_value_of_the_store(world: RelayWorld) -> None:
    go(world, Event.FAILS)
    go(world, Event.ANSWERS)
    go(world, Event.DRAINED)
    for number in range(250):
        login(world, world.user(f"{'u' * 60}{number}@{RELAY}"))
    found = counted(world)
    assert (found.active, len(found.users)) == (250, 200)
    list(EvidenceKeeper(world.engine, world.clock).walk())
    saved = kept(outage(world))
    assert saved is not None and saved.active == 250 and saved.users


def test_evidence_of_another_version_is_counted_anew(world: RelayWorld) -> None:
    assert kept(OutageRow(id=1, started=1.0, cause="", evidence={"counted": '{"outage": "x"}'})) is None


def test_counting_ends_with_a_result_slice_by_slice(world: RelayWorld) -> None:
    an_outage(world)
    counting = Counting(engine=world.engine, domain=RELAY, row=outage(world), now=world.clock.now())
    assert counting.result is None
    assert len(list(counting.walk())) > 3
    assert counting.result is not None


def look(world: RelayWorld, domain: str = "") -> LedgerLook:
    one = LedgerLook(engine=world.engine, domain=domain)
    for _ in one.walk():
        pass
    return one


def test_a_balance_of_one_domain_counts_its_mail_alone(world: RelayWorld) -> None:
    world.receive(RAY, "ann@local.example")
    one = look(world, RELAY)
    assert (one.accepted, one.fate_counts["held"], one.holds) == (1, 1, True)
    assert look(world).accepted == 2


def test_a_message_that_waits_nowhere_is_named(world: RelayWorld) -> None:
    number = id_of(world.receive(RAY))
    world.engine.transact(keys.QUEUE, lambda txn: outbound.complete(txn, world.only().id)).result()
    one = look(world, RELAY)
    assert not one.holds and one.wrong == [
        f"{id_text(number)} for {RAY}: its fate is open, and it does not wait in the queue"
    ]


def test_a_message_that_waits_with_its_fate_decided_is_named(world: RelayWorld) -> None:
    number = id_of(world.receive(RAY))
    bucket = Bucket(world.only().body.bucket)
    row = LedgerRow(fate=Fate.BOUNCED, at=world.clock.now(), destination=RELAY)
    world.engine.transact(keys.QUEUE, lambda txn: ledger.ledger_put(txn, bucket, number, RAY, row)).result()
    assert look(world).wrong == [f"{id_text(number)} for {RAY}: its fate is decided, and it waits in the queue"]
