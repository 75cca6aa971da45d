"""Capabilities hidden from a client by its ID, from an account by its setting: told nowhere, and refused as unknown."""

from __future__ import annotations

import pytest

from tests.imap_world import PASSWORD, Client, World
from xtramail.wire.imap.client_masks import read_client_mask

BAD = "T BAD Unknown command\r\n"


def world_of(*masks: str, account: str = "") -> World:
    world = World()
    world.service.masks = tuple(read_client_mask(mask) for mask in masks)
    if account:
        world.ann.settings["hidden_capabilities"] = account
    return world


def offers(client: Client) -> set[str]:
    return set(client.say("CAPABILITY").split("\r\n")[0].split()[2:])


def test_what_is_hidden_from_a_client_is_not_told_and_not_known() -> None:
    client = world_of("name=Choke*: IDLE, MOVE, SORT").client()
    assert {"IDLE", "MOVE", "SORT"} < offers(client)
    assert client.say('ID ("name" "ChokeMail" "version" "1")').startswith("* ID (")
    assert not {"IDLE", "MOVE", "SORT", "IMAP4rev2"} & offers(client)
    assert {"CONDSTORE", "UIDPLUS"} < offers(client)
    client.say("SELECT INBOX")
    for command in ("IDLE", "MOVE 1 Trash", "SORT (DATE) UTF-8 ALL"):
        assert client.say(command) == BAD
    assert client.say("UID MOVE 1 Trash") == BAD


def test_an_id_before_login_counts_after_it_and_in_the_code_of_its_ok() -> None:
    world = world_of("name=choke: QRESYNC", account="WITHIN")
    client = world.client(login=False)
    client.say('ID ("NAME" "Choke")')
    answer = client.say(f'LOGIN ann@example.org "{PASSWORD}"')
    assert "CONDSTORE" in answer and "QRESYNC" not in answer and "WITHIN" not in answer
    assert client.say("ENABLE QRESYNC CONDSTORE").startswith("* ENABLED CONDSTORE\r\n")
    assert world.client().greeting.count("QRESYNC") == 1, "another client is not concerned"


def test_an_account_and_its_client_hide_together_and_a_new_id_takes_the_place_of_the_old() -> None:
    client = world_of("name=choke: IDLE", account="move, within").client()
    client.say('ID ("name" "choke")')
    assert not {"IDLE", "MOVE", "WITHIN"} & offers(client)
    client.say('ID ("name" "other")')
    assert "IDLE" in offers(client) and not {"MOVE", "WITHIN"} & offers(client)
    client.say("ID NIL")
    assert "IDLE" in offers(client)


def test_what_depends_on_something_hidden_is_hidden_too() -> None:
    client = world_of("name=choke: ESEARCH").client()
    client.say('ID ("name" "choke")')
    assert not {"ESEARCH", "SEARCHRES", "PARTIAL", "IMAP4rev2"} & offers(client)
    client.say("SELECT INBOX")
    assert "T BAD" in client.say("SEARCH RETURN (MIN) ALL")


def test_what_was_enabled_stays() -> None:
    client = world_of("name=choke: UTF8=ACCEPT, CONDSTORE").client()
    client.say("ENABLE UTF8=ACCEPT")
    client.say('ID ("name" "choke")')
    assert "UTF8=ACCEPT" in offers(client) and "CONDSTORE" not in offers(client)
    client.say('CREATE "R&D"')
    assert '"/" "R&D"' in client.say('LIST "" R*')
    assert "HIGHESTMODSEQ" not in client.say("SELECT INBOX")


@pytest.mark.parametrize("literal", ["LITERAL+", "MULTIAPPEND"])
def test_literals_obey_as_well(literal: str) -> None:
    client = world_of(f"name=choke: {literal}").client()
    client.say('ID ("name" "choke")')
    answer = client.append(b"From: a@b.example\r\n\r\nx")
    assert ("T OK" in answer) is (literal != "LITERAL+")


def test_a_rule_set_while_the_server_runs_counts_for_the_next_id() -> None:
    world = world_of()
    client = world.client()
    client.say('ID ("name" "choke")')
    world.service.masks = (read_client_mask("name=choke: IDLE"),)
    assert "IDLE" in offers(client)
    client.say('ID ("name" "choke")')
    assert "IDLE" not in offers(client)
