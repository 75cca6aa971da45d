"""Connections to a primary's IMAP that are kept for the next visit: for whom, how many, how long, and when not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.task import deferLater

from tests.journeys.authority import Authority
from tests.journeys.scripted_imap import ImapScript
from tests.net.test_primary_imap import DOMAIN, MESSAGE, QUICK, World, world
from xtramail.model.pending import Pending
from xtramail.model.secret import Secret
from xtramail.net.adapter import deferred


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def send(primary: World, number: int, address: str = "ann@example.test") -> bool | None:
    """One message into Sent of ``address``."""
    message_id = f"<{number}@kept.test>"
    octets = MESSAGE.replace(b"<1@example.test>", message_id.encode())
    copy = replace(primary.copy(octets, ("Message-ID", message_id)), address=address)
    return (await primary.file(copy)).there


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if condition():
            return
        await deferLater(reactor, 0.02, lambda: None)
    assert condition()


@ensureDeferred
async def test_many_messages_of_one_user_cost_one_login_and_one_look_for_the_mailbox(authority: Authority) -> None:
    async with world(authority) as primary:
        for number in range(20):
            assert await send(primary, number)
        assert await primary.has("<7@kept.test>") is True
        assert len(primary.imap.logins) == primary.imap.connections == 1
        # One for the mailbox for sent mail, one for all mailboxes.
        assert primary.imap.commands.count("LIST") == 2
        assert len(primary.sent()) == 20 and (primary.visits.visits, primary.visits.kept) == (0, 1)


@ensureDeferred
async def test_each_login_has_a_connection_of_its_own_and_two_of_a_domain_are_kept(authority: Authority) -> None:
    async with world(authority, login="{address}*admin") as primary:
        users = [f"{name}@example.test" for name in ("ann", "bob", "cid")]
        for number, user in enumerate(users):
            assert await send(primary, number, user)
        assert [name for _, name, _ in primary.imap.logins] == [f"{user}*admin" for user in users]
        assert primary.visits.kept == 2 and primary.imap.commands.count("LOGOUT") == 1
        for number, user in enumerate(reversed(users[1:]), 10):
            assert await send(primary, number, user)
        assert primary.imap.connections == 3, "those of the last two were there"
        assert await send(primary, 20, users[0])
        assert primary.imap.connections == 4
        assert [len(primary.mailboxes.messages(user, "Sent")) for user in users] == [2, 2, 2]


@ensureDeferred
async def test_connections_at_work_and_kept_ones_are_two_together(authority: Authority) -> None:
    async with world(authority, settings=replace(QUICK, answer=5.0)) as primary:
        await send(primary, 1, "ann@example.test")
        await send(primary, 2, "bob@example.test")
        primary.imap.play(ImapScript(hang_at="list"))
        filing = [
            primary.visits.has(DOMAIN, f"{name}@example.test", "<1@kept.test>") for name in ("cid", "dan")
        ]
        await until(lambda: primary.imap.connections == 4)
        assert (primary.visits.visits, primary.visits.kept) == (2, 0)
        assert primary.imap.commands.count("LOGOUT") == 2
        primary.visits.close()
        assert [one.result() for one in filing] == [None, None]


@ensureDeferred
async def test_other_credentials_get_no_connection_of_the_old_ones(authority: Authority) -> None:
    async with world(authority) as primary:
        assert await send(primary, 1)
        primary.access = replace(primary.access, secret=Secret("another"))
        assert await send(primary, 2)
        assert len(primary.imap.logins) == 2


@ensureDeferred
async def test_one_that_the_server_ended_meanwhile_is_opened_again(authority: Authority) -> None:
    async with world(authority) as primary:
        assert await send(primary, 1)
        primary.imap.refuse()
        primary.imap.accept()
        assert await send(primary, 2)
        assert primary.imap.connections == 2 and len(primary.sent()) == 2


@pytest.mark.parametrize(
    "script",
    [ImapScript(replies={"append": "NO [OVERQUOTA] full"}), ImapScript(hang_at="append")],
    ids=["no", "silent"],
)
@ensureDeferred
async def test_one_on_which_something_went_wrong_is_not_kept(authority: Authority, script: ImapScript) -> None:
    async with world(authority) as primary:
        assert await send(primary, 1)
        primary.imap.play(script)
        assert not await send(primary, 2)
        assert primary.visits.kept == 0
        primary.imap.play(ImapScript())
        await deferLater(reactor, 0.5, lambda: None)
        assert await send(primary, 3)
        assert primary.imap.connections == 2


@ensureDeferred
async def test_an_attempt_that_cannot_be_written_down_leaves_no_connection(authority: Authority) -> None:
    async with world(authority) as primary:
        filed = await deferred(
            primary.visits.file(DOMAIN, primary.copy(), lambda: Pending.failed(RuntimeError("no room")))
        )
        assert filed.there is False and primary.visits.kept == 0


@ensureDeferred
async def test_the_mailbox_for_sent_mail_is_looked_for_again_when_it_was_renamed(authority: Authority) -> None:
    async with world(authority) as primary:
        assert await send(primary, 1)
        primary.mailboxes.give_everybody({"INBOX": "", "Gesendet": "\\Sent"})
        assert await send(primary, 2) is False, "the server said no, and nothing was appended"
        assert await send(primary, 2)
        assert len(primary.sent("Gesendet")) == 1


@ensureDeferred
async def test_one_is_closed_when_nobody_came_for_it(authority: Authority) -> None:
    async with world(authority, settings=replace(QUICK, idle=0.1)) as primary:
        assert await send(primary, 1)
        await until(lambda: "LOGOUT" in primary.imap.commands)
        assert primary.visits.kept == 0


@ensureDeferred
async def test_the_oldest_goes_when_too_many_domains_keep_one(authority: Authority) -> None:
    async with world(authority, settings=replace(QUICK, kept=1)) as primary:
        await send(primary, 1, "ann@example.test")
        await send(primary, 2, "bob@example.test")
        assert primary.visits.kept == 1
        await until(lambda: "LOGOUT" in primary.imap.commands)


@ensureDeferred
async def test_none_is_left_when_the_server_stops(authority: Authority) -> None:
    async with world(authority) as primary:
        assert await send(primary, 1)
        primary.visits.close()
        assert primary.visits.kept == 0
        assert await primary.has("<1@kept.test>") is None
