"""The primary sends through us: in its own name, filed in Sent, and for nobody else."""

from __future__ import annotations

from dataclasses import replace as changed

import pytest

from tests.delivery.outward_world import INSIDE, LETTER, NETWORK, OUTSIDE, OutwardWorld
from tests.delivery.test_policy import RELAY_FORMS
from tests.delivery.world import MESSAGE, id_of, rcpt, reverse
from xtramail.directory.aliases import add_alias
from xtramail.directory.domain_aliases import add_domain_alias
from xtramail.directory.relay_accounts import remove
from xtramail.directory.tenants import add_tenant
from xtramail.model.address import Address
from xtramail.model.certificate import ClientCertificate
from xtramail.model.envelope import ForwardPath
from xtramail.model.outcome import Fate, Reply
from xtramail.model.pending import drive

SENDERS = ["zoe@sender.example", "", "ann@local.example"]


@pytest.fixture
def world() -> OutwardWorld:
    return OutwardWorld()


def asked(world: OutwardWorld, recipient: str, *, sender: str, inside: bool = True) -> Reply:
    """The reply to RCPT on port 25."""
    transaction = world.outward.begin(INSIDE if inside else OUTSIDE)
    assert transaction.mail_from(reverse(sender)).code == 250
    return rcpt(transaction, recipient)


# Who may send, and to whom.


@pytest.mark.parametrize("sender", [*SENDERS, "ray@relay.example"])
@pytest.mark.parametrize(("local", "domain"), RELAY_FORMS)
def test_from_outside_of_the_range_we_relay_for_nobody(
    world: OutwardWorld, local: str, domain: str, sender: str
) -> None:
    transaction = world.outward.begin(OUTSIDE)
    transaction.mail_from(reverse(sender))
    reply = transaction.rcpt_to(ForwardPath(address=Address(local=local, domain=domain)))
    assert isinstance(reply, Reply)
    assert (reply.code, reply.enhanced) == (550, "5.7.1")


@pytest.mark.parametrize("sender", ["zoe@sender.example", "ann@local.example", "ray@sub.relay.example"])
@pytest.mark.parametrize(("local", "domain"), RELAY_FORMS)
def test_from_inside_we_relay_for_no_sender_of_another_domain(
    world: OutwardWorld, local: str, domain: str, sender: str
) -> None:
    transaction = world.outward.begin(INSIDE)
    transaction.mail_from(reverse(sender))
    reply = transaction.rcpt_to(ForwardPath(address=Address(local=local, domain=domain)))
    assert isinstance(reply, Reply)
    assert (reply.code, reply.enhanced) == (550, "5.7.1")


@pytest.mark.parametrize("sender", ["ray@relay.example", ""])
@pytest.mark.parametrize(
    ("local", "domain"), [form for form in RELAY_FORMS if form[0] != "victim" or form[1].startswith("[")]
)
def test_tricks_are_refused_from_inside_too(world: OutwardWorld, local: str, domain: str, sender: str) -> None:
    transaction = world.outward.begin(INSIDE)
    transaction.mail_from(reverse(sender))
    reply = transaction.rcpt_to(ForwardPath(address=Address(local=local, domain=domain)))
    assert isinstance(reply, Reply)
    assert (reply.code, reply.enhanced) == (550, "5.7.1")


@pytest.mark.parametrize("sender", SENDERS)
@pytest.mark.parametrize("peer", [INSIDE, OUTSIDE])
def test_without_a_relay_client_nothing_has_changed(world: OutwardWorld, peer: object, sender: str) -> None:
    world.set("relay.example", "relay-from=")
    assert asked(world, "victim@outside.example", sender=sender, inside=peer is INSIDE).code == 550


def test_the_primary_sends_to_the_world_and_its_author_has_a_copy(world: OutwardWorld) -> None:
    reply = world.hand_over("victim@outside.example")
    (entry,) = world.queue()
    assert (entry.destination, entry.kind, entry.origin) == ("outside.example", "outside", "outward")
    assert entry.reverse_path == "ray@relay.example"
    (sent,) = world.mailbox(world.ray, "Sent")
    assert world.octets(sent).endswith(b"\r\n" + LETTER)
    assert world.mailbox(world.ray) == []
    assert world.ledger(id_of(reply))["victim@outside.example"].fate == Fate.HELD
    assert world.balanced()
    assert world.events(id_of(reply))[0].fields["relay-client"] == "relay.example"


