"""Who goes over his limit is blocked from sending to the world, and from nothing else, until a person releases him."""

from __future__ import annotations

from typing import Any

import pytest

from tests.delivery.outward_world import KEYRING
from tests.delivery.relay_world import RelayWorld, refuse
from tests.delivery.test_submission import DRAFT
from tests.delivery.world import PEER, World, forward, rcpt, reverse
from xtramail.delivery.submission import SubmissionTransaction
from xtramail.directory import blocks
from xtramail.directory.domains import parse_change, remove_domain, set_domain
from xtramail.directory.sent_figures import SenderFigures, sent_lately
from xtramail.directory.state.apply import apply_plan
from xtramail.directory.state.catalogue import BY_NAME, KINDS
from xtramail.directory.state.document import read_document
from xtramail.directory.state.plan import make_plan, silent
from xtramail.directory.state.worlds import plan_world
from xtramail.directory.users import remove_user, set_user
from xtramail.model.address import Address
from xtramail.model.outcome import Reply
from xtramail.model.pending import drive
from xtramail.store import alerts, audit, keys, outbound
from xtramail.store import blocks as rows
from xtramail.store.alerts import AlertRow
from xtramail.store.blocks import BlockRow
from xtramail.store.records import AuditRow
from xtramail.wire.smtp.client_events import Stage

ANN = "ann@local.example"


class Office(RelayWorld):
    def set(self, domain: str, *changes: str) -> None:
        parsed = [parse_change(*change.split("=", 1)) for change in changes]
        drive(set_domain(self.desk, domain, parsed))

    def limit(self, address: str, rate: str) -> None:
        drive(set_user(self.desk, Address.parse(address), own={"send-rate": rate}))
        self.ann = self.desk.account(Address.parse(ANN))

    def begin(self) -> SubmissionTransaction:
        transaction = self.submission.begin(PEER, self.ann)
        assert transaction.mail_from(reverse(ANN)).code == 250
        return transaction

    def replies(self, *recipients: str) -> list[Reply]:
        """To RCPT, in one transaction that goes no further."""
        transaction = self.begin()
        return [rcpt(transaction, recipient) for recipient in recipients]

    def write(self, count: int, *, first: int = 0) -> Reply:
        """To so many people outside, in one message."""
        return self.submit(self.ann, *(f"r{n}@out.example" for n in range(first, first + count)), message=DRAFT)

    def blocked_rows(self) -> list[BlockRow]:
        return blocks.blocked(self.desk)

    def alerts(self) -> list[AlertRow]:
        return [row for row in self.engine.read(keys.ALERTS, alerts.alerts) if row.kind == blocks.ALERT]

    def audit(self) -> list[AuditRow]:
        rows = self.engine.read(keys.AUDIT, lambda snap: [row for _, row in audit.newest(snap)])
        return [row for row in rows if row.what.startswith("blocked")]

    def figures(self) -> list[SenderFigures]:
        return sent_lately(self.desk)


@pytest.fixture
def office() -> Office:
    office = Office()
    office.set("local.example", "send-rate=5")
    return office


def test_up_to_the_limit_everything_goes(office: Office) -> None:
    assert office.write(3).code == 250 and office.write(2, first=3).code == 250
    assert office.blocked_rows() == []


def test_one_more_recipient_blocks_and_says_what_to_do(office: Office) -> None:
    office.write(5)
    (reply,) = office.replies("r9@out.example")
    assert (reply.code, reply.enhanced) == (550, "5.7.1")
    assert reply.text.removeprefix("550 5.7.1 ") == (
        "You are blocked from sending outside since 2026-01-01 00:00 UTC: more than 5 recipients outside within an "
        "hour. If that was not you, change your password. Ask your administrator: xtramail blocked release "
        "ann@local.example"
    )
    ((row,), (told,)) = office.blocked_rows(), office.blocked
    assert row == told
    assert (row.address, row.cause, row.by) == (ANN, "rate", "xtramail")


def test_the_block_stays_after_the_hour_and_a_restart(office: Office) -> None:
    office.write(5)
    office.replies("r9@out.example")
    office.clock.advance(86_400)
    again = World(engine=office.engine, clock=office.clock)
    transaction = again.submission.begin(PEER, again.ann)
    transaction.mail_from(reverse(ANN))
    assert rcpt(transaction, "r9@out.example").code == 550


