"""A day with Thunderbird: its own code against the real server, and after each step what the server has.

One profile, one journey, within ten minutes of a busy machine; only Thunderbird's start may be tried twice.
"""

from __future__ import annotations

import base64
import imaplib
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.journeys.conftest import ANN, BEN
from tests.journeys.harness import Installation, eventually, fetched, mail
from tests.journeys.thunderbird import Said, Thunderbird

JOURNEY = 600.0
"""Seconds for all of it."""
AT_ONCE = 60.0
"""Seconds within which new mail is on the screen of a busy machine: told, not found when it looks for itself."""
MESSAGES = 12
BIG = 400_000
"""More than Thunderbird fetches in one piece."""
OWN_LINES = re.compile(rb"\A(X-Mozilla-[^\r\n]*\r?\n)+")
"""What Thunderbird puts before a message in its own files."""
FOLDER = "Projects/Entwürfe & Co"
UTF7_FOLDER = "Projects/Entw&APw-rfe &- Co"

CYRILLIC = (
    "From: =?utf-8?B?0JjQstCw0L0=?= <ivan@sender.example>\r\n"
    f"To: {ANN}\r\n"
    "Subject: =?utf-8?B?0J7RgtGH0ZHRgiDQt9CwINC90L7Rj9Cx0YDRjA==?=\r\n"
    "Message-ID: <report@sender.example>\r\n"
    "Date: Tue, 03 Nov 2026 09:00:00 +0000\r\n"
    "MIME-Version: 1.0\r\n"
    'Content-Type: multipart/mixed; boundary="cut"\r\n'
    "\r\n"
    "--cut\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: base64\r\n"
    "\r\n" + base64.b64encode("Прибыль выросла.".encode()).decode() + "\r\n"
    "--cut\r\n"
    'Content-Type: application/octet-stream; name="figures.bin"\r\n'
    'Content-Disposition: attachment; filename="figures.bin"\r\n'
    "Content-Transfer-Encoding: base64\r\n"
    "\r\n"
    "AAECAwQFBgc=\r\n"
    "--cut--\r\n"
).encode()


@dataclass(slots=True, kw_only=True)
class Desk:
    """Ann's Thunderbird, the server, and a second client of hers that shows what the server has."""

    server: Installation
    thunderbird: Thunderbird
    second: imaplib.IMAP4_SSL

    def do(self, name: str, *arguments: Any) -> Any:
        return self.thunderbird.call(name, *arguments)

    def opens(self, folder: str, uids: Sequence[int]) -> dict[int, dict[str, Any]]:
        """Thunderbird's list of a folder by UID, once its user looks into it and it shows just these."""
        return by_uid(self.do("open", folder, list(uids)))

    def sees(self, folder: str, count: int) -> dict[int, dict[str, Any]]:
        """The same once it shows so many, nobody asking for it."""
        return by_uid(self.do("shown", folder, count))

    def flags(self, mailbox: str) -> dict[int, set[str]]:
        """What the server has: the flags and keywords of each message, by UID, without \\Recent."""
        self.select(mailbox)
        _, lines = self.second.uid("FETCH", "1:*", "(FLAGS)")
        found = {}
        for line in lines:
            told = re.search(rb"UID (\d+) FLAGS \(([^)]*)\)", line or b"")
            # News that comes along has no UID.
            if told is not None:
                found[int(told[1])] = set(told[2].decode().split()) - {"\\Recent"}
        return found

    def select(self, mailbox: str) -> None:
        status, answer = self.second.select(f'"{mailbox}"')
        assert status == "OK", answer

    def octets(self, uid: int) -> bytes:
        """One message of the mailbox selected, whole."""
        _, pieces = self.second.uid("FETCH", str(uid), "(BODY.PEEK[])")
        assert isinstance(pieces[0], tuple), pieces
        return bytes(pieces[0][1])

    def soon(self, mailbox: str, wanted: dict[int, set[str]]) -> None:
        """Thunderbird shows at once what its user did and sends it a moment later; then the server has just this."""
        eventually(lambda: self.flags(mailbox) == wanted, what=f"{mailbox} has {wanted}")

    def holds(self, mailbox: str, uids: list[int]) -> None:
        """As :meth:`soon`, of which messages there are."""
        eventually(lambda: sorted(self.flags(mailbox)) == uids, what=f"{mailbox} holds {uids}")