def test_it_is_filed_once_for_each_who_is_named_as_sender(world: OutwardWorld) -> None:
    rita = world.user("rita@relay.example")
    message = LETTER.replace(b"Ray <ray@relay.example>", b"rita@relay.example, ray@relay.example")
    world.hand_over("victim@outside.example", "other@far.example", message=message)
    assert len(world.mailbox(world.ray, "Sent")) == len(world.mailbox(rita, "Sent")) == 1
    assert len(world.queue()) == 2
    world.hand_over("victim@outside.example", message=message)
    assert len(world.mailbox(rita, "Sent")) == 1, "the primary tried again"


def test_who_has_no_mailbox_here_sends_all_the_same(world: OutwardWorld) -> None:
    world.hand_over("victim@outside.example", message=LETTER.replace(b"ray@", b"printer@"), sender="ray@relay.example")
    assert len(world.mailbox(world.ray, "Sent")) == 1, "the reverse-path names Ray"
    unlisted = LETTER.replace(b"ray@", b"printer@")
    world.hand_over("victim@outside.example", message=unlisted, sender="printer@relay.example")
    assert len(world.queue()) == 2


@pytest.mark.parametrize(
    "author", [b"zoe@sender.example", b"ann@local.example", b"ray@relay.example, zoe@sender.example", b""]
)
def test_every_author_lies_in_the_domain(world: OutwardWorld, author: bytes) -> None:
    message = LETTER.replace(b"Ray <ray@relay.example>", author)
    assert world.hand_over("victim@outside.example", message=message).code == 550
    assert world.queue() == [] and world.mailbox(world.ray, "Sent") == []


def test_a_report_of_the_null_sender_goes_out_when_its_author_lies_in_the_domain(world: OutwardWorld) -> None:
    assert world.hand_over("victim@outside.example", sender="").code == 250
    forged = LETTER.replace(b"ray@relay.example", b"zoe@sender.example")
    assert world.hand_over("victim@outside.example", sender="", message=forged).code == 550
    assert len(world.queue()) == 1


def test_mail_to_another_domain_served_here_is_copied_there_and_filed(world: OutwardWorld) -> None:
    world.hand_over("ann@local.example")
    assert len(world.mailbox(world.ann)) == len(world.mailbox(world.ray, "Sent")) == 1
    assert world.queue() == []


def test_mail_to_its_own_domain_alone_is_mail_from_the_world(world: OutwardWorld) -> None:
    rita = world.user("rita@relay.example")
    message = LETTER.replace(b"ray@relay.example", b"zoe@sender.example")
    world.hand_over("rita@relay.example", message=message)
    assert len(world.mailbox(rita)) == 1 and world.mailbox(world.ray, "Sent") == []
    assert [entry.origin for entry in world.queue()] == ["smtp"]


def test_a_filter_at_the_same_address_brings_mail_from_the_world(world: OutwardWorld) -> None:
    world.hand_over("ray@relay.example", sender="zoe@sender.example", message=MESSAGE)
    world.hand_over("ray@relay.example", sender="", message=MESSAGE)
    assert len(world.mailbox(world.ray)) == 2 and world.mailbox(world.ray, "Sent") == []


def test_a_host_that_somebody_claims_still_reports_to_users_of_other_tenants(world: OutwardWorld) -> None:
    drive(add_tenant(world.desk, "acme"))
    world.set("relay.example", "tenant=acme")
    report = MESSAGE.replace(b"zoe@sender.example", b"mailer-daemon@sender.example")
    assert world.hand_over("ann@local.example", sender="", message=report).code == 250
    assert len(world.mailbox(world.ann)) == 1
    assert world.hand_over("victim@outside.example", sender="", message=report).code == 550
    world.set("local.example", "tenant=acme")
    assert world.hand_over("ann@local.example", sender="", message=report).code == 550


