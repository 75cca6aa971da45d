"""Mail of addresses that stand for others: whose mailboxes get it, under which sender it goes on, and its reports."""

from __future__ import annotations

import pytest

from tests.delivery.world import MESSAGE, PEER, World, forward, id_of, rcpt, reverse
from xtramail.delivery.outgoing_envelope import outgoing_envelope
from xtramail.delivery.policy import NOT_FORWARDED, REPORTS_ONLY
from xtramail.directory.aliases import add_alias
from xtramail.directory.domain_aliases import add_domain_alias
from xtramail.directory.domains import add_domain, parse_change, set_domain
from xtramail.directory.mirrors import add_mirror
from xtramail.model.address import Address
from xtramail.model.bucket import bucket_class
from xtramail.model.clock import DAY_SECONDS
from xtramail.model.outcome import Fate, Reply
from xtramail.model.pending import drive
from xtramail.store import bodies
from xtramail.store.records import QueueEntry, QueueRecipient

ANN, BOB, RAY = "ann@local.example", "bob@local.example", "ray@relay.example"
OUT, ZOE = "zed@elsewhere.example", "zoe@sender.example"
TEAM = "team@local.example"
YES = Reply.of(250, "2.1.5", "ok")


@pytest.fixture
def world() -> World:
    world = World()
    alias(world, TEAM, ANN, BOB, OUT)
    return world


def alias(world: World, address: str, *targets: str) -> None:
    drive(add_alias(world.desk, address, targets))


def queue(world: World) -> dict[str, list[str]]:
    return {entry.destination: [one.address for one in entry.recipients] for entry in world.queue()}


def sender_of(entry: QueueEntry) -> str:
    address = outgoing_envelope(entry).reverse_path.address
    return "" if address is None else str(address)


def report(world: World, *recipients: str) -> Reply:
    return world.receive(*recipients, sender="", message=MESSAGE)


def answer(world: World, recipient: str, sender: str = "") -> Reply:
    transaction = world.intake.begin(PEER)
    transaction.mail_from(reverse(sender))
    return rcpt(transaction, recipient)


def counts(world: World) -> list[int]:
    return [len(world.mailbox(one)) for one in (world.ann, world.bob, world.ray)]


def test_two_mailboxes_and_one_host_get_it_each_once(world: World) -> None:
    number = id_of(world.receive(TEAM, ANN, "TEAM@local.example", "team+x@local.example"))
    assert counts(world) == [1, 1, 0]
    (entry,) = world.queue()
    assert queue(world) == {"elsewhere.example": [OUT]}
    assert (entry.kind, entry.reverse_path, entry.forwarder) == ("outside", ZOE, "local.example")
    assert sender_of(entry).startswith("SRS0=") and sender_of(entry).endswith("=sender.example=zoe@local.example")
    ledger = world.ledger(number)
    assert ledger[OUT].fate == Fate.HELD
    assert ledger[TEAM].reply == f"delivered to the mailbox, and forwarded to {OUT}"
    assert ledger[ANN].reply == "delivered to the mailbox"
    assert world.balanced()


def test_what_only_goes_on_is_in_nobodys_mailbox(world: World) -> None:
    alias(world, "away@local.example", OUT)
    number = id_of(world.receive("away@local.example"))
    assert counts(world) == [0, 0, 0] and queue(world) == {"elsewhere.example": [OUT]}
    assert world.ledger(number)["away@local.example"].reply == f"forwarded to {OUT}"
    assert world.balanced()


def test_whom_the_sender_names_himself_gets_it_from_him_and_once(world: World) -> None:
    body = MESSAGE.replace(ZOE.encode(), ANN.encode())
    world.submit(world.ann, TEAM, OUT, message=body)
    (entry,) = world.queue()
    assert [one.address for one in entry.recipients] == [OUT]
    assert sender_of(entry) == ANN and entry.forwarder == ""


def test_people_served_here_send_on_under_their_own_name(world: World) -> None:
    body = MESSAGE.replace(ZOE.encode(), ANN.encode())
    world.submit(world.ann, TEAM, message=body)
    (entry,) = world.queue()
    assert sender_of(entry) == ANN and entry.sender == ""


