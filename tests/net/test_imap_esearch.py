"""ESEARCH, SEARCHRES, PARTIAL and WITHIN as dialogues (RFC 4731, RFC 5182, RFC 9394, RFC 5032)."""

from __future__ import annotations

import re

import pytest

from tests.imap_world import Client, World
from xtramail.model.flags import Flag


def opened(count: int = 6) -> tuple[World, Client]:
    """Messages 2 and 5 are flagged, 6 is seen."""
    world = World()
    for number in range(1, count + 1):
        world.deliver(flags=Flag.FLAGGED if number in (2, 5) else Flag.SEEN if number == 6 else None)
        world.clock.advance(100)
    client = world.client()
    client.say("SELECT INBOX")
    return world, client


def found(client: Client, command: str) -> str:
    """The answer's options."""
    answer = client.say(command)
    match = re.match(r'\* ESEARCH \(TAG "t\d+"\)(.*)\r\nT OK Searched\r\n', answer)
    assert match, answer
    return match[1].strip()


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("SEARCH RETURN (MIN MAX COUNT ALL) FLAGGED", "MIN 2 MAX 5 ALL 2,5 COUNT 2"),
        ("search return () flagged", "ALL 2,5"),
        ("UID SEARCH RETURN (COUNT) ALL", "UID COUNT 6"),
        ("SEARCH RETURN (MIN MAX ALL COUNT) ANSWERED", "COUNT 0"),
        ("SEARCH RETURN (MIN) ANSWERED", ""),
        ("SEARCH RETURN (ALL) CHARSET UTF-8 NOT FLAGGED", "ALL 1,3:4,6"),
        ("SEARCH RETURN (PARTIAL 1:2) UNSEEN", "PARTIAL (1:2 1:2)"),
        ("SEARCH RETURN (PARTIAL 3:2) UNSEEN", "PARTIAL (3:2 2:3)"),
        ("SEARCH RETURN (PARTIAL 4:9) UNSEEN", "PARTIAL (4:9 4:5)"),
        ("UID SEARCH RETURN (COUNT PARTIAL -1:-2) UNSEEN", "UID COUNT 5 PARTIAL (-1:-2 4:5)"),
        ("SEARCH RETURN (PARTIAL -5:-100) UNSEEN", "PARTIAL (-5:-100 1)"),
        ("SEARCH RETURN (PARTIAL -6:-100) UNSEEN", "PARTIAL (-6:-100 NIL)"),
        ("SEARCH RETURN (PARTIAL 100:200) UNSEEN", "PARTIAL (100:200 NIL)"),
        ("SEARCH RETURN (ALL) OLDER 350", "ALL 1:3"),
        ("SEARCH RETURN (ALL) YOUNGER 350", "ALL 4:6"),
    ],
)
def test_what_was_asked_is_told(command: str, answer: str) -> None:
    assert found(opened()[1], command) == answer


@pytest.mark.parametrize(
    "options",
    ["(PARTIAL 0:1)", "(PARTIAL 1:-1)", "(PARTIAL 1)", "(PARTIAL 1:2 ALL)", "(PARTIAL 1:2 PARTIAL 3:4)", "(MOST)",
     "(MIN MAX", "MIN", "(PARTIAL 1:99999999999)"],
)  # fmt: skip
def test_malformed_options_are_bad(options: str) -> None:
    assert opened(1)[1].say(f"SEARCH RETURN {options} ALL").startswith("T BAD ")


def test_the_modseq_is_that_of_the_messages_told() -> None:
    _, client = opened()
    known = {int(n): m for n, m in re.findall(r"\* (\d) FETCH \(MODSEQ \((\d+)\)", client.say("FETCH 1:* MODSEQ"))}
    assert found(client, "SEARCH RETURN (MIN) FLAGGED MODSEQ 1") == f"MIN 2 MODSEQ {known[2]}"
    assert found(client, "SEARCH RETURN (MIN MAX) FLAGGED MODSEQ 1") == f"MIN 2 MAX 5 MODSEQ {known[5]}"
    assert found(client, "SEARCH RETURN (COUNT MIN) MODSEQ 1") == f"MIN 1 COUNT 6 MODSEQ {known[6]}"
    assert found(client, "SEARCH RETURN (PARTIAL 1:1) FLAGGED MODSEQ 1") == f"PARTIAL (1:1 2) MODSEQ {known[2]}"
    assert found(client, "SEARCH RETURN (COUNT) ANSWERED MODSEQ 1") == "COUNT 0"


