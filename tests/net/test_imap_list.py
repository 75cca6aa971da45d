"""LIST-EXTENDED, LIST-STATUS, SPECIAL-USE and CREATE-SPECIAL-USE as dialogues (RFC 5258, RFC 5819, RFC 6154)."""

from __future__ import annotations

import re

import pytest

from tests.imap_world import MAIL, Client, World


def client_of(*commands: str) -> Client:
    client = World().client()
    for command in commands:
        assert "T OK" in client.say(command), command
    return client


def lines(client: Client, command: str) -> list[str]:
    """What was listed: attributes, name, and what follows."""
    answer = client.say(command)
    assert "T OK Listed" in answer, answer
    return [f"{attributes} {name}" for attributes, name in re.findall(r'\* LIST (\(.*\)) "/" (.*)\r\n', answer)]


def tree() -> Client:
    """fruit (with apple subscribed and pear), and a subscribed name that is no mailbox."""
    return client_of(
        "CREATE fruit/apple",
        "CREATE fruit/pear",
        "SUBSCRIBE fruit/apple",
        "SUBSCRIBE lost/thing",
        *(f"UNSUBSCRIBE {name}" for name in ("INBOX", "Drafts", "Sent", "Archive", "Junk", "Trash")),
    )


def test_subscribed_names_are_listed_with_what_is_known_of_them() -> None:
    assert lines(tree(), 'LIST (SUBSCRIBED) "" *') == [
        '(\\HasNoChildren \\Subscribed) "fruit/apple"',
        '(\\NonExistent \\HasNoChildren \\Subscribed) "lost/thing"',
    ]
    assert lines(tree(), 'list (subscribed remote) "" "fruit/%"') == ['(\\HasNoChildren \\Subscribed) "fruit/apple"']
    assert lines(tree(), 'LIST (SUBSCRIBED) "" %') == []


def test_recursivematch_tells_parents_of_what_was_selected() -> None:
    client = tree()
    assert lines(client, 'LIST (SUBSCRIBED RECURSIVEMATCH) "" %') == [
        '(\\HasChildren) "fruit" ("CHILDINFO" ("SUBSCRIBED"))',
        '(\\NonExistent \\HasNoChildren) "lost" ("CHILDINFO" ("SUBSCRIBED"))',
    ]
    client.say("SUBSCRIBE fruit")
    assert lines(client, 'LIST (RECURSIVEMATCH SUBSCRIBED) "" fruit*') == [
        '(\\HasChildren \\Subscribed) "fruit" ("CHILDINFO" ("SUBSCRIBED"))',
        '(\\HasNoChildren \\Subscribed) "fruit/apple"',
    ]


def test_returned_subscriptions_mark_what_is_listed_anyway() -> None:
    assert lines(tree(), 'LIST "" (fruit/% lost/%) RETURN (SUBSCRIBED CHILDREN)') == [
        '(\\HasNoChildren \\Subscribed) "fruit/apple"',
        '(\\HasNoChildren) "fruit/pear"',
    ]


def test_several_patterns_list_each_name_once() -> None:
    assert lines(tree(), 'LIST "" ("fruit/*" "fruit/a*" %it)') == [
        '(\\HasChildren) "fruit"', '(\\HasNoChildren) "fruit/apple"', '(\\HasNoChildren) "fruit/pear"',
    ]  # fmt: skip
    assert lines(tree(), 'LIST (SUBSCRIBED) fruit/ (apple pear)') == ['(\\HasNoChildren \\Subscribed) "fruit/apple"']


def test_each_special_use_has_one_mailbox() -> None:
    listed = lines(World().client(), 'LIST (SPECIAL-USE) "" * RETURN (SPECIAL-USE)')
    uses = [re.findall(r"\\(Drafts|Sent|Archive|Junk|Trash)", line) for line in listed]
    assert sorted(use for (use,) in uses) == ["Archive", "Drafts", "Junk", "Sent", "Trash"]


