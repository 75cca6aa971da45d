"""Mail programs that keep a second copy: mbsync and offlineimap, with changes on both sides and then nothing to do."""

from __future__ import annotations

import mailbox
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.journeys.conftest import ANN, DOMAIN, Install
from tests.journeys.harness import Installation, mail

MESSAGES = 6
RUN_WITHIN = 240.0


class Copy:
    """Ann's mail in Maildirs below ``folder``, and how to bring it and the server together."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        self.folder = folder
        self._command = command

    def sync(self) -> None:
        done = subprocess.run(self._command, capture_output=True, text=True, timeout=RUN_WITHIN)
        assert done.returncode == 0, done.stdout + done.stderr

    def maildir(self, name: str) -> mailbox.Maildir:
        return mailbox.Maildir(self.folder / name, create=False)

    def subjects(self, name: str = "INBOX") -> dict[str, str]:
        """Subject and flags of each message here."""
        return {str(one["Subject"]): one.get_flags() for one in self.maildir(name)}

    def key(self, subject: str) -> str:
        return next(key for key, one in self.maildir("INBOX").iteritems() if one["Subject"] == subject)

    def files(self) -> dict[str, int]:
        return {
            str(path.relative_to(self.folder)): path.stat().st_mtime_ns
            for path in self.folder.rglob("*/[cn]*/*")
            if path.is_file() and not path.name.startswith(".")
        }


def mbsync(server: Installation, folder: Path) -> Copy:
    local = folder / "mail"
    local.mkdir(parents=True)
    config = folder / "mbsyncrc"
    config.write_text(
        "IMAPAccount xtramail\n"
        f'Host localhost\nPort {server.ports["imaps"]}\nUser {ANN}\nPass "{server.users[ANN]}"\n'
        f"SSLType IMAPS\nCertificateFile {server.authority}\n\n"
        "IMAPStore far\nAccount xtramail\n\n"
        f"MaildirStore near\nPath {local}/\nInbox {local}/INBOX\nSubFolders Verbatim\n\n"
        "Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nSync All\nExpunge Both\n"
        f"SyncState {folder}/state-\n"
    )
    return Copy(local, ["mbsync", "-c", str(config), "all"])


def offlineimap(server: Installation, folder: Path) -> Copy:
    local = folder / "mail"
    local.mkdir(parents=True)
    config = folder / "offlineimaprc"
    config.write_text(
        f"[general]\naccounts = ann\nmetadata = {folder}/state\nsocktimeout = 60\n\n"
        "[Account ann]\nlocalrepository = near\nremoterepository = far\n\n"
        f"[Repository near]\ntype = Maildir\nlocalfolders = {local}\nsep = /\n\n"
        f"[Repository far]\ntype = IMAP\nremotehost = localhost\nremoteport = {server.ports['imaps']}\n"
        f"remoteuser = {ANN}\nremotepass = {server.users[ANN]}\nssl = yes\nsslcacertfile = {server.authority}\n"
        "auth_mechanisms = PLAIN\nmaxconnections = 2\n"
    )
    return Copy(local, ["offlineimap", "-c", str(config), "-u", "basic", "-o"])


def far(server: Installation, name: str = "INBOX") -> dict[str, frozenset[str]]:
    """Subject and flags of each message on the server."""
    with server.imap(ANN) as client:
        status, answer = client.select(f'"{name}"', readonly=True)
        assert status == "OK", answer
        _, pieces = client.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])") if answer != [b"0"] else ("", [])
    found = {}
    for piece in pieces:
        if isinstance(piece, tuple):
            flags = re.search(rb"FLAGS \(([^)]*)\)", piece[0])
            assert flags
            found[piece[1].decode().strip().removeprefix("Subject: ")] = frozenset(flags[1].decode().split())
    return found


def standing(server: Installation) -> list[bytes]:
    """UIDNEXT and MODSEQ of every mailbox: what nobody changed stays."""
    with server.imap(ANN) as client:
        names = [line.rpartition(b'"/" ')[2].decode() for line in client.list()[1] if isinstance(line, bytes)]
        return sorted(client.status(name, "(MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)")[1][0] for name in names)


@pytest.mark.parametrize("program", [mbsync, offlineimap])
def test_changes_on_both_sides_come_together_and_a_second_run_changes_nothing(
    install: Install, tmp_path: Path, program: Callable[[Installation, Path], Copy]
) -> None:
    server = install()
    server.add_domain(DOMAIN)
    server.add_user(ANN)
    server.start()
    for number in range(MESSAGES):
        server.send(mail(number), ANN)
    near = program(server, tmp_path / "near")
    near.sync()
    assert set(near.subjects()) == {f"message {number}" for number in range(MESSAGES)}

    here = near.maildir("INBOX")
    here.add(mail("from here", to="bob@sender.example").replace(b"\r\n", b"\n"))
    seen = here[near.key("message 0")]
    seen.set_flags("FS")
    here[near.key("message 0")] = seen
    here.remove(near.key("message 1"))
    mailbox.Maildir(near.folder / "Projekt", create=True).add(mail("a plan").replace(b"\r\n", b"\n"))
    with server.imap(ANN) as client:
        client.select("INBOX")
        client.store("3", "+FLAGS", "(\\Answered)")
        client.store("4", "+FLAGS", "(\\Deleted)")
        client.expunge()
        client.create("Anderswo/Tief")
        client.append("Anderswo/Tief", "(\\Seen)", None, mail("from there"))  # type: ignore[arg-type]
    server.send(mail("fresh"), ANN)
    near.sync()
    known = near.key("message from here")
    near.sync()
    # What it was told of the message it filed is true: it need not fetch its own message as somebody else's.
    assert near.key("message from here") == known

    there = far(server)
    wanted = {"message 0", "message 2", "message 4", "message 5", "message from here", "message fresh"}
    assert set(there) == set(near.subjects()) == wanted
    assert there["message 0"] >= {"\\Seen", "\\Flagged"} and "R" in near.subjects()["message 2"]
    assert set(far(server, "Projekt")) == {"message a plan"}
    assert near.subjects("Anderswo/Tief") == {"message from there": "S"}

    before = near.files(), standing(server)
    near.sync()
    assert (near.files(), standing(server)) == before
