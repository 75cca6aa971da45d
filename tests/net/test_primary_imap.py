"""Mailboxes at a primary over IMAP: what is appended and found, and every way in which that can go wrong."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.task import deferLater

from tests.journeys.authority import Authority
from tests.journeys.primary_mailboxes import Mailboxes
from tests.journeys.scripted_imap import ImapScript, ScriptedImap
from xtramail.delivery.courier import Body
from xtramail.delivery.sent_back import Filed, SentCopy
from xtramail.directory.imap_access import ImapAccess, Mechanism
from xtramail.model.errors import StoreFull
from xtramail.model.pending import Pending
from xtramail.model.secret import Secret
from xtramail.net.adapter import deferred
from xtramail.net.primary_imap import STOPPING, ImapSettings, PrimaryImap
from xtramail.store.records import DomainRow

ANN = "ann@example.test"
MESSAGE = b"Message-ID: <1@example.test>\r\nSubject: hi\r\n\r\nHi.\r\n"
SENT_AT = 1_800_000_000.0
DOMAIN = DomainRow(name="example.test", retention_class=1, retention_days=30)
QUICK = ImapSettings(wait=3.0, connect=3.0, answer=1.5, visit=15.0, rest=0.4, rest_login=0.4)
"""Short for a host that hangs, long for a machine that is busy."""


@dataclass
class World:
    """A primary's IMAP and who visits it."""

    imap: ScriptedImap
    access: ImapAccess
    settings: ImapSettings = QUICK
    refused: list[tuple[str, str]] = field(default_factory=list)
    attempts: int = 0

    def __post_init__(self) -> None:
        self.visits = PrimaryImap(
            reactor,
            settings=self.settings,
            refused=lambda *told: self.refused.append(told),
            access=lambda domain: self.access if domain is DOMAIN else None,
        )

    @property
    def mailboxes(self) -> Mailboxes:
        return self.imap.mailboxes

    def sent(self, folder: str = "Sent") -> list[bytes]:
        return [one.octets for one in self.mailboxes.messages(ANN, folder)]

    def copy(self, octets: bytes = MESSAGE, known_by: tuple[str, str] = ("Message-ID", "<1@example.test>")) -> SentCopy:
        body = Body(size=len(octets), chunks=lambda: iter([octets[:10], octets[10:]]))
        return SentCopy(address=ANN, known_by=known_by, sent_at=SENT_AT, body=body)

    def before(self) -> Pending[None]:
        self.attempts += 1
        return Pending.of(None)

    async def file(self, copy: SentCopy | None = None) -> Filed:
        return await deferred(self.visits.file(DOMAIN, copy or self.copy(), self.before))

    async def has(self, message_id: str) -> bool | None:
        return await deferred(self.visits.has(DOMAIN, ANN, message_id))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def world(
    authority: Authority,
    script: ImapScript | None = None,
    *,
    name: str = "localhost",
    starttls: bool = False,
    settings: ImapSettings = QUICK,
    mechanism: Mechanism = "password",
    login: str = "{address}",
) -> AsyncIterator[World]:
    with ScriptedImap(Mailboxes(), authority.serving(name), starttls=starttls, script=script) as imap:
        access = ImapAccess(
            host="localhost",
            port=imap.port,
            starttls=starttls,
            mechanism=mechanism,
            login=login,
            secret=Secret("secret"),
            ca=str(authority.file),
        )
        one = World(imap=imap, access=access, settings=settings)
        try:
            yield one
        finally:
            one.visits.close()


@ensureDeferred
async def test_it_is_appended_seen_and_dated_and_only_once(authority: Authority) -> None:
    async with world(authority) as primary:
        first, second = await primary.file(), await primary.file()
        assert first.there and first.text.startswith("filed in Sent at localhost:")
        assert second.there and "already" in second.text
        (kept,) = primary.mailboxes.messages(ANN, "Sent")
        assert (kept.octets, kept.flags, kept.date) == (MESSAGE, ("\\Seen",), "15-Jan-2027 08:00:00 +0000")
        assert primary.attempts == 1, "an attempt only where something is appended"
        assert primary.visits.visits == 0


