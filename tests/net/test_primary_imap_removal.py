"""What is removed from mailboxes at a primary: canaries, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred

from tests.journeys.authority import Authority
from tests.journeys.scripted_imap import ImapScript
from tests.net.test_primary_imap import ANN, DOMAIN, World, world
from xtramail.net.adapter import deferred

CANARY = "<drill.1.2.in@mail.test>"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def fill(primary: World) -> None:
    for number, (message_id, folder) in enumerate(
        [(CANARY, "INBOX"), ("<other@x>", "INBOX"), (CANARY, "Sent"), (CANARY[:-1] + ".evil>", "INBOX")]
    ):
        octets = f"Message-ID: {message_id}\r\nSubject: {number}\r\n\r\nx\r\n".encode()
        primary.mailboxes.deliver(ANN, octets, folder)
    # Ann's own program marked one, and has not expunged it yet.
    primary.mailboxes.mark(ANN, "INBOX", 2, ("\\Deleted",))


def left(primary: World) -> list[str]:
    kept = [one for folder in ("INBOX", "Sent") for one in primary.mailboxes.messages(ANN, folder)]
    return [one.field("Message-ID") for one in kept]


async def remove(primary: World, *message_ids: str) -> int | None:
    return await deferred(primary.visits.remove(DOMAIN, ANN, message_ids))


@ensureDeferred
async def test_every_copy_goes_from_every_mailbox_and_no_other_message(authority: Authority) -> None:
    async with world(authority) as primary:
        fill(primary)
        assert await remove(primary, CANARY) == 2
        assert left(primary) == ["<other@x>", CANARY[:-1] + ".evil>"]
        assert await remove(primary, CANARY) == 0


@ensureDeferred
async def test_a_server_that_cannot_expunge_single_messages_keeps_them_marked(authority: Authority) -> None:
    async with world(authority, ImapScript(uidplus=False)) as primary:
        fill(primary)
        assert await remove(primary, CANARY) == 2
        assert len(left(primary)) == 4
        assert primary.mailboxes.messages(ANN, "Sent")[0].flags == ("\\Deleted",)


@ensureDeferred
async def test_nobody_knows_where_no_answer_comes(authority: Authority) -> None:
    async with world(authority) as primary:
        primary.imap.refuse()
        assert await remove(primary, CANARY) is None