def test_a_domain_may_forward_in_the_name_of_one_that_nobody_writes_as(world: World) -> None:
    drive(add_domain(world.desk, "fwd.example", recipients="listed"))
    drive(set_domain(world.desk, "local.example", [parse_change("forward-as", "Fwd.example")]))
    world.receive(TEAM)
    (entry,) = world.queue()
    assert sender_of(entry).startswith("SRS0=") and sender_of(entry).endswith("=sender.example=zoe@fwd.example")
    assert entry.forwarder == "local.example", "its own hosts carry it"
    report(world, sender_of(entry))
    back = world.queue()[-1]
    assert [one.address for one in back.recipients] == [ZOE] and sender_of(back) == ""
    # A sender that does not fit is found there, too.
    long = f"{'z' * 60}@sender.example"
    world.receive(TEAM, sender=long)
    entry = world.queue()[-1]
    assert sender_of(entry).startswith("SRSX=") and sender_of(entry).endswith("@fwd.example")
    report(world, sender_of(entry))
    assert [one.address for one in world.queue()[-1].recipients] == [long]
    drive(set_domain(world.desk, "local.example", [parse_change("forward-as", "")]))
    world.receive(TEAM, sender="new@sender.example")
    assert sender_of(world.queue()[-1]).endswith("@local.example")


def test_a_name_that_is_not_served_any_more_is_not_used(world: World) -> None:
    drive(add_domain(world.desk, "fwd.example", recipients="listed"))
    drive(set_domain(world.desk, "local.example", [parse_change("forward-as", "fwd.example")]))
    world.change_domain("fwd.example", unverified=True)
    world.receive(TEAM)
    assert sender_of(world.queue()[-1]).endswith("@local.example")


def test_the_null_sender_stays(world: World) -> None:
    report(world, TEAM)
    (entry,) = world.queue()
    assert sender_of(entry) == "" and entry.forwarder == "local.example"


def test_the_received_field_names_the_alias_and_nobody_behind_it(world: World) -> None:
    world.receive(TEAM)
    head = world.octets(world.mailbox(world.ann)[0]).partition(b"\r\n\r\n")[0]
    assert b"for <team@local.example>;" in head and OUT.encode() not in head and head.count(b"team@") == 1


def test_a_primary_gets_what_the_sender_wrote_and_nothing_else(world: World) -> None:
    drive(add_domain_alias(world.desk, "other.example", "relay.example"))
    alias(world, "Office@relay.example", RAY, ANN, OUT, "team@local.example")
    world.receive("office@relay.example", "Ray+x@relay.example", "RAY@other.example", "ray@relay.example")
    (entry,) = world.queue()
    written = ["office@relay.example", "Ray+x@relay.example", "RAY@other.example", "ray@relay.example"]
    assert entry.destination == "relay.example" and [one.address for one in entry.recipients] == written
    assert sender_of(entry) == ZOE
    assert counts(world) == [1, 1, 1]
    assert world.balanced()


def test_what_lives_here_goes_to_a_primary_as_its_target_and_as_it_came(world: World) -> None:
    alias(world, "mixed@local.example", RAY, ANN)
    number = id_of(world.receive("mixed@local.example", RAY))
    (entry,) = world.queue()
    assert [one.address for one in entry.recipients] == [RAY] and sender_of(entry) == ZOE
    assert counts(world) == [1, 0, 1]
    assert set(world.ledger(number)) == {"mixed@local.example", RAY}
    id_of(world.receive("mixed@local.example"))
    assert [[one.address for one in entry.recipients] for entry in world.queue()] == [[RAY], [RAY]]
    assert counts(world) == [2, 0, 2] and world.balanced()


def test_each_copy_is_kept_for_the_days_of_its_mailbox(world: World) -> None:
    alias(world, "mixed@relay.example", RAY, ANN)
    world.receive("mixed@relay.example")
    classes = {bucket_class(world.mailbox(one)[0].body.bucket) for one in (world.ann, world.ray)}
    names = ("local.example", "relay.example")
    assert classes == {row.retention_class for name in names if (row := world.directory.domain(name)) is not None}
    assert world.octets(world.mailbox(world.ann)[0]) == world.octets(world.mailbox(world.ray)[0])


