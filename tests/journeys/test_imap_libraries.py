"""What programs written with the usual Python libraries ask: every call that IMAPClient and imap-tools have for us."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import imap_tools
import imapclient
import pytest
from imap_tools import AND, A, H, MailMessageFlags, U
from imapclient import IMAPClient

from tests.journeys.conftest import ANN, BEN, DOMAIN
from tests.journeys.harness import Installation, mail

REPLY = (
    "From: Ann <ann@example.test>\r\nTo: bob@sender.example\r\nSubject: Re: message 0\r\nMessage-ID: <reply@x>\r\n"
    "In-Reply-To: <0@sender.example>\r\nReferences: <0@sender.example>\r\nDate: Tue, 03 Nov 2026 10:00:00 +0000\r\n"
    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße aus Köln\r\n"
).encode()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    server = Installation(tmp_path_factory.mktemp("libraries") / "server").init()
    server.add_domain(DOMAIN)
    for user in (ANN, BEN):
        server.add_user(user)
    server.start()
    yield server
    server.close()


@pytest.fixture
def client(served: Installation) -> Iterator[IMAPClient]:
    """IMAPClient, as Ann, whose mailboxes begin empty but for four messages in INBOX."""
    with IMAPClient("localhost", served.ports["imaps"], ssl_context=served.tls(), timeout=60) as one:
        one.login(ANN, served.users[ANN])
        for _, _, name in one.list_folders():
            one.select_folder(name)
            one.delete_messages("1:*", silent=True)
            one.expunge()
            one.unselect_folder()
        for number in range(3):
            one.append("INBOX", mail(number), msg_time=noon(number + 1))
        one.append("INBOX", REPLY, flags=[imapclient.SEEN, "$Later"])
        yield one


@pytest.fixture
def box(served: Installation) -> Iterator[imap_tools.MailBox]:
    """imap-tools, as Ben, with four messages in INBOX."""
    opened = imap_tools.MailBox("localhost", served.ports["imaps"], timeout=60, ssl_context=served.tls())
    with opened.login(BEN, served.users[BEN]) as one:
        for folder in one.folder.list():
            one.folder.set(folder.name)
            one.delete(one.uids())
        one.folder.set("INBOX")
        for number in range(3):
            one.append(mail(number, to=BEN), "INBOX", dt=noon(number + 1))
        one.append(REPLY, "INBOX", flag_set=[MailMessageFlags.SEEN])
        yield one


def noon(day: int) -> datetime.datetime:
    return datetime.datetime(2026, 11, day, 12, 0, tzinfo=datetime.UTC)


def first_of(client: IMAPClient) -> int:
    return min(client.search())


# IMAPClient


def test_imapclient_learns_what_the_server_is(client: IMAPClient) -> None:
    assert client.has_capability("IMAP4REV1") and client.has_capability("QRESYNC") and client.has_capability("IDLE")
    assert b"xtramail" in client.id_({"name": "IMAPClient"})[0]
    assert client.namespace().personal == (("", "/"),)
    assert client.noop()[0].startswith(b"Done")
    assert b"CONDSTORE" in client.enable("CONDSTORE")


def test_imapclient_finds_special_folders_and_manages_its_own(client: IMAPClient) -> None:
    for use in (b"\\Sent", b"\\Drafts", b"\\Trash", b"\\Junk", b"\\Archive"):
        assert client.find_special_folder(use)
    client.create_folder("Entwürfe & mehr/2026")
    assert client.folder_exists("Entwürfe & mehr/2026")
    client.subscribe_folder("Entwürfe & mehr/2026")
    assert "Entwürfe & mehr/2026" in [name for _, _, name in client.list_sub_folders()]
    client.rename_folder("Entwürfe & mehr/2026", "Ablage")
    client.unsubscribe_folder("Entwürfe & mehr/2026")
    assert not client.folder_exists("Entwürfe & mehr/2026") and client.folder_exists("Ablage")
    client.delete_folder("Ablage")
    with pytest.raises(imapclient.exceptions.IMAPClientError, match=r"NONEXISTENT"):
        client.select_folder("Ablage")


def test_imapclient_asks_status_and_quota(client: IMAPClient) -> None:
    status = client.folder_status("INBOX", ["MESSAGES", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "HIGHESTMODSEQ", "SIZE"])
    assert status[b"MESSAGES"] == 4 and status[b"UNSEEN"] == 3 and status[b"HIGHESTMODSEQ"] > 0
    selected = client.select_folder("INBOX", readonly=True)
    assert selected[b"EXISTS"] == 4 and selected[b"READ-ONLY"]
    assert selected[b"HIGHESTMODSEQ"] == status[b"HIGHESTMODSEQ"]
    root, quotas = client.get_quota_root("INBOX")
    assert root.mailbox == "INBOX" and quotas == client.get_quota("INBOX")


def test_imapclient_searches_sorts_and_threads(client: IMAPClient) -> None:
    client.select_folder("INBOX")
    first = first_of(client)
    assert client.search(["SUBJECT", "message 2"]) == [first + 2]
    assert client.search(["BODY", "grüße AUS köln"], charset="UTF-8") == [first + 3]
    assert client.search(["NOT", ["OR", "SEEN", ["SUBJECT", "message 1"]]]) == [first, first + 2]
    assert client.search(["SINCE", datetime.date(2026, 11, 2), "BEFORE", datetime.date(2026, 11, 3)]) == [first + 1]
    assert client.search(["KEYWORD", "$Later"]) == [first + 3]
    assert client.search(["MODSEQ", "1"]).modseq
    assert client.sort("REVERSE ARRIVAL", ["UNSEEN"]) == [first + 2, first + 1, first]
    assert client.sort(["SUBJECT", "DATE"])[:2] == [first, first + 3]
    assert client.thread("REFERENCES")[0] == (first, first + 3)
    assert client.thread("ORDEREDSUBJECT", ["ALL"], "UTF-8")


def test_imapclient_fetches_with_modifiers(client: IMAPClient) -> None:
    client.select_folder("INBOX")
    first = first_of(client)
    wanted = ["FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODYSTRUCTURE", "MODSEQ"]
    found = client.fetch(client.search(), wanted)
    one = found[first + 3]
    assert one[b"ENVELOPE"].in_reply_to == b"<0@sender.example>" and one[b"RFC822.SIZE"] == len(REPLY)
    assert b"$Later" in one[b"FLAGS"] and not one[b"BODYSTRUCTURE"].is_multipart
    assert found[first][b"INTERNALDATE"].date() == datetime.date(2026, 11, 1)
    assert client.fetch(first + 3, "BODY.PEEK[]<4.3>")[first + 3][b"BODY[]<4>"] == REPLY[4:7]
    assert client.fetch([first], ["BODY.PEEK[HEADER.FIELDS (SUBJECT)]"])[first][b"BODY[HEADER.FIELDS (SUBJECT)]"]
    known = max(entry[b"MODSEQ"][0] for entry in found.values())
    assert client.fetch(client.search(), ["FLAGS"], [f"CHANGEDSINCE {known}"]) == {}
    assert client.get_flags([first]) == {first: client.fetch(first, "FLAGS")[first][b"FLAGS"]}


def test_imapclient_changes_flags_copies_moves_and_deletes(client: IMAPClient) -> None:
    client.select_folder("INBOX")
    first = first_of(client)
    assert imapclient.FLAGGED in client.add_flags([first], [imapclient.FLAGGED, "$Work"])[first]
    assert imapclient.FLAGGED not in client.remove_flags([first], [imapclient.FLAGGED])[first]
    flags = set(client.set_flags([first], [imapclient.ANSWERED])[first])
    assert flags - {imapclient.RECENT} == {imapclient.ANSWERED}
    client.copy([first], "Archive")
    client.move([first + 1], "Trash")
    client.delete_messages([first + 2])
    client.uid_expunge([first + 2])
    assert client.search() == [first, first + 3]
    assert client.multiappend("Drafts", [REPLY, REPLY])
    assert client.folder_status("Drafts", "MESSAGES")[b"MESSAGES"] == 2


def test_imapclient_idles_until_mail_comes(served: Installation, client: IMAPClient) -> None:
    client.select_folder("INBOX")
    client.idle()
    served.send(mail("idle"), ANN)
    told: list[tuple[object, ...]] = []
    while (5, b"EXISTS") not in told:
        fresh = client.idle_check(timeout=60)
        assert fresh, told
        told += fresh
    text, _ = client.idle_done()
    assert text.startswith(b"Idled")


# imap-tools


def test_imap_tools_fetches_without_and_with_marking(box: imap_tools.MailBox) -> None:
    assert [message.subject for message in box.fetch(mark_seen=False)][3] == "Re: message 0"
    assert len(box.uids(AND(seen=False))) == 3
    assert [message.subject for message in box.fetch(AND(seen=False), limit=1)] == ["message 0"]
    assert len(box.uids(AND(seen=False))) == 2
    assert [one.subject for one in box.fetch(bulk=True, mark_seen=False, reverse=True)][0] == "Re: message 0"
    assert [one.uid for one in box.fetch(bulk=2, mark_seen=False)] == box.uids()
    head = next(iter(box.fetch(headers_only=True, mark_seen=False)))
    assert head.subject == "message 0" and not head.text
    reply = next(iter(box.fetch(A(header=H("Message-ID", "<reply@x>")), mark_seen=False)))
    assert reply.text.strip() == "Grüße aus Köln" and reply.size_rfc822 == len(REPLY) and reply.from_ == ANN


def test_imap_tools_searches_by_numbers_uids_and_words(box: imap_tools.MailBox) -> None:
    uids = box.uids()
    assert box.numbers() == ["1", "2", "3", "4"]
    assert box.numbers_to_uids(["2", "3"]) == uids[1:3]
    assert box.uids(A(uid=U(uids[1], "*"))) == uids[1:]
    assert box.uids(AND(text="grüße"), charset="UTF-8") == uids[3:]
    assert box.uids(AND(date_gte=datetime.date(2026, 11, 2), date_lt=datetime.date(2026, 11, 3))) == uids[1:2]
    assert box.uids(sort=imap_tools.SortCriteria.ARRIVAL_DT_DESC)[-1] == uids[0]


def test_imap_tools_flags_copies_moves_and_deletes(box: imap_tools.MailBox) -> None:
    uids = box.uids()
    box.flag(uids[:2], [MailMessageFlags.FLAGGED, "$Work"], True)
    assert box.uids(AND(flagged=True, keyword="$Work")) == uids[:2]
    box.flag(uids[0], MailMessageFlags.FLAGGED, False)
    assert box.uids(AND(flagged=True)) == uids[1:2]
    box.copy(uids[0], "Archive")
    box.move(uids[1], "Trash")
    box.delete(uids[2])
    assert box.uids() == [uids[0], uids[3]]
    assert box.folder.status("Archive")["MESSAGES"] == box.folder.status("Trash")["MESSAGES"] == 1
    box.append(REPLY, "Drafts", flag_set=[MailMessageFlags.DRAFT])
    assert box.folder.status("Drafts")["MESSAGES"] == 1


def test_imap_tools_manages_folders(box: imap_tools.MailBox) -> None:
    box.folder.create("Büro/Post")
    assert box.folder.exists("Büro/Post")
    box.folder.subscribe("Büro/Post", True)
    assert "Büro/Post" in [folder.name for folder in box.folder.list(subscribed_only=True)]
    box.folder.rename("Büro/Post", "Büro/Brief")
    assert [folder.name for folder in box.folder.list("Büro")] == ["Büro", "Büro/Brief"]
    box.folder.set("Büro/Brief")
    assert box.folder.get() == "Büro/Brief"
    box.folder.set("INBOX")
    box.folder.delete("Büro/Brief")
    assert not box.folder.exists("Büro/Brief")


def test_imap_tools_waits_for_new_mail(served: Installation, box: imap_tools.MailBox) -> None:
    told: list[bytes] = []
    with box.idle as waiting:
        served.send(mail("idle", to=BEN), BEN)
        while b"* 5 EXISTS" not in told:
            fresh = waiting.poll(timeout=60)
            assert fresh, told
            told += fresh
