"""Mail from and to files while the server runs: killed and run again, seen by who waits, and of a real client."""

from __future__ import annotations

import mailbox
import re
import signal
import subprocess
from pathlib import Path

from tests.journeys.conftest import ANN, BEN, DOMAIN, Install
from tests.journeys.dialogue import Line
from tests.journeys.harness import PROGRAMS, Installation, eventually, fetched, mail

MESSAGES = 5_000
KILLS = 3
AT_LEISURE = ("nice", "-n", "5")
"""What is to be killed at work must not be done before whoever kills it gets his turn on a busy machine."""


def served(install: Install) -> Installation:
    server = install()
    server.add_domain(DOMAIN)
    for user in (ANN, BEN):
        server.add_user(user)
    return server.start()


def archive(folder: Path) -> Path:
    file = folder / "archive"
    with file.open("wb") as out:
        for number in range(MESSAGES):
            # Two of each, so that what is brought twice cannot hide behind what was there twice.
            text = mail(number // 2, size=1_500).replace(b"\r\n", b"\n")
            out.write(b"From bob@sender.example Mon Nov  2 10:00:00 2026\nStatus: RO\n" + text + b"\n")
    return file


def waiting(server: Installation) -> Line:
    line = Line(server.ports["imaps"], tls=server.tls(), patience=60.0)
    line.hear()
    line.command("a0", f'LOGIN {ANN} "{server.users[ANN]}"')
    line.command("a1", "SELECT INBOX")
    line.say("a2 IDLE")
    assert line.hear().startswith("+ ")
    return line


def exists(line: Line) -> int:
    """The next number of messages that the one who waits is told."""
    while True:
        found = re.fullmatch(r"\* (\d+) EXISTS", line.hear(within=60.0))
        if found:
            return int(found[1])


def test_an_import_that_is_killed_and_run_again_brings_each_message_once(install: Install, tmp_path: Path) -> None:
    server = served(install)
    file = archive(tmp_path)
    program = [*AT_LEISURE, str(PROGRAMS / "xtramail"), "--config", str(server.config)]
    command = [*program, "mail", "import", ANN, str(file)]
    seen = 0
    with waiting(server) as line:
        for _ in range(KILLS):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            seen = exists(line)
            process.kill()
            assert process.wait(90) == -signal.SIGKILL, "it was killed while it was at work"
        assert 0 < seen < MESSAGES
        last = server.command("mail", "import", ANN, str(file))
        assert last["messages"] + last["already"] == MESSAGES and last["messages"] < MESSAGES
        while seen < MESSAGES:
            seen = exists(line)
        assert seen == MESSAGES
    with server.imap(ANN) as client:
        stored = fetched(client)
        _, flags = client.uid("SEARCH", "SEEN")
    assert len(flags[0].split()) == MESSAGES
    assert stored == [mail(number // 2, size=1_500) for number in range(MESSAGES)]
    again = server.command("mail", "import", ANN, str(file))
    assert (again["messages"], again["already"]) == (0, MESSAGES)
    assert server.queue() == []
    server.stop()
    assert server.command("verify")["findings"] == []


def test_an_export_that_is_killed_and_run_again_is_whole(install: Install, tmp_path: Path) -> None:
    server = served(install)
    server.command("mail", "import", ANN, str(archive(tmp_path)))
    out = tmp_path / "out"
    arguments = ["mail", "export", ANN, str(out), "--format", "maildir"]
    command = [*AT_LEISURE, str(PROGRAMS / "xtramail"), "--config", str(server.config), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    eventually(lambda: (out / "cur").exists() and len(list((out / "cur").iterdir())) > 50)
    process.kill()
    assert process.wait(90) == -signal.SIGKILL, "it was killed while it was at work"
    done = server.command(*arguments)
    assert done["messages"] == MESSAGES
    read = mailbox.Maildir(out, create=False)
    assert len(read) == MESSAGES and all(one.get_flags() == "S" for one in read)
    assert not list((out / "tmp").iterdir())


def test_a_clients_own_copy_is_another_users_mail(install: Install, tmp_path: Path) -> None:
    server = served(install)
    for number in range(5):
        server.send(mail(number), ANN)
    with server.imap(ANN) as client:
        client.create("Work/R&AOk-sum&AOk-")
        client.select("INBOX")
        client.uid("STORE", "2", "+FLAGS", "(\\Seen \\Flagged \\Answered)")
        client.uid("COPY", "2:3", "Work/R&AOk-sum&AOk-")
        _, dates = client.uid("FETCH", "1:*", "(INTERNALDATE)")
        stored = fetched(client)
    local = tmp_path / "mail"
    local.mkdir()
    config = tmp_path / "mbsyncrc"
    config.write_text(
        f"IMAPAccount x\nHost localhost\nPort {server.ports['imaps']}\nUser {ANN}\nPass \"{server.users[ANN]}\"\n"
        f"SSLType IMAPS\nCertificateFile {server.authority}\n\nIMAPStore far\nAccount x\n\n"
        f"MaildirStore near\nPath {local}/\nInbox {local}/INBOX\nSubFolders Verbatim\n\n"
        "Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Near\nSync Pull\nCopyArrivalDate yes\n"
        f"SyncState {tmp_path}/state-\n"
    )
    done = subprocess.run(["mbsync", "-c", str(config), "all"], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    brought = server.command("mail", "import", BEN, str(local))
    assert {row["mailbox"]: row["messages"] for row in brought["mailboxes"]} == {"INBOX": 5, "Work/Résumé": 2}
    with server.imap(BEN) as client:
        copied = fetched(client)
        _, flags = client.uid("FETCH", "1:*", "(FLAGS)")
        _, copied_dates = client.uid("FETCH", "1:*", "(INTERNALDATE)")
        client.select('"Work/R&AOk-sum&AOk-"')
        _, flagged = client.uid("SEARCH", "FLAGGED", "SEEN", "ANSWERED")
    assert sorted(re.sub(rb"X-TUID: [^\n]*\n", b"", one) for one in copied) == sorted(stored)
    assert sum(b"\\Flagged" in one and b"\\Answered" in one for one in flags) == 1
    assert len(flagged[0].split()) == 1
    moment = re.compile(rb'INTERNALDATE "[^"]*"')
    assert sorted(moment.findall(b" ".join(copied_dates))) == sorted(moment.findall(b" ".join(dates)))
