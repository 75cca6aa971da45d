"""neomutt with its header cache and QRESYNC, driven by keys as a person at a terminal drives it."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from pathlib import Path

from tests.journeys.conftest import ANN, DOMAIN, Install
from tests.journeys.harness import Installation, mail

ENDS_WITHIN = 90.0
MESSAGES = 5


def configured(server: Installation, folder: Path) -> Path:
    """A configuration that asks nothing and stops nowhere."""
    folder.mkdir()
    config = folder / "neomuttrc"
    config.write_text(
        f"set folder = imaps://localhost:{server.ports['imaps']}/\nset spool_file = +INBOX\n"
        f"set imap_user = {ANN}\nset imap_pass = '{server.users[ANN]}'\n"
        f"set certificate_file = {server.authority}\n"
        f"set header_cache = {folder}/headers\nset message_cachedir = {folder}/bodies\n"
        "set imap_qresync = yes\nset imap_condstore = yes\nset imap_idle = no\nset imap_check_subscribed = yes\n"
        "set confirm_append = no\nset confirm_create = no\nset delete = yes\nset quit = yes\nset move = no\n"
        "set wait_key = no\nset sleep_time = 0\nset mark_old = no\nset trash = ''\n"
        "set copy = no\nset record = ''\nset abort_key = '<F12>'\nset pager_index_lines = 0\n"
    )
    return config


def neomutt(config: Path, keys: str, *arguments: str) -> str:
    """Run it on a terminal with ``keys`` pressed in advance until it ends; what it showed."""
    here, there = pty.openpty()
    command = ["neomutt", "-n", "-F", str(config), *arguments, "-e", f'push "{keys}"']
    environment = {**os.environ, "TERM": "xterm", "HOME": str(config.parent), "LINES": "40", "COLUMNS": "120"}
    with subprocess.Popen(command, stdin=there, stdout=there, stderr=there, env=environment) as program:
        os.close(there)
        shown, deadline = b"", time.monotonic() + ENDS_WITHIN
        try:
            while time.monotonic() < deadline:
                if select.select([here], [], [], 0.2)[0]:
                    try:
                        shown += os.read(here, 65_536)
                    except OSError:
                        # The terminal's other end is closed.
                        break
                elif program.poll() is not None:
                    break
            else:
                program.kill()
                raise AssertionError(f"it did not end: {shown[-3000:]!r}")
        finally:
            os.close(here)
        assert program.wait(60) == 0, shown[-3000:]
    return re.sub(rb"\x1b[()\[][0-9;?]*[A-Za-z]?", b"", shown).decode("utf-8", "replace")


def subjects(server: Installation, name: str) -> dict[str, bytes]:
    """Subject and FETCH line of each message."""
    with server.imap(ANN) as client:
        client.select(name, readonly=True)
        _, pieces = client.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    return {one[1].decode().strip().removeprefix("Subject: "): one[0] for one in pieces if isinstance(one, tuple)}


def status(server: Installation) -> bytes | None:
    with server.imap(ANN) as client:
        answer = client.status("INBOX", "(MESSAGES UNSEEN RECENT HIGHESTMODSEQ)")[1][0]
    assert answer is None or isinstance(answer, bytes)
    return answer


def test_neomutt_flags_moves_and_deletes_and_comes_back_from_its_cache(install: Install, tmp_path: Path) -> None:
    server = install()
    server.add_domain(DOMAIN)
    server.add_user(ANN)
    server.start()
    for number in range(MESSAGES):
        server.send(mail(number), ANN)
    config = configured(server, tmp_path / "neomutt")

    shown = neomutt(
        config,
        "<search>~s 'message 1'<enter><flag-message>"
        "<search>~s 'message 2'<enter><save-message>=Archive<enter>"
        "<search>~s 'message 3'<enter><delete-message>"
        "<sync-mailbox><quit>",
    )
    assert "message 4" in shown
    inbox = subjects(server, "INBOX")
    assert set(inbox) == {"message 0", "message 1", "message 4"} and b"\\Flagged" in inbox["message 1"]
    assert set(subjects(server, "Archive")) == {"message 2"}
    assert any((tmp_path / "neomutt" / "headers").rglob("*")) or (tmp_path / "neomutt" / "headers").is_file()

    # Away: others change, add and expunge.
    with server.imap(ANN) as client:
        client.select("INBOX")
        client.store("3", "+FLAGS", "(\\Answered)")
        client.store("1", "+FLAGS", "(\\Deleted)")
        client.expunge()
    server.send(mail("fresh"), ANN)
    before = server.log_end()
    shown = neomutt(config, "<search>~s fresh<enter><display-message><exit><sync-mailbox><quit>")
    assert "message fresh" in shown and "message 0" not in shown
    inbox = subjects(server, "INBOX")
    assert set(inbox) == {"message 1", "message 4", "message fresh"}
    assert b"\\Seen" in inbox["message fresh"] and b"\\Answered" in inbox["message 4"]
    assert server.log("logged-in", since=before)

    # Reading only, all comes from the cache and nothing changes.
    before_status = status(server)
    shown = neomutt(config, "<quit>", "-R")
    assert "message 4" in shown and "message fresh" in shown and status(server) == before_status