def by_uid(listed: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    found = {header["uid"]: header for header in listed}
    assert len(found) == len(listed), f"a message is shown twice: {listed}"
    return found


@contextmanager
def desk(office: Installation, folder: Path) -> Iterator[Desk]:
    with Thunderbird(folder / "thunderbird").start_with(office) as thunderbird, office.imap(ANN) as second:
        yield Desk(server=office, thunderbird=thunderbird, second=second)


def test_thunderbird_works_a_day_on_its_account(office: Installation, tmp_path: Path) -> None:
    began = time.monotonic()
    for number in range(MESSAGES - 2):
        office.send(mail(number), ANN)
    office.send(mail("big", size=BIG), ANN)
    office.send(CYRILLIC, ANN)
    with desk(office, tmp_path) as one:
        adds_its_account(one)
        reads_every_message(one)
        marks(one)
        sees_what_others_mark(one)
        files(one)
        deletes(one)
        searches(one)
        writes(one)
        sees_new_mail_in_idle(one)
        finds_everything_again_after_a_restart(one)
        one.thunderbird.stop()
        was_never_refused(one.thunderbird.dialogue())
    assert time.monotonic() - began < JOURNEY


def adds_its_account(one: Desk) -> None:
    one.do("addAccount", ANN, one.server.users[ANN], one.server.ports["imaps"], one.server.ports["submissions"])
    uses = one.do("discoverFolders")
    assert uses == {"INBOX": [], **{use: [use] for use in ("Archive", "Drafts", "Junk", "Sent", "Trash")}}


def reads_every_message(one: Desk) -> None:
    headers = one.opens("INBOX", range(1, MESSAGES + 1))
    assert [header["subject"] for header in headers.values()] == [
        *(f"message {number}" for number in range(MESSAGES - 2)),
        "message big",
        "Отчёт за ноябрь",
    ]
    assert headers[MESSAGES]["author"] == "Иван <ivan@sender.example>"
    one.select("INBOX")
    for uid in (MESSAGES - 1, 1):
        # On a busy machine it has downloaded the message by itself before it is asked.
        assert OWN_LINES.sub(b"", base64.b64decode(one.do("source", "INBOX", uid))) == one.octets(uid)
    one.do("download", "INBOX")
    one.do("goOffline", True)
    for uid, header in headers.items():
        octets = one.octets(uid)
        assert header["size"] == len(octets)
        lying_here = base64.b64decode(one.do("source", "INBOX", uid))
        assert OWN_LINES.sub(b"", lying_here) == octets
    one.do("goOffline", False)


def marks(one: Desk) -> None:
    one.do("markRead", "INBOX", [1, 2, 3], True)
    one.do("markRead", "INBOX", [2], False)
    one.do("markFlagged", "INBOX", [3, 4], True)
    one.do("tag", "INBOX", [5], "$label1")
    one.soon(
        "INBOX",
        {uid: set() for uid in range(1, MESSAGES + 1)}
        | {1: {"\\Seen"}, 3: {"\\Seen", "\\Flagged"}, 4: {"\\Flagged"}, 5: {"$label1"}},
    )


def sees_what_others_mark(one: Desk) -> None:
    one.select("INBOX")
    one.second.uid("STORE", "6", "+FLAGS", "(\\Seen \\Answered)")
    one.second.uid("STORE", "3,5", "-FLAGS", "(\\Flagged $label1)")

    def seen() -> bool:
        headers = one.sees("INBOX", MESSAGES)
        return (
            headers[6]["read"]
            and headers[6]["answered"]
            and not headers[3]["flagged"]
            and "$label1" not in headers[5]["keywords"]
        )

    eventually(seen, within=AT_ONCE, what="Thunderbird hears of them in IDLE")


def files(one: Desk) -> None:
    one.do("createFolder", "", "Projects")
    one.do("createFolder", "Projects", "Drafts & Co")
    one.do("renameFolder", "Projects/Drafts & Co", "Entwürfe & Co")
    names = [line.decode() for line in one.second.list('""', "*")[1] if isinstance(line, bytes)]
    assert any(line.endswith(f'"{UTF7_FOLDER}"') for line in names), names
    one.do("transfer", "INBOX", [1, 3, 10], FOLDER, True)
    one.holds(UTF7_FOLDER, [1, 2, 3])
    one.do("transfer", "INBOX", [MESSAGES - 1, MESSAGES], FOLDER, False)
    filed = one.opens(FOLDER, range(1, 6))
    assert [header["id"].partition("@")[0] for header in filed.values()] == ["0", "2", "9", "big", "report"]
    one.soon(UTF7_FOLDER, {1: {"\\Seen"}, 2: {"\\Seen"}, 3: set(), 4: set(), 5: set()})
    one.holds("INBOX", [2, 4, 5, 6, 7, 8, 9, 11, 12])
    assert sorted(one.sees("INBOX", MESSAGES - 3)) == [2, 4, 5, 6, 7, 8, 9, 11, 12]


def deletes(one: Desk) -> None:
    one.do("remove", "INBOX", [2, 9])
    one.holds("INBOX", [4, 5, 6, 7, 8, 11, 12])
    one.holds("Trash", [1, 2])
    assert [header["id"].partition("@")[0] for header in one.opens("Trash", [1, 2]).values()] == ["1", "8"]
    one.do("emptyTrash")
    one.holds("Trash", [])
    one.do("compact", "INBOX")
    assert sorted(one.sees("INBOX", MESSAGES - 5)) == [4, 5, 6, 7, 8, 11, 12]


def searches(one: Desk) -> None:
    assert one.do("search", "INBOX", "Subject", "message 7") == [8]
    assert one.do("search", "INBOX", "Sender", "bob@sender") == [4, 5, 6, 7, 8, 11]
    assert one.do("search", "INBOX", "Body", "This is message 6") == [7]
    assert one.do("search", "INBOX", "Body", "прибыль ВЫРОСЛА") == [12]
    assert one.do("search", "INBOX", "Subject", "ноябрь") == [12]
    assert one.do("search", "INBOX", "Subject", "nowhere to be found") == []


def writes(one: Desk) -> None:
    began = one.server.log_end()
    one.do("write", "nsMsgDeliverNow", BEN, "Grüße", "A line of Thunderbird's own: ä.\r\n")
    with one.server.imap(BEN) as ben:
        (arrived,) = eventually(lambda: fetched(ben), what="Ben has it")
    assert b"Thunderbird" in arrived
    one.server.told("message-filed", since=began)
    (copy,) = one.flags("Sent")  # ours went when Thunderbird's came
    (sent,) = one.opens("Sent", [copy]).values()
    assert sent["subject"] == "Grüße" and sent["read"]
    assert one.flags("Sent") == {copy: {"\\Seen"}}
    one.do("write", "nsMsgSaveAsDraft", BEN, "Unfinished", "To be continued.\r\n")
    eventually(lambda: len(one.flags("Drafts")) == 1, what="the draft is kept")


def sees_new_mail_in_idle(one: Desk) -> None:
    known = len(one.do("headers", "INBOX"))
    for number in range(3):
        eventually(lambda: idles(one.thunderbird.dialogue(), "INBOX"), what="Thunderbird waits in IDLE")
        sent = time.monotonic()
        one.server.send(mail(f"new-{number}"), ANN)
        one.sees("INBOX", known + number + 1)
        assert time.monotonic() - sent < AT_ONCE
    one.select("INBOX")
    one.second.uid("STORE", "13", "+FLAGS.SILENT", "(\\Deleted)")
    removed = time.monotonic()
    one.second.expunge()
    left = one.sees("INBOX", known + 2)
    assert time.monotonic() - removed < AT_ONCE and 13 not in left


def idles(dialogue: list[Said], mailbox: str) -> bool:
    """The last that was said on the connection with that mailbox is that IDLE has begun."""
    last = [said.text for said in dialogue if said.mailbox == mailbox][-1:]
    return last == ["+ idling"]


def finds_everything_again_after_a_restart(one: Desk) -> None:
    """With CONDSTORE from then on, which its users can switch on; meanwhile one message comes and one goes."""
    before = {folder: one.do("headers", folder) for folder in ("INBOX", FOLDER, "Sent")}
    one.thunderbird.stop()
    one.server.send(mail("while-away"), ANN)
    one.select("INBOX")
    one.second.uid("STORE", "14", "+FLAGS.SILENT", "(\\Deleted)")
    one.second.expunge()
    before["INBOX"] = [header for header in before["INBOX"] if header["uid"] != 14]
    one.thunderbird.prefer(**{"mail.server.default.use_condstore": True})
    one.thunderbird.start()
    for folder, mailbox in (("INBOX", "INBOX"), (FOLDER, UTF7_FOLDER), ("Sent", "Sent")):
        again = one.opens(folder, sorted(one.flags(mailbox)))
        assert [again[header["uid"]] for header in before[folder]] == before[folder]
    assert len(one.flags("INBOX")) == len(before["INBOX"]) + 1
    one.do("markFlagged", "INBOX", [16], True)
    eventually(lambda: "\\Flagged" in one.flags("INBOX")[16], what="it still writes")


def was_never_refused(dialogue: list[Said]) -> None:
    """No command of any connection got NO or BAD, and Thunderbird did use what this journey is to show."""
    assert not [said.text for said in dialogue if not said.ours and re.match(r"\S+ (NO|BAD)\b", said.text)]
    commands = {said.text.partition(" ")[2].upper() for said in dialogue if said.ours}
    for wanted in (
        "AUTHENTICATE PLAIN",
        "COMPRESS DEFLATE",
        "ENABLE UTF8=ACCEPT",
        'LIST (SUBSCRIBED) "" "*" RETURN (SPECIAL-USE)',
        "GETQUOTAROOT",
        "IDLE",
        "UID MOVE",
        "UID COPY",
        "UID STORE",
        "UID SEARCH UNDELETED",
        "APPEND",
        "UID FETCH 1:* (FLAGS) (CHANGEDSINCE ",
    ):
        assert any(command.startswith(wanted) for command in commands), (wanted, sorted(commands))