def test_what_comes_round_again_and_again_is_a_loop(world: OutwardWorld) -> None:
    message = LETTER
    codes = []
    for _ in range(5):
        reply = world.hand_over("victim@outside.example", message=message)
        codes.append(reply.code)
        if reply.code == 250:
            (*_, entry) = world.queue()
            message = world.octets_of(entry)
    assert codes == [250, 250, 250, 554, 554]


def test_one_address_may_send_for_several_domains(world: OutwardWorld) -> None:
    world.set("any.example", f"relay-from={NETWORK},2001:db8::/48")
    both = LETTER.replace(b"Ray <ray@relay.example>", b"boss@any.example")
    assert world.hand_over("victim@outside.example", message=both).code == 250
    assert world.hand_over("victim@outside.example", sender="boss@any.example").code == 250
    six = world.outward.begin(changed(INSIDE, address="2001:db8:0:1::9"))
    assert world.hand_over("victim@outside.example", sender="boss@any.example", transaction=six).code == 550
    six = world.outward.begin(changed(INSIDE, address="2001:db8:0:1::9"))
    assert world.hand_over("x@outside.example", sender="boss@any.example", message=both, transaction=six).code == 250


def test_a_domain_that_is_gone_lets_nobody_send(world: OutwardWorld) -> None:
    world.set("any.example", f"relay-from={NETWORK}")
    assert asked(world, "victim@outside.example", sender="boss@any.example").code == 250
    world.remove_domain("any.example")
    transaction = world.outward.begin(INSIDE)
    assert transaction.mail_from(reverse("boss@any.example")).code >= 500 or (
        rcpt(transaction, "victim@outside.example").code == 550
    )


# Submission: by account, by certificate, by address.


def test_a_relay_account_sends_from_anywhere_for_its_domain_alone(world: OutwardWorld) -> None:
    account = world.account("relay.example")
    sending = world.outward.begin_submission(OUTSIDE, account)
    reply = world.hand_over("victim@outside.example", transaction=sending)
    assert reply.code == 250
    (sent,) = world.mailbox(world.ray, "Sent")
    assert b"with ESMTPA\r\n" in world.octets(sent)
    refused = world.outward.begin_submission(OUTSIDE, account).mail_from(reverse("ann@local.example"))
    assert (refused.code, refused.enhanced) == (553, "5.7.1")


def test_mail_between_colleagues_by_the_account_is_copied_and_handed_back(world: OutwardWorld) -> None:
    rita = world.user("rita@relay.example")
    sending = world.outward.begin_submission(OUTSIDE, world.account("relay.example"))
    world.hand_over("rita@relay.example", transaction=sending)
    assert len(world.mailbox(rita)) == len(world.mailbox(world.ray, "Sent")) == 1
    assert [entry.destination for entry in world.queue()] == ["relay.example"]


def test_a_removed_account_ends_at_once(world: OutwardWorld) -> None:
    account = world.account("relay.example")
    ended: list[bool] = []
    world.outward.watch(account, lambda: ended.append(True))
    drive(remove(world.desk, "relay.example"))
    assert ended == [True]
    assert world.outward.begin_submission(OUTSIDE, account).mail_from(reverse("ray@relay.example")).code == 421


def test_submission_without_a_login_is_for_who_may_send_by_address(world: OutwardWorld) -> None:
    assert world.outward.needs_no_login(INSIDE) and not world.outward.needs_no_login(OUTSIDE)
    by_address = world.outward.begin_submission(INSIDE, None)
    assert world.hand_over("victim@outside.example", transaction=by_address).code == 250
    foreign = world.outward.begin_submission(INSIDE, None).mail_from(reverse("ann@local.example"))
    assert (foreign.code, foreign.enhanced) == (530, "5.7.0")
    for sender in ("ray@relay.example", ""):
        assert world.outward.begin_submission(OUTSIDE, None).mail_from(reverse(sender)).code == 530


def test_a_users_login_is_a_users_wherever_he_is(world: OutwardWorld) -> None:
    sending = world.outward.begin_submission(INSIDE, world.ann)
    assert sending.mail_from(reverse("ray@relay.example")).code == 553


