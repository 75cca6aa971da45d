"""What mail programs do to read: curl, mbsync, and a phone in the pocket that waits for new mail."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.conftest import ANN, BEN, DOMAIN
from tests.journeys.dialogue import Line
from tests.journeys.harness import Installation, Own, fetched, mail

MESSAGES = 12


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A server of mailboxes only; Ann has mail."""
    server = Installation(tmp_path_factory.mktemp("reading") / "server").init()
    server.add_domain(DOMAIN)
    for user in (ANN, BEN):
        server.add_user(user)
    server.start()
    with server.smtp() as client:
        for number in range(MESSAGES):
            client.sendmail("bob@sender.example", [ANN], mail(number, size=number * 2000))
    yield server
    server.close()


def signed_in(server: Installation, user: str) -> Line:
    line = Line(server.ports["imaps"], tls=server.tls())
    assert line.hear().startswith("* OK")
    assert line.command("a0", f'LOGIN {user} "{server.users[user]}"')[-1].startswith("a0 OK")
    return line


def test_curl_fetches_a_message(served: Installation) -> None:
    done = subprocess.run(
        ["curl", "-sS", "--cacert", str(served.authority), "--user", f"{ANN}:{served.users[ANN]}",
         f"imaps://localhost:{served.ports['imaps']}/INBOX;MAILINDEX=3"],
        capture_output=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with served.imap(ANN) as client:
        assert done.stdout == fetched(client)[2]


def test_curl_searches_lists_and_appends(served: Installation, tmp_path: Path) -> None:
    def curl(path: str, *arguments: str) -> str:
        done = subprocess.run(
            ["curl", "-sS", "--cacert", str(served.authority), "--user", f"{BEN}:{served.users[BEN]}", *arguments,
             f"imaps://localhost:{served.ports['imaps']}/{path}"],
            capture_output=True, text=True, timeout=240,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    message = tmp_path / "message.eml"
    message.write_bytes(mail("by curl", to=BEN))
    curl("Archive", "-T", str(message))
    assert curl("Archive", "-X", "EXAMINE Archive").count("* 1 EXISTS") == 1
    assert curl("Archive?SUBJECT%20curl").splitlines() == ["* SEARCH 1"]
    assert curl("Archive;UID=1;SECTION=HEADER.FIELDS%20(SUBJECT)").strip() == "Subject: message by curl"
    assert '"/" "Archive"' in curl("") and "message by curl" in curl("Archive", "-X", "FETCH 1 (ENVELOPE)")
    curl("Archive", "-X", "STORE 1 +FLAGS (\\Deleted)")
    curl("Archive", "-X", "EXPUNGE")
    assert curl("Archive?ALL").splitlines() == ["* SEARCH"]


def test_mbsync_takes_everything_once(served: Installation, tmp_path: Path) -> None:
    local = tmp_path / "mail"
    local.mkdir()
    config = tmp_path / "mbsyncrc"
    config.write_text(
        "IMAPAccount xtramail\n"
        "Host localhost\n"
        f"Port {served.ports['imaps']}\n"
        f"User {ANN}\n"
        f'Pass "{served.users[ANN]}"\n'
        "SSLType IMAPS\n"
        f"CertificateFile {served.authority}\n\n"
        "IMAPStore far\nAccount xtramail\n\n"
        f"MaildirStore near\nPath {local}/\nInbox {local}/INBOX\nSubFolders Verbatim\n\n"
        "Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Near\nSync All\nExpunge Near\n"
        f"SyncState {tmp_path}/state-\n"
    )

    def run() -> str:
        done = subprocess.run(["mbsync", "-V", "-c", str(config), "all"], capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    run()
    files = sorted(path for folder in ("new", "cur") for path in (local / "INBOX" / folder).iterdir())
    with served.imap(ANN) as client:
        stored = fetched(client)
    unix = sorted(re.sub(rb"X-TUID: [^\n]*\n", b"", path.read_bytes()) for path in files)
    assert unix == sorted(one.replace(b"\r\n", b"\n") for one in stored)
    assert {path.name for path in local.iterdir()} >= {"INBOX", "Sent", "Drafts", "Trash", "Junk", "Archive"}
    before = {path: path.stat().st_mtime_ns for path in files}
    run()
    after = sorted(path for folder in ("new", "cur") for path in (local / "INBOX" / folder).iterdir())
    assert {path: path.stat().st_mtime_ns for path in after} == before, "the second run fetched nothing"


def test_a_phone_works_through_its_day(served: Installation) -> None:
    with served.imap(BEN) as client:
        _, folders = client.list()
        uses = {re.search(rb"\\(Sent|Drafts|Trash|Junk|Archive)", one).group(1) for one in folders if b"\\" in one  # type: ignore[arg-type,union-attr]
                and re.search(rb"\\(Sent|Drafts|Trash|Junk|Archive)", one)}  # type: ignore[arg-type]
        assert uses == {b"Sent", b"Drafts", b"Trash", b"Junk", b"Archive"}
        for number in range(3):
            served.send(mail(f"phone-{number}", to=BEN), BEN)
        _, counts = client.status("INBOX", "(MESSAGES UNSEEN UIDNEXT UIDVALIDITY)")
        assert b"MESSAGES 3" in counts[0] and b"UNSEEN 3" in counts[0]
        client.select("INBOX")
        _, summaries = client.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)")
        assert len(summaries) == 3 and all(b"ENVELOPE" in one for one in summaries)
        _, part = client.uid("FETCH", "1", "(BODY.PEEK[TEXT]<8.7>)")
        assert part[0][1] == b"message"
        assert client.uid("STORE", "1", "+FLAGS", "(\\Seen)")[0] == "OK"
        _, found = client.uid("SEARCH", "UNSEEN", "SUBJECT", '"phone-2"')
        assert found == [b"3"]
        assert client.uid("MOVE", "2", "Archive")[0] == "OK"
        assert client.append("Drafts", "(\\Draft \\Seen)", None, b"Subject: draft\r\n\r\nHalf a thought\r\n")[0] == "OK"  # type: ignore[arg-type]
        assert client.uid("STORE", "3", "+FLAGS", "(\\Deleted)")[0] == "OK"
        assert client.uid("EXPUNGE", "3")[0] == "OK"
        assert len(fetched(client)) == 1
        assert len(fetched(client, "Archive")) == 1
        assert fetched(client, "Drafts") == [b"Subject: draft\r\n\r\nHalf a thought\r\n"]


def test_idle_is_told_of_new_mail_within_a_second(served: Installation) -> None:
    with signed_in(served, BEN) as line:
        line.command("a1", "SELECT INBOX")
        line.say("a2 IDLE")
        line.hear_until("+ ")
        served.send(mail("idle", to=BEN), BEN)
        # From the moment on in which it is there: how long a disk takes to write it is another matter.
        own = Own(served.pid)
        told = line.hear_until("* ")
        while not told[-1].endswith(" EXISTS"):
            told = line.hear_until("* ")
        assert own.seconds() < 1.0
        line.say("DONE")
        assert line.hear_until("a2 ")[-1].startswith("a2 OK")


def test_two_sessions_see_each_others_changes(served: Installation) -> None:
    with signed_in(served, ANN) as one, signed_in(served, ANN) as two:
        count = next(int(line.split()[1]) for line in one.command("a1", "SELECT INBOX") if line.endswith("EXISTS"))
        two.command("b1", "SELECT INBOX")
        one.command("a2", f"STORE {count} +FLAGS (\\Flagged \\Deleted)")
        assert any(f"* {count} FETCH" in line and "\\Flagged" in line for line in two.command("b2", "NOOP"))
        assert f"* {count} EXPUNGE" in one.command("a3", "EXPUNGE")
        # RFC 9051 7.5.1: an expunge is never told while FETCH runs, for it would shift the numbers.
        assert not any("EXPUNGE" in line for line in two.command("b3", "FETCH 1 (FLAGS)"))
        assert f"* {count} EXPUNGE" in two.command("b4", "NOOP")


def test_pipelined_commands_are_answered_in_order(served: Installation) -> None:
    with signed_in(served, ANN) as line:
        line.say("a1 SELECT INBOX\r\na2 FETCH 1:* (UID)\r\na3 NOOP\r\na4 STATUS Sent (MESSAGES)\r\na5 LOGOUT")
        tagged = [one[:2] for one in line.hear_until("a5 ") if one[:1] == "a"]
        assert tagged == ["a1", "a2", "a3", "a4", "a5"]
