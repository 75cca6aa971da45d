"""UTF8=ACCEPT (RFC 6855): mailbox names as UTF-8, both ways, after ENABLE and not before."""

from __future__ import annotations

import pytest

from tests.imap_world import MAIL, Client, World


def say(client: Client, command: str) -> str:
    """In UTF-8, answers too."""
    client.send(f"x {command}\r\n".encode())
    return client.heard().encode("latin-1").decode()


def enabled() -> Client:
    client = World().client()
    assert client.say("ENABLE UTF8=ACCEPT") == "* ENABLED UTF8=ACCEPT\r\nT OK Enabled\r\n"
    return client


def test_names_are_quoted_utf8_after_enable() -> None:
    client = enabled()
    assert say(client, 'CREATE "Entwürfe & Ähnliches"').startswith("x OK")
    assert '"/" "Entwürfe & Ähnliches"' in say(client, 'LIST "" "Ent%"')
    say(client, 'SUBSCRIBE "Entwürfe & Ähnliches"')
    assert '"/" "Entwürfe & Ähnliches"' in say(client, 'LSUB "" "*würfe*"')
    assert '* STATUS "Entwürfe & Ähnliches" (MESSAGES 0)' in say(client, 'STATUS "Entwürfe & Ähnliches" (MESSAGES)')
    assert '* QUOTAROOT "Entwürfe & Ähnliches"' in say(client, 'GETQUOTAROOT "Entwürfe & Ähnliches"')
    assert say(client, 'RENAME "Entwürfe & Ähnliches" "日本語"').startswith("x OK")
    assert say(client, 'SELECT "日本語"').endswith("x OK [READ-WRITE] Selected\r\n")
    assert say(client, 'DELETE "日本語"').startswith("x OK")


def test_an_ampersand_is_a_letter_then_and_shifts_before() -> None:
    made = World()
    old, new = made.client(), made.client()
    new.say("ENABLE UTF8=ACCEPT")
    new.say('CREATE "R&D"')
    new.say('CREATE "&Jjo-"')
    assert '"R&-D"' in old.say('LIST "" "R*"')
    assert '"&-Jjo-"' in old.say('LIST "" "*jo-"')
    assert old.say('CREATE "A&B"').startswith("T NO [CANNOT]")
    assert old.say('CREATE "&Jjo-"').startswith("T OK")
    assert '"☺"' in say(new, 'LIST "" "☺"')


def test_before_enable_octets_above_127_are_no_name() -> None:
    client = World().client()
    assert say(client, 'CREATE "Entwürfe"').startswith("x NO [CANNOT]")


@pytest.mark.parametrize("name", ["\u2028", "a\u0085b", "\u2029x"])
def test_separators_and_controls_are_no_names(name: str) -> None:
    assert say(enabled(), f'CREATE "{name}"').startswith("x NO [CANNOT]")


def test_what_is_not_utf8_is_no_name() -> None:
    client = enabled()
    client.send(b'x CREATE "\xff\xfe"\r\n')
    assert client.heard().startswith("x NO [CANNOT]")


def test_quotes_and_backslashes_are_escaped_and_long_names_stay_quoted() -> None:
    client = enabled()
    say(client, 'CREATE "say \\"hé\\" \\\\o/x"')
    assert '"say \\"hé\\" \\\\o/x"' in say(client, 'LIST "" "say*x"')
    long = "é" * 240
    assert say(client, f'CREATE "{long}"').startswith("x OK")
    assert f'"{long}"' in say(client, 'LIST "" "éé*"')


def test_search_names_no_charset_any_more_but_sort_does() -> None:
    client = enabled()
    client.append(MAIL.replace(b"Lunch", "Müsli".encode()))
    client.say("SELECT INBOX")
    assert say(client, "SEARCH CHARSET UTF-8 ALL").startswith("x BAD")
    assert say(client, 'SEARCH SUBJECT "müsli"').startswith("* SEARCH 1\r\n")
    assert say(client, 'SORT (DATE) UTF-8 SUBJECT "müsli"').startswith("* SORT 1\r\n")


@pytest.mark.parametrize("plus", [b"", b"+"])
def test_a_message_may_come_as_utf8_data(plus: bytes) -> None:
    client = enabled()
    message = MAIL.replace(b"Lunch", "Müsli".encode())
    client.send(b"a APPEND INBOX (\\Seen) UTF8 (~{%d%b}\r\n" % (len(message), plus) + message + b")\r\n")
    assert "a OK [APPENDUID" in client.heard()
    client.say("SELECT INBOX")
    assert say(client, 'SEARCH SUBJECT "müsli" SEEN').startswith("* SEARCH 1\r\n")


@pytest.mark.parametrize("command", [b"UTF8 (~{5}", b"UTF8 ({5}", b"UTF8 ~{5}", b"utf9 (~{5}"])
def test_utf8_data_is_written_one_way_only(command: bytes) -> None:
    client = enabled()
    client.send(b"a APPEND INBOX " + command + b"\r\n")
    if command == b"UTF8 (~{5}":
        assert client.heard().startswith("+")
        client.send(b"12345\r\n")
    assert client.heard().startswith("a BAD")
    assert "MESSAGES 0" in client.say("STATUS INBOX (MESSAGES)")