def test_a_certificate_by_its_fingerprint(world: OutwardWorld) -> None:
    certificate = ClientCertificate(chain=(b"its octets",))
    peer = changed(OUTSIDE, certificate=certificate)
    assert (world.clients.wants_certificates, world.outward.needs_no_login(peer)) == (False, False)
    world.set("relay.example", f"relay-certificate=SHA256:{certificate.fingerprint.upper()}")
    assert world.clients.wants_certificates and world.outward.needs_no_login(peer)
    assert world.hand_over("victim@outside.example", transaction=world.outward.begin(peer)).code == 250
    other = changed(OUTSIDE, certificate=ClientCertificate(chain=(b"another's",)))
    assert not world.outward.needs_no_login(other)


# How much.


def test_recipients_an_hour_are_counted_by_domain(world: OutwardWorld) -> None:
    world.set("relay.example", "relay-rate=3")
    world.set("any.example", f"relay-from={NETWORK}")
    assert world.hand_over("a@outside.example", "b@outside.example", "c@outside.example").code == 250
    late = world.hand_over("d@outside.example")
    assert (late.code, late.enhanced) == (450, "4.7.1")
    other = LETTER.replace(b"ray@relay.example", b"boss@any.example")
    assert world.hand_over("d@outside.example", sender="boss@any.example", message=other).code == 250
    world.clock.advance(1300.0)
    assert world.hand_over("d@outside.example").code == 250
    assert world.hand_over("d@outside.example").code == 450


def test_the_null_sender_has_a_tenth(world: OutwardWorld) -> None:
    world.set("relay.example", "relay-rate=10")
    assert world.hand_over("a@outside.example", sender="").code == 250
    late = world.hand_over("b@outside.example", sender="")
    assert (late.code, "relay.example has sent too many reports in this hour" in late.text) == (450, True)
    assert world.hand_over("b@outside.example").code == 250


def test_recipients_served_here_are_not_counted(world: OutwardWorld) -> None:
    world.set("relay.example", "relay-rate=1")
    for _ in range(3):
        assert world.hand_over("ann@local.example").code == 250


def test_a_failure_is_told_to_the_sender(world: OutwardWorld) -> None:
    world.hand_over("victim@outside.example")
    (entry,) = world.queue()
    recipient = entry.recipients[0]
    failed = type(recipient)(address=recipient.address, fate=Fate.BOUNCED.value, code=550, reply="550 5.1.1 no")
    parts = drive(world.notices.parts(entry, [failed], world.clock.now()))
    world.engine.transact_all(parts).result()
    (notice,) = world.mailbox(world.ray)
    assert b"could not be delivered" in world.octets(notice)


def test_another_name_of_its_domain_is_its_domain(world: OutwardWorld) -> None:
    drive(add_domain_alias(world.desk, "other.example", "relay.example"))
    letter = LETTER.replace(b"ray@relay.example", b"ray@other.example")
    world.hand_over("victim@outside.example", sender="Ray@other.example", message=letter)
    assert len(world.mailbox(world.ray, "Sent")) == 1
    assert asked(world, "victim@outside.example", sender="ray@other.example", inside=False).code == 550
    world.hand_over("ray@relay.example", sender="ray@other.example", message=letter)
    assert len(world.mailbox(world.ray)) == 1, "mail to its own domain is mail from the world"


def test_what_an_alias_sends_on_makes_no_mail_to_the_world_of_it(world: OutwardWorld) -> None:
    drive(add_alias(world.desk, "team@local.example", ["victim@outside.example", "ann@local.example"]))
    world.set("local.example", "relay-from=198.51.100.0/24")
    letter = LETTER.replace(b"ray@relay.example", b"bob@local.example")
    reply = world.hand_over("team@local.example", sender="bob@local.example", message=letter)
    assert world.events(id_of(reply))[0].fields["origin"] == "smtp" and world.mailbox(world.bob, "Sent") == []
    assert [one.destination for one in world.queue()] == ["outside.example"] and len(world.mailbox(world.ann)) == 1