FOLDERS: dict[str, tuple[dict[str, str], str]] = {
    "marked": ({"INBOX": "", "Sent": "", "Verzonden": "\\Sent"}, "Verzonden"),
    "Outlook": ({"INBOX": "", "Sent Items": ""}, "Sent Items"),
    "German": ({"INBOX": "", "Gesendete Objekte": "", "Entw&APw-rfe": ""}, "Gesendete Objekte"),
    "French": ({"INBOX": "", "INBOX/&AMk-l&AOk-ments envoy&AOk-s": ""}, "INBOX/&AMk-l&AOk-ments envoy&AOk-s"),
    "none": ({"INBOX": "", "Unsent": ""}, "Sent"),
}


@pytest.mark.parametrize("kind", FOLDERS)
@pytest.mark.parametrize("script", [ImapScript(), ImapScript(special_use=False, xlist=True)], ids=["LIST", "XLIST"])
@ensureDeferred
async def test_the_mailbox_for_sent_mail_is_found_or_made(authority: Authority, kind: str, script: ImapScript) -> None:
    folders, expected = FOLDERS[kind]
    async with world(authority, script) as primary:
        primary.mailboxes.give_everybody(folders)
        assert (await primary.file()).there
        assert primary.sent(expected) == [MESSAGE]


@pytest.mark.parametrize(
    "mechanism, login, mechanisms, expected",
    [
        ("password", "{address}", ("PLAIN",), ("PLAIN", ANN, ANN)),
        ("password", "{address}*admin", (), ("LOGIN", f"{ANN}*admin", ANN)),
        ("plain", "service@{domain}", ("PLAIN",), ("PLAIN", "service@example.test", ANN)),
        ("xoauth2", "{address}", ("XOAUTH2", "OAUTHBEARER"), ("XOAUTH2", ANN, ANN)),
        ("xoauth2", "{address}", ("OAUTHBEARER",), ("OAUTHBEARER", ANN, ANN)),
    ],
)
@ensureDeferred
async def test_who_logs_in_and_how(
    authority: Authority,
    mechanism: Mechanism,
    login: str,
    mechanisms: tuple[str, ...],
    expected: tuple[str, str, str],
) -> None:
    async with world(authority, ImapScript(mechanisms=mechanisms), mechanism=mechanism, login=login) as primary:
        assert (await primary.file()).there
        assert primary.imap.logins == [expected]


@ensureDeferred
async def test_starttls_comes_before_the_login(authority: Authority) -> None:
    async with world(authority, starttls=True) as primary:
        assert (await primary.file()).there
        commands = primary.imap.commands
        assert commands.index("STARTTLS") < commands.index("AUTHENTICATE")


@pytest.mark.parametrize("name, words", [("other.test", "certificate does not verify"), ("localhost", "")])
@ensureDeferred
async def test_a_certificate_for_another_name_gets_no_password(authority: Authority, name: str, words: str) -> None:
    async with world(authority, name=name) as primary:
        filed = await primary.file()
        assert filed.there is (not words) and words in filed.text
        assert bool(primary.imap.logins) is (not words)


@ensureDeferred
async def test_a_refused_login_is_told_once_and_left_alone_for_a_while(authority: Authority) -> None:
    longer = replace(QUICK, rest_login=1.5)
    async with world(authority, ImapScript(passwords={ANN: "another"}), settings=longer) as primary:
        first, second = await primary.file(), await primary.file()
        assert first.there is False and second == first
        assert first.text.endswith("login of ann@example.test refused: [AUTHENTICATIONFAILED] wrong name or password")
        assert primary.imap.connections == 1 and primary.attempts == 0
        await deferLater(reactor, 1.6, lambda: None)
        await primary.file()
        assert primary.imap.connections == 2
        assert [domain for domain, _ in primary.refused] == ["example.test"]
        primary.access = replace(primary.access, secret=Secret("another"))
        assert (await primary.file()).there


@ensureDeferred
async def test_a_busy_server_is_no_refused_login(authority: Authority) -> None:
    async with world(authority, ImapScript(replies={"login": "NO [UNAVAILABLE] too many connections"})) as primary:
        assert (await primary.file()).there is False
        assert primary.refused == []


@ensureDeferred
async def test_a_host_that_is_away_is_left_alone_for_a_while(authority: Authority) -> None:
    async with world(authority, settings=replace(QUICK, rest=1.5)) as primary:
        primary.imap.refuse()
        filed = await primary.file()
        assert filed.there is False and "connect: [Errno 111] Connection refused" in filed.text
        primary.imap.accept()
        assert (await primary.file()) == filed, "not asked again at once"
        await deferLater(reactor, 1.6, lambda: None)
        assert (await primary.file()).there


