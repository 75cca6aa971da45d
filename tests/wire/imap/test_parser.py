from __future__ import annotations

import pytest

from tests.wire.imap.dialogue import answered, logged_in, parsed, play
from xtramail.model.flags import Flag
from xtramail.model.sequence import STAR, SequenceSet
from xtramail.wire.imap import commands
from xtramail.wire.imap.commands import (
    Command,
    ListReturn,
    ListSelection,
    Resync,
    SearchReturn,
    StatusItem,
    StoreMode,
)
from xtramail.wire.imap.fetch_parser import parse_fetch_items
from xtramail.wire.imap.search_keys import Everything, HasFlag

ONE_TO_STAR = SequenceSet(ranges=((1, STAR),), star=True)
FIVE = SequenceSet(ranges=((5, 5),))


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"a CAPABILITY", commands.Capability(tag=b"a")),
        (b"a noop", commands.Noop(tag=b"a")),
        (b"a NOOP ", commands.Noop(tag=b"a")),
        (b"a LOGOUT", commands.Logout(tag=b"a")),
        (b"a ID NIL", commands.Id(tag=b"a", fields=())),
        (b"a ID ()", commands.Id(tag=b"a", fields=())),
        (b'a ID ("Name" "x" "version" NIL)', commands.Id(tag=b"a", fields=(("name", "x"), ("version", None)))),
        (b"a ENABLE condstore QRESYNC X-Y", commands.Enable(tag=b"a", capabilities=("CONDSTORE", "QRESYNC"))),
        (b"a ENABLE X-Y", commands.Enable(tag=b"a", capabilities=())),
        (b"a SELECT inbox", commands.Select(tag=b"a", mailbox="INBOX")),
        (b'a SELECT "Entw&APw-rfe"', commands.Select(tag=b"a", mailbox="Entwürfe")),
        (
            b"a EXAMINE &",
            commands.Examine(tag=b"a", mailbox="", declined=("Mailbox name is not in modified UTF-7", b"CANNOT")),
        ),
        (b"a SELECT x (CONDSTORE)", commands.Select(tag=b"a", mailbox="x", condstore=True)),
        (
            b"a SELECT x (QRESYNC (67890007 20050715194045000 41,43:211 (1:2 41,43)))",
            commands.Select(
                tag=b"a",
                mailbox="x",
                resync=Resync(
                    uidvalidity=67890007,
                    modseq=20050715194045000,
                    known_uids=SequenceSet(ranges=((41, 41), (43, 211))),
                    match_numbers=SequenceSet(ranges=((1, 2),)),
                    match_uids=SequenceSet(ranges=((41, 41), (43, 43))),
                ),
            ),
        ),
        (
            b"a EXAMINE x (QRESYNC (1 0))",
            commands.Examine(tag=b"a", mailbox="x", resync=Resync(uidvalidity=1, modseq=0)),
        ),
        (b"a CREATE Lists/", commands.Create(tag=b"a", mailbox="Lists")),
        (
            b"a CREATE Sent2 (USE (\\sent \\Drafts))",
            commands.Create(tag=b"a", mailbox="Sent2", special_use=("\\Sent", "\\Drafts")),
        ),
        (b"a DELETE x", commands.Delete(tag=b"a", mailbox="x")),
        (b"a RENAME x y/z", commands.Rename(tag=b"a", source="x", target="y/z")),
        (b"a SUBSCRIBE x", commands.Subscribe(tag=b"a", mailbox="x")),
        (b"a UNSUBSCRIBE x", commands.Unsubscribe(tag=b"a", mailbox="x")),
        (b'a LIST "" %', commands.List(tag=b"a", reference="", patterns=("%",))),
        (b'a LIST "" ""', commands.List(tag=b"a", reference="", patterns=("",))),
        (b"a LIST foo/ *]x", commands.List(tag=b"a", reference="foo/", patterns=("*]x",))),
        (
            b'a list (subscribed recursivematch) "" ("*" %/x) return (children subscribed status (messages unseen))',
            commands.List(
                tag=b"a",
                reference="",
                patterns=("*", "%/x"),
                selection=frozenset({ListSelection.SUBSCRIBED, ListSelection.RECURSIVEMATCH}),
                returns=frozenset({ListReturn.CHILDREN, ListReturn.SUBSCRIBED}),
                status=(StatusItem.MESSAGES, StatusItem.UNSEEN),
                extended=True,
            ),
        ),
        (
            b'a LIST () "" * RETURN ()',
            commands.List(tag=b"a", reference="", patterns=("*",), extended=True),
        ),
        (b'a LSUB "" "*"', commands.Lsub(tag=b"a", reference="", pattern="*")),
        (b"a NAMESPACE", commands.Namespace(tag=b"a")),
        (
            b"a STATUS x (MESSAGES uidnext HIGHESTMODSEQ SIZE MESSAGES)",
            commands.Status(
                tag=b"a",
                mailbox="x",
                items=(StatusItem.MESSAGES, StatusItem.UIDNEXT, StatusItem.HIGHESTMODSEQ, StatusItem.SIZE),
            ),
        ),
        (b"a CHECK", commands.Check(tag=b"a")),
        (b"a CLOSE", commands.Close(tag=b"a")),
        (b"a UNSELECT", commands.Unselect(tag=b"a")),
        (b"a EXPUNGE", commands.Expunge(tag=b"a")),
        (b"a UID EXPUNGE 5", commands.UidExpunge(tag=b"a", numbers=FIVE)),
        (b"a SEARCH ALL", commands.Search(tag=b"a", uid=False, key=Everything())),
        (b"a UID SEARCH CHARSET UTF-8 SEEN", commands.Search(tag=b"a", uid=True, key=HasFlag(Flag.SEEN, True))),
        (
            b"a SEARCH RETURN (MIN count) ALL",
            commands.Search(
                tag=b"a", uid=False, key=Everything(), returns=frozenset({SearchReturn.MIN, SearchReturn.COUNT})
            ),
        ),
        (
            b"a UID SEARCH RETURN () ALL",
            commands.Search(tag=b"a", uid=True, key=Everything(), returns=frozenset({SearchReturn.ALL})),
        ),
        (
            b"a FETCH 1:* (FLAGS UID)",
            commands.Fetch(tag=b"a", uid=False, numbers=ONE_TO_STAR, items=parse_fetch_items(b"(FLAGS UID)")),
        ),
        (
            b"a UID FETCH *:1 FULL",
            commands.Fetch(tag=b"a", uid=True, numbers=ONE_TO_STAR, items=parse_fetch_items(b"FULL")),
        ),
        (
            b"a UID FETCH 5 ALL (CHANGEDSINCE 0 VANISHED)",
            commands.Fetch(
                tag=b"a", uid=True, numbers=FIVE, items=parse_fetch_items(b"ALL"), changed_since=0, vanished=True
            ),
        ),
        (
            b"a FETCH 5 BODY[HEADER.FIELDS (VANISHED)] (changedsince 9)",
            commands.Fetch(
                tag=b"a",
                uid=False,
                numbers=FIVE,
                items=parse_fetch_items(b"BODY[HEADER.FIELDS (VANISHED)]"),
                changed_since=9,
            ),
        ),
        (
            b"a STORE 5 +flags.silent (\\Seen x)",
            commands.Store(
                tag=b"a",
                uid=False,
                numbers=FIVE,
                mode=StoreMode.ADD,
                silent=True,
                flags=Flag.SEEN,
                keywords=("x",),
            ),
        ),
        (
            b"a UID STORE 5 (UNCHANGEDSINCE 12) -FLAGS \\Deleted",
            commands.Store(
                tag=b"a",
                uid=True,
                numbers=FIVE,
                mode=StoreMode.REMOVE,
                silent=False,
                flags=Flag.DELETED,
                keywords=(),
                unchanged_since=12,
            ),
        ),
        (
            b"a STORE 5 FLAGS ()",
            commands.Store(
                tag=b"a",
                uid=False,
                numbers=FIVE,
                mode=StoreMode.REPLACE,
                silent=False,
                flags=Flag(0),
                keywords=(),
            ),
        ),
        (b"a COPY 5 Sent", commands.Copy(tag=b"a", uid=False, numbers=FIVE, mailbox="Sent")),
        (b"a UID COPY 5 {4+}\r\nSent", commands.Copy(tag=b"a", uid=True, numbers=FIVE, mailbox="Sent")),
        (b"a MOVE 5 Sent", commands.Move(tag=b"a", uid=False, numbers=FIVE, mailbox="Sent")),
        (b"a UID MOVE 5 Sent", commands.Move(tag=b"a", uid=True, numbers=FIVE, mailbox="Sent")),
    ],
)
def test_a_line_becomes_a_command(line: bytes, command: Command) -> None:
    assert parsed(line) == command