def test_a_saved_result_stands_for_messages_in_later_commands() -> None:
    _, client = opened()
    assert client.say("SEARCH RETURN (SAVE) FLAGGED") == "T OK Searched\r\n"
    assert re.findall(r"\* (\d) FETCH", client.say("FETCH $ (UID)")) == ["2", "5"]
    assert re.findall(r"\* (\d) FETCH", client.say("UID STORE $ +FLAGS (\\Seen)")) == ["2", "5"]
    assert found(client, "UID SEARCH RETURN (ALL SAVE) UID $ NOT UID 2") == "UID ALL 5"
    assert client.say("SEARCH NOT $").startswith("* SEARCH 1 2 3 4 6\r\n")
    assert " 5 1] " in client.say("UID COPY $ Archive")
    assert "* 5 EXPUNGE" in client.say("MOVE $ Archive")
    assert client.say("FETCH $ UID") == "T OK Fetched\r\n"


def test_what_is_saved_follows_the_options() -> None:
    _, client = opened()
    for options, numbers in (("MIN", ["2"]), ("MAX", ["5"]), ("MIN MAX", ["2", "5"]), ("COUNT", ["2", "5"])):
        client.say(f"SEARCH RETURN (SAVE {options}) FLAGGED")
        assert re.findall(r"\* (\d) FETCH", client.say("FETCH $ UID")) == numbers
    client.say("SEARCH RETURN (SAVE PARTIAL -1:-2) ALL")
    assert re.findall(r"\* (\d) FETCH", client.say("FETCH $ UID")) == ["5", "6"]


@pytest.mark.parametrize(
    ("keys", "code"),
    [("CHARSET X-NONE TEXT a", "BADCHARSET (UTF-8 US-ASCII)"), (" ".join(["TEXT a"] * 257), "LIMIT")],
)
def test_a_search_that_is_declined_forgets_what_was_saved_where_it_would_have_saved(keys: str, code: str) -> None:
    _, client = opened()
    client.say("SEARCH RETURN (SAVE) FLAGGED")
    assert client.say(f"SEARCH RETURN (ALL) {keys}").startswith(f"T NO [{code}] ")
    assert found(client, "UID SEARCH RETURN (ALL) $") == "UID ALL 2,5"
    assert client.say(f"SEARCH RETURN (SAVE) {keys}").startswith(f"T NO [{code}] ")
    assert found(client, "UID SEARCH RETURN (ALL) $") == "UID"


def test_a_saved_result_survives_a_bad_search_and_is_gone_after_a_failed_or_other_select() -> None:
    world, client = opened()
    client.say("SEARCH RETURN (SAVE) FLAGGED")
    assert client.say("SEARCH RETURN (SAVE) NONSENSE").startswith("T BAD ")
    assert "* 5 FETCH" in client.say("FETCH $ UID")
    client.say("SEARCH ALL")
    assert "* 5 FETCH" in client.say("FETCH $ UID")
    client.say("SELECT INBOX")
    assert client.say("FETCH $ UID") == "T OK Fetched\r\n"


def test_a_saved_message_that_another_session_expunged_leaves_the_result() -> None:
    world, client = opened()
    client.say("SEARCH RETURN (SAVE) FLAGGED")
    other = world.client()
    other.say("SELECT INBOX")
    other.say("STORE 2 +FLAGS (\\Deleted)")
    other.say("EXPUNGE")
    assert "* 2 EXPUNGE" in client.say("NOOP")
    assert re.findall(r"\* (\d) FETCH \(UID (\d)", client.say("FETCH $ UID")) == [("4", "5")]


def test_uid_expunge_takes_a_saved_result() -> None:
    _, client = opened()
    client.say("SEARCH RETURN (SAVE) FLAGGED")
    client.say("STORE 1:* +FLAGS.SILENT (\\Deleted)")
    assert re.findall(r"\* (\d) EXPUNGE", client.say("UID EXPUNGE $")) == ["5", "2"]


def test_a_saved_result_stands_alone_and_only_where_it_is_offered() -> None:
    world, client = opened(2)
    for command in ("FETCH 1,$ UID", "FETCH $:2 UID", "FETCH $$ UID"):
        assert client.say(command).startswith("T BAD ")
    world.ann.settings["hidden_capabilities"] = "SEARCHRES"
    plain = world.client()
    plain.say("SELECT INBOX")
    assert plain.say("SEARCH RETURN (SAVE) ALL").startswith("T BAD ")
    assert plain.say("FETCH $ UID").startswith("T BAD ")
    assert "ALL 1:2" in plain.say("SEARCH RETURN () ALL")


def test_uid_fetch_takes_a_window_of_what_it_names() -> None:
    _, client = opened()
    assert re.findall(r"\* (\d) FETCH", client.say("UID FETCH 2:* (UID) (PARTIAL 2:3)")) == ["3", "4"]
    assert re.findall(r"\* (\d) FETCH", client.say("UID FETCH 1:* (UID) (PARTIAL -1:-2)")) == ["5", "6"]
    assert client.say("UID FETCH 1:* (UID) (PARTIAL 7:9)") == "T OK Fetched\r\n"
    assert client.say("FETCH 1:* (UID) (PARTIAL 1:2)").startswith("T BAD ")