@pytest.mark.parametrize("point", ["greeting", "login", "list", "search", "append", "appended"])
@pytest.mark.parametrize("how", ["dropped", "silent"])
@ensureDeferred
async def test_a_connection_that_ends_anywhere_is_tried_again_and_nothing_is_doubled(
    authority: Authority, point: str, how: str
) -> None:
    bad = ImapScript(drop_at=point) if how == "dropped" else ImapScript(hang_at=point)  # type: ignore[arg-type]
    async with world(authority, bad) as primary:
        primary.mailboxes.deliver(ANN, b"Message-ID: <0@example.test>\r\n\r\n", "Sent")
        filed = await primary.file()
        # From APPEND on the message may be there.
        assert filed.there is (None if point.startswith("append") else False)
        assert ("no answer in time" if how == "silent" else "") in filed.text
        assert primary.attempts == point.startswith("append")
        primary.imap.play(ImapScript())
        await deferLater(reactor, 0.5, lambda: None)
        assert (await primary.file()).there
        assert primary.sent().count(MESSAGE) == 1


@ensureDeferred
async def test_a_no_to_append_is_no_doubt(authority: Authority) -> None:
    async with world(authority, ImapScript(replies={"append": "NO [OVERQUOTA] full"})) as primary:
        filed = await primary.file()
        assert filed.there is False and "[OVERQUOTA] full" in filed.text


@ensureDeferred
async def test_nothing_is_appended_when_the_attempt_cannot_be_written_down(authority: Authority) -> None:
    async with world(authority) as primary:
        filed = await deferred(
            primary.visits.file(DOMAIN, primary.copy(), lambda: Pending.failed(StoreFull()))
        )
        assert filed.there is False and "StoreFull" in filed.text
        assert primary.sent() == [] and "APPEND" not in primary.imap.commands


@ensureDeferred
async def test_a_message_id_that_another_contains_is_not_taken_for_it(authority: Authority) -> None:
    async with world(authority) as primary:
        primary.mailboxes.deliver(ANN, b"Message-ID: <1@example.test>x\r\n\r\n", "Sent")
        assert "already" not in (await primary.file()).text
        assert MESSAGE in primary.sent()


@pytest.mark.parametrize("message_id", ['<"a b"@x>', "<a(b)c@x>", "<back\\slash@x>", '<") DELETED@x>'])
@ensureDeferred
async def test_odd_message_ids_are_looked_for_as_they_are(authority: Authority, message_id: str) -> None:
    text = MESSAGE.replace(b"<1@example.test>", message_id.encode())
    async with world(authority) as primary:
        for _ in range(2):
            assert (await primary.file(primary.copy(text, ("Message-ID", message_id)))).there
        assert primary.sent() == [text]
        assert await primary.has(message_id) is True


@ensureDeferred
async def test_messages_are_found_wherever_they_are_filed(authority: Authority) -> None:
    async with world(authority) as primary:
        primary.mailboxes.create(ANN, "Projects")
        places = ["INBOX", "Projects", "Trash", "Sent"]
        for number in range(100):
            primary.mailboxes.deliver(ANN, f"Message-ID: <{number}@x>\r\n\r\n".encode(), places[number % 4])
        wanted = [f"<{number}@x>" for number in range(0, 200, 3)]
        found = await deferred(primary.visits.which(DOMAIN, ANN, wanted))
        assert found == frozenset(f"<{number}@x>" for number in range(0, 100, 3))
        assert [await primary.has("<1@x>"), await primary.has("<200@x>")] == [True, False]


@ensureDeferred
async def test_what_has_no_message_id_is_found_by_our_own_id_in_received(authority: Authority) -> None:
    async with world(authority) as primary:
        for name in ("0aaaaaaaaaaaa", "0bbbbbbbbbbbb"):
            text = f"Received: from a by us with ESMTP\r\n\tid {name};\r\n\tThu, 1 Jan 2026\r\nReceived: by b\r\n\r\n"
            primary.mailboxes.deliver(ANN, text.encode())
        wanted = ["id 0bbbbbbbbbbbb", "id 0cccccccccccc"]
        assert await deferred(primary.visits.which(DOMAIN, ANN, wanted, "Received")) == {"id 0bbbbbbbbbbbb"}
        assert await deferred(primary.visits.which(DOMAIN, ANN, wanted)) == frozenset()