def test_a_target_that_its_primary_does_not_know_is_left_out_and_asked_for_once(world: World) -> None:
    world.primary.knows["dee"] = YES
    alias(world, "ours@local.example", ANN, "dee@ask.example", "gone@ask.example")
    alias(world, "theirs@local.example", "gone@ask.example")
    world.receive("ours@local.example")
    assert world.primary.asked == ["dee@ask.example", "gone@ask.example"]
    assert queue(world) == {"ask.example": ["dee@ask.example"]} and counts(world) == [1, 0, 0]
    assert answer(world, "theirs@local.example", ZOE).code == 550
    alias(world, "ours@local.example", BOB)
    world.receive("ours@local.example")
    assert counts(world) == [2, 1, 0]


def test_an_alias_waits_while_nobody_can_say_whether_a_target_is_known(world: World) -> None:
    world.primary.knows["dee"] = None
    alias(world, "ours@local.example", ANN, "dee@ask.example")
    assert answer(world, "ours@local.example", ZOE).code == 450


def test_a_full_mailbox_behind_an_alias_is_told_while_it_can_be_waited_for(world: World) -> None:
    world.change_account(world.bob, quota=10)
    transaction = world.intake.begin(PEER)
    transaction.mail_from(reverse(ZOE, size=100))
    assert rcpt(transaction, TEAM).code == 452


def test_a_mirror_of_a_user_has_what_comes_to_him_by_any_name(world: World) -> None:
    drive(add_domain_alias(world.desk, "other.example", "local.example"))
    drive(add_mirror(world.desk, ANN, into=RAY))
    for number, address in enumerate((TEAM, "ann+x@local.example", "ann@other.example"), 1):
        world.receive(address)
        assert len(world.mailbox(world.ray)) == number


# Reports.


def srs(world: World) -> str:
    """The sender under which mail of Zoe was forwarded."""
    world.receive("away@local.example")
    return sender_of(world.queue()[-1])


def test_a_report_goes_back_to_who_sent_it(world: World) -> None:
    alias(world, "away@local.example", OUT)
    address = srs(world)
    for spelled in (address, address.lower(), address.upper()):
        number = id_of(report(world, spelled))
        entry = world.queue()[-1]
        assert (entry.destination, [one.address.lower() for one in entry.recipients]) == ("sender.example", [ZOE])
        assert sender_of(entry) == "" and entry.reverse_path == "" and counts(world) == [0, 0, 0]
        assert world.ledger(number)[spelled].reply.lower() == f"forwarded to {ZOE}"
    assert world.balanced()


def test_a_report_comes_back_when_the_sender_was_too_long_to_be_rewritten(world: World) -> None:
    alias(world, "away@local.example", OUT)
    long = f"{'j' * 60}@sender.example"
    world.receive("away@local.example", sender=long)
    address = sender_of(world.queue()[-1])
    assert address.startswith("SRSX=") and len(address.partition("@")[0]) <= 64
    report(world, address.lower())
    assert [one.address for one in world.queue()[-1].recipients] == [long]
    other = f"{address[:-20]}x@local.example"
    assert answer(world, other).code == 550


def test_a_report_to_somebody_who_lives_here_by_now_is_in_his_mailbox(world: World) -> None:
    alias(world, "away@local.example", OUT)
    address = srs(world)
    world.domain("sender.example")
    zoe = world.user(ZOE)
    report(world, address)
    assert len(world.mailbox(zoe)) == 1 and len(world.queue()) == 1


def test_what_is_forged_or_old_or_no_report_is_refused_at_once(world: World) -> None:
    alias(world, "away@local.example", OUT)
    alias(world, "@local.example", BOB)
    address = srs(world)
    forged = address.replace("zoe", "eve")
    assert answer(world, forged) == NOT_FORWARDED
    assert answer(world, "SRS0=aaaaaaaa=aa=sender.example=zoe@local.example").code == 550
    assert answer(world, address, "spam@sender.example") == REPORTS_ONLY
    assert answer(world, address).code == 250
    world.clock.jump(22 * DAY_SECONDS)
    assert answer(world, address).code == 550


def test_the_addresses_that_a_primary_rewrites_are_its_own(world: World) -> None:
    own = "SRS0=abcd=xy=sender.example=zoe"
    assert answer(world, f"{own}@relay.example").code == 550
    world.receive(f"{own}@any.example", sender="")
    assert queue(world) == {"any.example": [f"{own}@any.example"]}


