"""A large message goes the whole way without ever lying in memory."""

from __future__ import annotations

from tests.journeys.conftest import DOMAIN, Install
from tests.journeys.harness import after_return_path, after_trace, eventually, mail
from tests.journeys.scripted_primary import ScriptedPrimary

MIB = 1 << 20
SIZE = 40 * MIB
GROWTH = 20 * MIB
"""Half of the message at most, for everything that it does here; a few MiB are usual."""


def test_forty_mebibytes_pass_in_bounded_memory(install: Install, primary: ScriptedPrimary) -> None:
    server = install()
    ann = f"ann@{DOMAIN}"
    server.add_domain(DOMAIN, "--primary", primary.host)
    server.add_user(ann)
    server.start()
    with server.imap(ann) as client:
        client.select("INBOX")
    before = server.memory_peak()
    sent = mail("large", size=SIZE)
    server.send(sent, ann)
    with server.imap(ann) as client:
        client.select("INBOX")
        _, pieces = client.fetch("1", "(RFC822.SIZE BODY.PEEK[])")
        stored = pieces[0][1]
        assert after_trace(stored) == sent
        _, part = client.fetch("1", f"(BODY.PEEK[]<{SIZE // 2}.1000>)")
        assert part[0][1] == stored[SIZE // 2 : SIZE // 2 + 1000]
        assert client.append("Archive", None, None, sent)[0] == "OK"  # type: ignore[arg-type]
    (handed_on,) = eventually(lambda: primary.messages, what="the primary has it")
    assert handed_on.octets == after_return_path(stored)
    growth = server.memory_peak() - before
    assert growth < GROWTH, f"{growth / MIB:.0f} MiB more"
