"""A phone that was away asks only for what changed, over a kill of the server too."""

from __future__ import annotations

import re

from tests.journeys.conftest import ANN, DOMAIN, Install
from tests.journeys.dialogue import Line
from tests.journeys.harness import Installation, mail

MESSAGES = 8


def phone(server: Installation) -> Line:
    line = Line(server.ports["imaps"], tls=server.tls())
    assert "[CAPABILITY " in line.hear()
    assert "QRESYNC" in line.command("p0", f'LOGIN {ANN} "{server.users[ANN]}"')[-1]
    assert line.command("p1", "ENABLE QRESYNC")[0] == "* ENABLED QRESYNC"
    return line


def number(name: str, lines: list[str]) -> int:
    found = re.search(rf"{name} (\d+)", "\n".join(lines))
    assert found, lines
    return int(found[1])


def test_a_phone_that_was_away_is_told_what_changed_and_no_more(install: Install) -> None:
    server = install()
    server.add_domain(DOMAIN)
    server.add_user(ANN)
    server.start()
    for count in range(MESSAGES):
        server.send(mail(count), ANN)
    with phone(server) as away:
        first = away.command("p2", "SELECT INBOX")
        assert f"* {MESSAGES} EXISTS" in first
    with server.imap(ANN) as other:
        other.select("INBOX")
        other.uid("STORE", "2,3", "+FLAGS.SILENT", "(\\Deleted)")
        other.expunge()
        other.uid("STORE", "5", "+FLAGS", "(\\Flagged)")
        told = other.status("INBOX", "(HIGHESTMODSEQ)")[1][0]
    server.kill()
    server.start()
    with phone(server) as back:
        known = f"{number('UIDVALIDITY', first)} {number('HIGHESTMODSEQ', first)} 1:{MESSAGES}"
        answer = back.command("p2", f"SELECT INBOX (QRESYNC ({known}))")
        assert "* VANISHED (EARLIER) 2:3" in answer
        assert [line for line in answer if "FETCH" in line] == [
            f"* 3 FETCH (UID 5 FLAGS (\\Flagged) MODSEQ ({number('HIGHESTMODSEQ', answer)}))"
        ]
        assert f"HIGHESTMODSEQ {number('HIGHESTMODSEQ', answer)})".encode() in told
        # And again, knowing everything.
        known = f"{number('UIDVALIDITY', first)} {number('HIGHESTMODSEQ', answer)}"
        assert not [line for line in back.command("p3", f"SELECT INBOX (QRESYNC ({known}))") if "VANISHED" in line]