@pytest.mark.parametrize("message_id", ["", "<ä@x>", "<" + "x" * 600 + ">"])
@ensureDeferred
async def test_what_cannot_be_looked_for_is_not_known(authority: Authority, message_id: str) -> None:
    async with world(authority) as primary:
        assert await primary.has(message_id) is None
        assert primary.imap.connections == 0


@pytest.mark.parametrize("script", [ImapScript(passwords={}), ImapScript(drop_at="search"), ImapScript(hang_at="list")])
@ensureDeferred
async def test_without_an_answer_it_is_not_known(authority: Authority, script: ImapScript) -> None:
    async with world(authority, script) as primary:
        assert await primary.has("<1@example.test>") is None


@ensureDeferred
async def test_without_credentials_nobody_is_asked(authority: Authority) -> None:
    async with world(authority) as primary:
        other = DomainRow(name="other.test", retention_class=2, retention_days=30)
        filed = await deferred(primary.visits.file(other, primary.copy(), primary.before))
        assert filed.there is False and "xtramail domain set other.test primary-imap=HOST" in filed.text
        assert await deferred(primary.visits.has(other, ANN, "<1@x>")) is None
        assert primary.imap.connections == 0


@ensureDeferred
async def test_two_visits_of_one_domain_at_a_time(authority: Authority) -> None:
    async with world(authority, ImapScript(hang_at="list"), settings=replace(QUICK, answer=5.0)) as primary:
        filings = [primary.visits.file(DOMAIN, primary.copy(), primary.before) for _ in range(6)]
        while primary.imap.connections < 2:
            await deferLater(reactor, 0.02, lambda: None)
        await deferLater(reactor, 0.3, lambda: None)
        assert primary.visits.visits == 2 == primary.imap.connections
        primary.visits.close()
        assert {one.result() for one in filings} <= {Filed(False, str(primary.access), STOPPING)}


@ensureDeferred
async def test_nobody_waits_long_for_those_before(authority: Authority) -> None:
    slow = replace(QUICK, wait=0.2, answer=2.0)
    async with world(authority, ImapScript(hang_at="list"), settings=slow) as primary:
        filings = [primary.visits.file(DOMAIN, primary.copy(), primary.before) for _ in range(4)]
        await deferLater(reactor, 0.5, lambda: None)
        assert [one.done for one in filings] == [False, False, True, True]
        assert filings[3].result() == Filed(
            False, str(primary.access), "IMAP: others that are visited take too long"
        )


@ensureDeferred
async def test_the_longer_a_host_is_silent_the_less_it_is_asked(authority: Authority) -> None:
    async with world(authority, ImapScript(drop_at="list"), settings=replace(QUICK, rest=1.0)) as primary:
        for pause, connections in ((0.0, 1), (1.1, 2), (0.5, 2), (1.6, 3)):
            await deferLater(reactor, pause, lambda: None)
            await primary.file()
            assert primary.imap.connections == connections


@ensureDeferred
async def test_a_visit_that_takes_too_long_is_cut_and_one_under_way_at_the_end_is_unconfirmed(
    authority: Authority,
) -> None:
    slow = replace(QUICK, answer=9.0, visit=1.5)
    async with world(authority, ImapScript(hang_at="append"), settings=slow) as primary:
        began = time.monotonic()
        assert (await primary.file()) == Filed(None, str(primary.access), "not over in 1.5 s")
        assert time.monotonic() - began < 8


def test_places_in_a_login_are_filled_in_once() -> None:
    access = ImapAccess(host="x", secret=Secret(""), login="{local}+{domain}/{address}")
    assert access.login_of("{domain}@b.test") == "{domain}+b.test/{domain}@b.test"


@ensureDeferred
async def test_a_mailbox_with_a_broken_name_hides_no_other(authority: Authority) -> None:
    async with world(authority) as primary:
        primary.mailboxes.give_everybody({"INBOX": "", "&broken": "", "&AMk-": "", "Sent": ""})
        primary.mailboxes.deliver(ANN, b"Message-ID: <7@x>\r\n\r\n", "&broken")
        assert (await primary.file()).there and primary.sent() == [MESSAGE]
        assert await primary.has("<7@x>") is True
