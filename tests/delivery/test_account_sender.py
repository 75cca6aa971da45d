"""As whom a user may send: in the envelope, in From, Sender and Resent-, and what he is told where he may not."""

from __future__ import annotations

import pytest

from tests.delivery.test_submission import DRAFT
from tests.delivery.world import PEER, World, rcpt, reverse
from xtramail.directory.aliases import add_alias
from xtramail.directory.senders import add_sender
from xtramail.model.outcome import Reply
from xtramail.model.pending import drive

ANN, BOB, INFO = "ann@local.example", "bob@local.example", "info@local.example"


@pytest.fixture
def world() -> World:
    found = World()
    drive(add_sender(found.desk, INFO, [ANN]))
    return found


def said(world: World, sender: str, *lines: bytes) -> Reply:
    """The first refusal, or the reply to the dot, of what Ann sends with these lines in the place of From."""
    transaction = world.submission.begin(PEER, world.ann)
    reply = transaction.mail_from(reverse(sender))
    if reply.code != 250:
        return reply
    assert rcpt(transaction, BOB).code == 250
    head = b"".join(line + b"\r\n" for line in lines)
    transaction.chunk(DRAFT.replace(b"From: Ann <ann@local.example>\r\n", head))
    return drive(transaction.commit())


@pytest.mark.parametrize(
    ("sender", "lines"),
    [
        (ANN, [b"From: ann@local.example"]),
        (INFO, [b"From: info@local.example"]),
        (ANN, [b"From: The office <INFO@Local.Example>", b"Sender: ann@local.example"]),
        (INFO, [b"From: info@local.example, ann@local.example", b"Sender: info@local.example"]),
        ("ann+x@local.example", [b"From: ann+y@local.example"]),
        ("", [b"From: info@local.example"]),
        (ANN, [b"Resent-From: info@local.example", b"Resent-Sender: ann@local.example", b"From: ann@local.example"]),
    ],
)
def test_as_himself_and_as_what_he_was_named_for(world: World, sender: str, lines: list[bytes]) -> None:
    assert said(world, sender, *lines).code == 250
    assert len(world.mailbox(world.bob)) == 1


@pytest.mark.parametrize(
    ("lines", "which"),
    [
        ([b"From: bob@local.example"], "From: bob@local.example"),
        ([b"From: ann@local.example, bob@local.example", b"Sender: ann@local.example"], "From: bob@local.example"),
        ([b"From: ann@local.example", b"Sender: Bob <bob@local.example>"], "Sender: bob@local.example"),
        ([b"From: ann@local.example", b"sender:\r\n bob@local.example"], "Sender: bob@local.example"),
        (
            [b"From: ann@local.example", b"Sender: ann@local.example", b"Sender: bob@local.example"],
            "Sender: bob@local.example",
        ),
        ([b"Resent-From: Bob <bob@local.example>", b"From: ann@local.example"], "Resent-From: bob@local.example"),
        (
            [b"RESENT-FROM: ann@local.example", b"Resent-Sender: bob@local.example", b"From: ann@local.example"],
            "Resent-Sender: bob@local.example",
        ),
        (
            # A block of an earlier time, which any client may show.
            [b"Resent-From: ann@local.example", b"From: ann@local.example", b"Resent-From: boss@elsewhere.example"],
            "Resent-From: boss@elsewhere.example",
        ),
        ([b"From: boss@elsewhere.example"], "From: boss@elsewhere.example"),
    ],
)
def test_a_refusal_says_which_address_and_what_to_do(world: World, lines: list[bytes], which: str) -> None:
    refused = said(world, ANN, *lines)
    address = which.partition(": ")[2]
    assert refused.text == (
        f"550 5.7.1 You may not send as {which}; ask your administrator: xtramail sender add {address} {ANN}"
    )
    assert world.mailbox(world.bob) == [] and world.mailbox(world.ann, "Sent") == []


def test_the_envelope_is_held_to_it_too(world: World) -> None:
    assert said(world, BOB).text == (
        f"553 5.7.1 You may not send as <{BOB}>; ask your administrator: xtramail sender add {BOB} {ANN}"
    )


@pytest.mark.parametrize("name", ["Sender", "Resent-From", "Resent-Sender"])
@pytest.mark.parametrize("value", [b"", b" undisclosed", b" ann@local.example (", b" a b@c"])
def test_a_field_that_others_may_read_otherwise_is_refused(world: World, name: str, value: bytes) -> None:
    refused = said(world, ANN, b"From: ann@local.example", name.encode() + b":" + value)
    assert refused.code == 550 and name in refused.text


def test_a_long_or_foreign_address_is_told_in_one_line_of_ascii(world: World) -> None:
    for author in (b"x" * 200 + b"@" + b"a." * 100 + b"example", "zoë@bücher.example".encode()):
        text = said(world, ANN, b"From: " + author).text
        assert text.isascii() and len(text) < 500 and "\r" not in text


def test_an_alias_is_his_own_until_others_are_named_for_it(world: World) -> None:
    drive(add_alias(world.desk, "sales@local.example", [ANN, BOB]))
    assert said(world, "sales@local.example", b"From: sales@local.example").code == 250
    drive(add_sender(world.desk, "sales@local.example", [BOB]))
    assert said(world, "sales@local.example").code == 553


def test_a_change_holds_for_a_connection_that_is_open(world: World) -> None:
    transaction = world.submission.begin(PEER, world.bob)
    assert transaction.mail_from(reverse(INFO)).code == 553
    drive(add_sender(world.desk, INFO, [BOB]))
    assert world.submission.begin(PEER, world.bob).mail_from(reverse(INFO)).code == 250