@pytest.mark.parametrize(
    "line",
    [
        b"a NONSENSE",
        b"a NOOP x",
        b"a CAPABILITY  ",
        b"a ID",
        b'a ID ("name")',
        b"a ID (name x)",
        b"a ENABLE",
        b"a SELECT",
        b"a SELECT a b",
        b"a SELECT x (NONSENSE)",
        b"a SELECT x (QRESYNC (0 1))",
        b"a SELECT x (QRESYNC (1 1)",
        b"a RENAME x",
        b'a LIST ""',
        b'a LIST "" * NONSENSE',
        b'a LIST "" * RETURN (NONSENSE)',
        b'a LIST (RECURSIVEMATCH) "" *',
        b"a STATUS x",
        b"a STATUS x ()",
        b"a STATUS x (NONSENSE)",
        b"a UID",
        b"a UID NOOP",
        b"a UID EXPUNGE",
        b"a EXPUNGE 5",
        b"a SEARCH",
        b"a SEARCH RETURN (NONSENSE) ALL",
        b"a FETCH 1",
        b"a FETCH x FLAGS",
        b"a FETCH 0 FLAGS",
        b"a FETCH 1 FLAGS (NONSENSE 1)",
        b"a FETCH 1 FLAGS (CHANGEDSINCE x)",
        b"a FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
        b"a UID FETCH 1 FLAGS (VANISHED)",
        b"a STORE 1 FLAGS",
        b"a STORE 1 NONSENSE (\\Seen)",
        b"a STORE 1 (NONSENSE 1) FLAGS ()",
        b"a COPY 1",
        b"a APPEND x",
        b'a APPEND x "text"',
        b"a LOGIN x y",
        b"a AUTHENTICATE PLAIN",
        b"a STARTTLS",
    ],
)
def test_what_is_malformed_or_out_of_place_is_bad_and_tagged(line: bytes) -> None:
    answer = answered(line)
    assert answer.startswith(b"a BAD ")
    assert answer.count(b"\r\n") == 1