def test_mail_that_comes_back_to_who_forwards_it_is_refused_as_a_loop(world: World) -> None:
    alias(world, "away@local.example", OUT)
    drive(add_domain_alias(world.desk, "other.example", "local.example"))
    world.receive("away@local.example", ANN)
    (entry,) = world.queue()
    assert entry.signature == b"Delivered-To: away@local.example\r\n"
    sent = entry.signature + bodies.read(world.engine, entry.body, entry.body.return_path_length)
    assert b"Delivered-To" not in world.octets(world.mailbox(world.ann)[0])
    assert world.receive("Away@other.example", BOB, message=sent).code == 554
    assert world.receive(TEAM, BOB, message=sent).code == 250


# Who is told.


def test_a_notice_reaches_who_forwards_all_his_mail(world: World) -> None:
    alias(world, BOB, OUT)
    body = MESSAGE.replace(ZOE.encode(), BOB.encode())
    world.submit(world.bob, "joe@far.example", message=body)
    (entry,) = [one for one in world.queue() if one.destination == "far.example"]
    settled = [QueueRecipient(address="joe@far.example", fate=Fate.BOUNCED.value, reply="550 no")]
    parts = drive(world.notices.parts(entry, settled, world.clock.now()))
    world.engine.transact_all(parts).result()
    (notice,) = [one for one in world.queue() if one.destination == "elsewhere.example"]
    assert [one.address for one in notice.recipients] == [OUT] and sender_of(notice) == ""
    assert world.untold == [] and world.balanced()


def test_reports_of_success_are_of_mailboxes_and_the_rest_asks_the_next_host(world: World) -> None:
    transaction = world.intake.begin(PEER)
    transaction.mail_from(reverse(ZOE))
    answer = transaction.rcpt_to(forward(TEAM, notify=("SUCCESS",), orcpt=f"rfc822;{TEAM}"))
    assert isinstance(answer, Reply) and answer.code == 250
    transaction.chunk(MESSAGE)
    assert drive(transaction.commit()).code == 250
    forwarded, notice = sorted(world.queue(), key=lambda one: one.destination)
    assert (forwarded.recipients[0].notify, forwarded.recipients[0].orcpt) == ("SUCCESS", f"rfc822;{TEAM}")
    assert notice.destination == "sender.example" and notice.reverse_path == ""


def test_another_name_of_a_domain_reads_its_mail_in_the_same_mailbox(world: World) -> None:
    drive(add_domain_alias(world.desk, "bücher.example", "local.example"))
    world.receive("Ann@bücher.example", "ann@xn--bcher-kva.example", ANN)
    assert counts(world) == [1, 0, 0]
    assert Address.parse("Ann@bücher.example").key == "ann@xn--bcher-kva.example"


def test_a_message_is_sent_on_to_a_thousand_at_most(world: World) -> None:
    for group in "abc":
        for part in range(6):
            targets = [f"{group}{part}-{number}@elsewhere.example" for number in range(100)]
            alias(world, f"{group}{part}@local.example", *targets)
        alias(world, f"{group}@local.example", *(f"{group}{part}@local.example" for part in range(6)))
    transaction = world.intake.begin(PEER)
    transaction.mail_from(reverse(ZOE))
    assert rcpt(transaction, "a@local.example").code == 250
    assert rcpt(transaction, "a+x@local.example").code == 250, "it stands for the same"
    reply = rcpt(transaction, "b@local.example")
    assert (reply.code, reply.enhanced) == (452, "4.5.3")
    assert rcpt(transaction, "c@local.example").code == 452 and rcpt(transaction, ANN).code == 452
    assert rcpt(transaction, "a@local.example").code == 250, "it was taken before"
    other = world.intake.begin(PEER)
    other.mail_from(reverse(ZOE))
    assert [rcpt(other, f"a+{number}@local.example").code for number in range(10)] == [250] * 8 + [452] * 2
    transaction.chunk(MESSAGE)
    assert drive(transaction.commit()).code == 250
    assert sum(len(entry.recipients) for entry in world.queue()) == 600