def test_what_was_sent_before_a_restart_counts(office: Office) -> None:
    office.write(5)
    again = World(engine=office.engine, clock=office.clock)
    transaction = again.submission.begin(PEER, again.ann)
    transaction.mail_from(reverse(ANN))
    assert rcpt(transaction, "r9@out.example").code == 550


def test_what_was_sent_over_an_hour_ago_does_not(office: Office) -> None:
    office.write(5)
    office.clock.advance(3_600 + 300)
    assert office.write(5).code == 250


def test_recipients_of_the_message_itself_count(office: Office) -> None:
    codes = [reply.code for reply in office.replies(*(f"r{n}@out.example" for n in range(7)))]
    assert codes == [250] * 5 + [550] * 2
    assert len(office.blocked_rows()) == 1


def test_a_message_of_which_some_recipients_were_refused_does_not_go(office: Office) -> None:
    transaction = office.begin()
    for number in range(6):
        rcpt(transaction, f"r{number}@out.example")
    transaction.chunk(DRAFT)
    assert drive(transaction.commit()).code == 550
    assert office.queue() == []


def test_colleagues_are_not_counted_and_are_written_to_when_blocked(office: Office) -> None:
    office.write(5)
    office.replies("r9@out.example")
    reply = office.submit(office.ann, "bob@local.example", "ray@relay.example", message=DRAFT)
    assert reply.code == 250
    assert len(office.mailbox(office.bob)) == 1


def test_mail_for_who_is_blocked_goes_on_coming(office: Office) -> None:
    office.write(5)
    office.replies("r9@out.example")
    assert office.receive(ANN).code == 250


def test_a_recipient_named_twice_counts_once(office: Office) -> None:
    codes = [reply.code for reply in office.replies(*["r1@out.example"] * 9)]
    assert codes == [250] * 9


def test_a_block_is_told_once_and_written_down(office: Office) -> None:
    office.write(5)
    office.replies("r9@out.example", "r8@out.example")
    office.replies("r9@out.example")
    (alert,) = office.alerts()
    assert (alert.domain, alert.count) == ("local.example", 1)
    assert "xtramail blocked release ann@local.example" in alert.text
    (row,) = office.audit()
    assert (row.actor, row.what, row.object, row.domain) == ("xtramail", "blocked add", ANN, "local.example")
    assert row.after == {"cause": "rate", "reason": "more than 5 recipients outside within an hour"}


def test_a_release_forgives_the_hour_and_is_written_down(office: Office) -> None:
    office.write(5)
    office.replies("r9@out.example")
    drive(blocks.release(office.desk, Address.parse(ANN)))
    assert office.blocked_rows() == []
    assert office.write(5).code == 250
    row, _ = office.audit()
    assert (row.actor, row.what, row.after) == ("olga", "blocked release", None)
    (figures,) = office.figures()
    assert (figures.hour.recipients, figures.day.recipients) == (5, 10)


def test_what_a_blocked_user_sent_before_waits_until_he_is_released(office: Office) -> None:
    office.write(1)
    office.submit(office.ann, "ray@relay.example", message=DRAFT)
    drive(blocks.block(office.desk, Address.parse(ANN), "test"))
    for entry in office.queue():
        office.deliver(entry)
    (waiting,) = office.queue()
    assert (waiting.kind, waiting.held, waiting.hold_reason) == ("outside", True, blocks.STOPPED)
    assert [call.recipients for call in office.courier.calls] == [["ray@relay.example"]]
    office.deliver(waiting)
    assert len(office.courier.calls) == 1
    assert drive(blocks.release(office.desk, Address.parse(ANN))).due == 1
    office.deliver(waiting)
    assert office.queue() == [] and office.balanced()


def test_a_block_that_a_document_takes_away_keeps_nothing_waiting(office: Office) -> None:
    office.write(1)
    drive(blocks.block(office.desk, Address.parse(ANN), "test"))
    (entry,) = office.queue()
    office.deliver(entry)
    world = plan_world(office.desk, KEYRING)
    read = read_document(b'{"format": 1, "blocks": []}', BY_NAME)
    drive(apply_plan(make_plan(world, read, KINDS, remove_missing=True), progress=silent))
    office.deliver(office.queue()[0])
    assert office.queue() == [] and office.blocked_rows() == []


def test_a_removed_domain_leaves_no_blocks_of_its_users(office: Office) -> None:
    drive(blocks.block(office.desk, Address.parse(ANN), "test"))
    drive(remove_domain(office.desk, "local.example"))
    assert office.engine.read(keys.SENDING, rows.blocks) == []