@pytest.mark.parametrize(
    "line",
    [
        b"a SELECT x (CONDSTORE)",
        b"a FETCH 1 MODSEQ",
        b"a FETCH 1 FLAGS (CHANGEDSINCE 1)",
        b"a STORE 1 (UNCHANGEDSINCE 1) FLAGS ()",
        b"a SEARCH RETURN (COUNT) ALL",
        b"a SEARCH OLDER 5",
        b"a SEARCH MODSEQ 5",
        b"a STATUS x (SIZE)",
        b"a STATUS x (HIGHESTMODSEQ)",
        b'a LIST (SUBSCRIBED) "" *',
        b'a LIST "" (x y)',
        b'a LIST "" * RETURN (STATUS (MESSAGES))',
        b"a CREATE x (USE (\\Sent))",
    ],
)
def test_syntax_of_extensions_that_are_not_offered_is_bad(line: bytes) -> None:
    assert answered(line, capabilities=("IMAP4rev1", "SPECIAL-USE")).startswith(b"a BAD ")


@pytest.mark.parametrize("name", ["IDLE", "NAMESPACE", "UNSELECT", "MOVE", "ID", "ENABLE"])
def test_a_command_whose_capability_is_hidden_from_the_account_is_unknown(name: str) -> None:
    arguments = {"MOVE": b" 1 x", "ID": b" NIL", "ENABLE": b" x"}.get(name, b"")
    connection = logged_in()
    play(connection, b"s SELECT INBOX\r\n")
    connection.mask(frozenset({name}))
    assert name not in connection.capabilities()
    assert play(connection, b"a " + name.encode() + arguments + b"\r\n") == [b"a BAD Unknown command\r\n"]


def test_special_use_alone_opens_its_own_list_options() -> None:
    plain = ("IMAP4rev1", "SPECIAL-USE")
    command = parsed(b'a LIST (SPECIAL-USE) "" * RETURN (SPECIAL-USE)', capabilities=plain)
    assert isinstance(command, commands.List)
    assert command.selection == {ListSelection.SPECIAL_USE}
    assert command.returns == {ListReturn.SPECIAL_USE}


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"a SELECT Entw\xc3\xbcrfe", b"a BAD "),
        (b'a DELETE "Entw\xc3\xbcrfe"', b"a NO [CANNOT] "),
        (b"a STATUS & (MESSAGES)", b"a NO [CANNOT] "),
        (b"a CREATE x (USE (\\Inbox))", b"a NO [USEATTR] "),
        (b'a CREATE "a//b"', b"a NO [CANNOT] "),
        (b"a SEARCH CHARSET x-nonsense ALL", b"a NO [BADCHARSET (UTF-8 US-ASCII)] "),
        (b"a STORE 1 FLAGS (" + b"k" * 200 + b")", b"a NO [LIMIT] "),
    ],
)
def test_what_is_well_formed_and_impossible_is_no_with_a_code(line: bytes, code: bytes) -> None:
    assert answered(line).startswith(code)


def test_id_is_bounded() -> None:
    assert answered(b"a ID (" + b" ".join([b'"n" "v"'] * 31) + b")").startswith(b"a BAD ")
    assert answered(b'a ID ("n" "' + b"v" * 2000 + b'")').startswith(b"a BAD ")
    assert isinstance(parsed(b"a ID (" + b" ".join([b'"n" "v"'] * 30) + b")"), commands.Id)
