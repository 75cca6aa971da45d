from __future__ import annotations

import pytest

from xtramail.model.flags import Flag
from xtramail.model.sequence import SequenceSet
from xtramail.wire.imap import responses
from xtramail.wire.imap.commands import StatusItem
from xtramail.wire.imap.status import no, ok

SET = SequenceSet(ranges=((1, 3), (7, 7)))


@pytest.mark.parametrize(
    ("written", "octets"),
    [
        (responses.astring(b"abc"), b"abc"),
        (responses.astring(b""), b'""'),
        (responses.astring(b"nil"), b'"nil"'),
        (responses.astring(b'a"b'), b'"a\\"b"'),
        (responses.astring(b"a\nb"), b"{3}\r\na\nb"),
        (responses.nstring(None), b"NIL"),
        (responses.nstring(b"NIL"), b'"NIL"'),
        (responses.string("ü".encode()), b"{2}\r\n\xc3\xbc"),
        (responses.mailbox("Entwürfe"), b'"Entw&APw-rfe"'),
        (responses.mailbox('a"b\\c'), b'"a\\"b\\\\c"'),
        (responses.flag_list(Flag(0)), b"()"),
        (responses.flag_list(Flag.SEEN | Flag.ANSWERED), b"(\\Answered \\Seen)"),
        (responses.flag_list(Flag.SEEN, ["$x", "y"], recent=True), b"(\\Seen $x y \\Recent)"),
        (responses.flag_list(0, ["y"]), b"(y)"),
        (responses.ok("Still here"), b"* OK Still here\r\n"),
        (responses.ok("valid", responses.uidvalidity_code(7)), b"* OK [UIDVALIDITY 7] valid\r\n"),
        (responses.no("x", b"ALERT"), b"* NO [ALERT] x\r\n"),
        (responses.bad("x"), b"* BAD x\r\n"),
        (responses.bye("x"), b"* BYE x\r\n"),
        (responses.preauth("x"), b"* PREAUTH x\r\n"),
        (responses.exists(3), b"* 3 EXISTS\r\n"),
        (responses.recent(0), b"* 0 RECENT\r\n"),
        (responses.expunge(3), b"* 3 EXPUNGE\r\n"),
        (responses.vanished(SET, earlier=True), b"* VANISHED (EARLIER) 1:3,7\r\n"),
        (responses.vanished(SET, earlier=False), b"* VANISHED 1:3,7\r\n"),
        (responses.flags([b"\\Seen", b"$x"]), b"* FLAGS (\\Seen $x)\r\n"),
        (responses.fetch(3, b"UID 7"), b"* 3 FETCH (UID 7)\r\n"),
        (responses.capability(("IMAP4rev1", "IDLE")), b"* CAPABILITY IMAP4rev1 IDLE\r\n"),
        (responses.enabled(()), b"* ENABLED\r\n"),
        (responses.enabled(("CONDSTORE",)), b"* ENABLED CONDSTORE\r\n"),
        (responses.server_id({}), b"* ID NIL\r\n"),
        (responses.server_id({"name": "xtramail"}), b'* ID ("name" "xtramail")\r\n'),
        (responses.namespace(), b'* NAMESPACE (("" "/")) NIL NIL\r\n'),
        (responses.list_line("Sent", [b"\\Sent"]), b'* LIST (\\Sent) "/" "Sent"\r\n'),
        (
            responses.list_line("a", [], b'("CHILDINFO" ("SUBSCRIBED"))'),
            b'* LIST () "/" "a" ("CHILDINFO" ("SUBSCRIBED"))\r\n',
        ),
        (responses.list_root(), b'* LIST (\\Noselect) "/" ""\r\n'),
        (responses.lsub_line("a", [b"\\Noselect"]), b'* LSUB (\\Noselect) "/" "a"\r\n'),
        (
            responses.status("a", {StatusItem.MESSAGES: 3, StatusItem.APPENDLIMIT: None, StatusItem.MAILBOXID: b"(x)"}),
            b'* STATUS "a" (MESSAGES 3 APPENDLIMIT NIL MAILBOXID (x))\r\n',
        ),
        (responses.search([]), b"* SEARCH\r\n"),
        (responses.search([1, 3], 99), b"* SEARCH 1 3 (MODSEQ 99)\r\n"),
        (
            responses.esearch(b"a1", uid=True, every=SequenceSet(ranges=()), count=0),
            b'* ESEARCH (TAG "a1") UID COUNT 0\r\n',
        ),
        (
            responses.esearch(b"a1", uid=False, minimum=1, maximum=7, every=SET, count=4, modseq=9),
            b'* ESEARCH (TAG "a1") MIN 1 MAX 7 ALL 1:3,7 COUNT 4 MODSEQ 9\r\n',
        ),
        (responses.permanent_flags_code([b"\\Seen"], keywords_creatable=True), b"PERMANENTFLAGS (\\Seen \\*)"),
        (responses.permanent_flags_code([], keywords_creatable=False), b"PERMANENTFLAGS ()"),
        (responses.uidnext_code(8), b"UIDNEXT 8"),
        (responses.unseen_code(8), b"UNSEEN 8"),
        (responses.highestmodseq_code(8), b"HIGHESTMODSEQ 8"),
        (responses.modified_code(SET), b"MODIFIED 1:3,7"),
        (responses.appenduid_code(7, SET), b"APPENDUID 7 1:3,7"),
        # By position: order is kept, only runs are joined.
        (responses.copyuid_code(7, [5, 6, 9], [3, 1, 2]), b"COPYUID 7 5:6,9 3,1:2"),
    ],
)
def test_answers_are_spelled_as_the_grammar_has_them(written: bytes, octets: bytes) -> None:
    assert written == octets


def test_a_tagged_answer_has_a_text_behind_its_code() -> None:
    assert responses.tagged(b"a", ok("Selected", b"READ-WRITE")) == b"a OK [READ-WRITE] Selected\r\n"
    assert responses.tagged(b"a", ok("", b"READ-WRITE")) == b"a OK [READ-WRITE] Done\r\n"


def test_no_text_can_break_a_line() -> None:
    assert responses.tagged(b"a", no("x\r\n* BYE ü")) == b"a NO x??* BYE ?\r\n"


def test_a_quoted_string_refuses_what_only_a_literal_carries() -> None:
    with pytest.raises(ValueError):
        responses.quoted(b"a\r\n")
    assert responses.string(b"x" * 1001) == b"{1001}\r\n" + b"x" * 1001