def test_a_release_lets_nothing_go_that_is_held_for_another_reason(office: Office) -> None:
    office.write(1)
    (entry,) = office.queue()
    office.engine.transact(keys.QUEUE, lambda txn: outbound.hold(txn, entry.id, "a person looks at it")).result()
    drive(blocks.block(office.desk, Address.parse(ANN), "test"))
    assert drive(blocks.release(office.desk, Address.parse(ANN))).due == 0
    assert office.only().held


def test_a_users_own_limit_counts_before_the_domains(office: Office) -> None:
    office.limit(ANN, "2")
    assert [reply.code for reply in office.replies(*(f"r{n}@out.example" for n in range(3)))] == [250, 250, 550]


def test_no_limit_is_none(office: Office) -> None:
    office.limit(ANN, "0")
    assert office.write(60).code == 250 and office.write(60).code == 250


def test_without_a_setting_it_is_500_an_hour() -> None:
    office = Office()
    assert office.write(500).code == 250
    assert office.replies("r9@out.example")[0].code == 550


def test_a_domain_can_put_off_in_place_of_blocking(office: Office) -> None:
    office.set("local.example", "send-over=defer")
    office.write(3)
    office.clock.advance(600)
    office.write(2)
    (reply,) = office.replies("r9@out.example")
    assert reply.text.endswith("You may send to 5 recipients outside in an hour, try again at 01:05 UTC")
    assert (reply.code, reply.enhanced) == (450, "4.7.1")
    assert office.blocked_rows() == [] and office.alerts() == []
    office.clock.advance(55 * 60)
    assert office.write(3).code == 250


def test_many_connections_at_once_do_not_go_over_it(office: Office) -> None:
    transactions = [office.begin() for _ in range(3)]
    for number, transaction in enumerate(transactions):
        for one in range(3):
            assert rcpt(transaction, f"r{number}{one}@out.example").code == 250
        transaction.chunk(DRAFT)
    replies = [drive(transaction.commit()) for transaction in transactions]
    assert [(reply.code, reply.enhanced) for reply in replies] == [(250, "2.0.0"), (450, "4.7.1"), (450, "4.7.1")]
    assert sum(entry.kind == "outside" for entry in office.queue()) == 1
    assert office.figures()[0].hour.recipients == 3
    assert office.balanced()


def test_a_surge_of_refusals_blocks(office: Office) -> None:
    office.set("local.example", "send-refused=3", "send-rate=100")
    office.courier.script = refuse(Stage.RCPT, 550)
    for number in range(3):
        office.write(1, first=number)
        assert office.blocked_rows() == []
        (entry,) = [one for one in office.queue() if one.kind == "outside"]
        office.deliver(entry)
    (row,) = office.blocked_rows()
    assert (row.cause, row.reason) == ("bounces", "3 recipients were refused within an hour")
    assert len(office.alerts()) == 1
    assert office.replies("r9@out.example")[0].code == 550
    assert office.figures()[0].day.bounced == 3


def test_what_is_tried_again_is_no_refusal(office: Office) -> None:
    office.set("local.example", "send-refused=1")
    office.courier.script = refuse(Stage.RCPT, 450)
    office.write(1)
    office.deliver(office.only())
    assert office.only().recipients[0].code == 450 and office.blocked_rows() == []


def test_refusals_of_a_primary_block_nobody(office: Office) -> None:
    office.set("local.example", "send-refused=1")
    office.courier.script = refuse(Stage.RCPT, 550)
    office.submit(office.ann, "ray@relay.example", message=DRAFT)
    for entry in office.queue():
        office.deliver(entry)
    assert office.blocked_rows() == []


def test_a_removed_user_leaves_nothing(office: Office) -> None:
    office.write(5)
    office.replies("r9@out.example")
    for entry in office.queue():
        drive(office.relay.bounce(entry.id, "a thief wrote it"))
    drive(remove_user(office.desk, Address.parse(ANN)))
    assert office.blocked_rows() == [] and office.figures() == []


def test_a_read_receipt_without_sender_counts_as_well(office: Office) -> None:
    office.write(5)
    transaction = office.submission.begin(PEER, office.ann)
    transaction.mail_from(reverse(""))
    reply: Any = transaction.rcpt_to(forward("r9@out.example"))
    assert drive(reply).code == 550