def test_list_status_tells_each_mailbox_behind_its_line() -> None:
    client = tree()
    client.append(MAIL, "fruit/pear")
    answer = client.say('LIST "" fruit/% RETURN (STATUS (MESSAGES UNSEEN SIZE UIDNEXT))')
    assert '* STATUS "fruit/apple" (MESSAGES 0 UNSEEN 0 SIZE 0 UIDNEXT 1)\r\n' in answer
    assert f'* STATUS "fruit/pear" (MESSAGES 1 UNSEEN 1 SIZE {len(MAIL)} UIDNEXT 2)\r\n' in answer
    missing = client.say('LIST (SUBSCRIBED) "" lost* RETURN (STATUS (MESSAGES))')
    assert "STATUS" not in missing and "\\NonExistent" in missing


@pytest.mark.parametrize(
    "command",
    [
        'LIST (RECURSIVEMATCH) "" *',
        'LIST (RECURSIVEMATCH REMOTE) "" *',
        'LIST (NONSENSE) "" *',
        'LIST "" * RETURN (NONSENSE)',
        'LIST "" ()',
        'LIST "" * RETURN (STATUS ())',
        'LIST "" * RETURN STATUS',
    ],
)
def test_malformed_options_are_bad(command: str) -> None:
    assert World().client().say(command).startswith("T BAD ")


def test_an_empty_pattern_of_the_extended_form_names_nothing() -> None:
    client = World().client()
    assert client.say('LIST (SUBSCRIBED) "" ""') == "T OK Listed\r\n"
    assert client.say('LIST "" ""').startswith('* LIST (\\Noselect) "/" ""\r\n')


def test_a_mailbox_can_be_made_for_a_use_that_is_free() -> None:
    client = client_of("DELETE Trash", "CREATE Bin (USE (\\Trash))")
    assert lines(client, 'LIST (SPECIAL-USE) "" Bin') == ['(\\HasNoChildren \\Trash) "Bin"']
    assert lines(client.world.client(), 'LIST (SPECIAL-USE) "" *').count('(\\HasNoChildren \\Trash) "Bin"') == 1


@pytest.mark.parametrize("uses", ["\\Sent", "\\All", "\\Flagged", "\\Nonsense", "\\Trash \\Junk"])
def test_a_use_that_cannot_be_had_leaves_nothing_made(uses: str) -> None:
    client = World().client()
    assert client.say(f"CREATE Mine (USE ({uses}))").startswith("T NO [USEATTR] ")
    assert lines(client, 'LIST "" Mine') == []
    assert client.say("CREATE Mine (UES (\\Sent))").startswith("T BAD ")


def test_a_special_mailbox_deleted_and_made_anew_has_its_use_again_at_the_next_login() -> None:
    world = World()
    client = world.client()
    client.say("DELETE Sent")
    client.say("CREATE Sent")
    assert "\\Sent" not in client.say('LIST "" Sent')
    assert "\\Sent" in world.client().say('LIST "" Sent')


def test_recursivematch_leaves_out_parents_whose_children_are_told_themselves() -> None:
    client = tree()
    assert lines(client, 'LIST (SUBSCRIBED RECURSIVEMATCH) "" (fruit fruit/apple)') == [
        '(\\HasNoChildren \\Subscribed) "fruit/apple"'
    ]
    client.say("SUBSCRIBE fruit/pear")
    assert lines(client, 'LIST (SUBSCRIBED RECURSIVEMATCH) "" (fruit fruit/apple)') == [
        '(\\HasChildren) "fruit" ("CHILDINFO" ("SUBSCRIBED"))', '(\\HasNoChildren \\Subscribed) "fruit/apple"',
    ]  # fmt: skip


def test_a_pattern_that_is_no_name_in_modified_utf7_names_nothing() -> None:
    assert World().client().say("LIST \"\" !#$$&'+,-.0123456789:;<=>?@^_`|[}%*") == "T OK Listed\r\n"
