"""Every production of RFC 9051 §9 and RFC 3501 §9 that a client may send, with lines of it and lines beside it.

Each line is said to a fresh server with INBOX selected (three messages), so that what the parser lets pass is carried
out as well. Answers are given as the tagged line begins, or as an untagged line that has to be there.
"""

from __future__ import annotations

import re

import pytest

from tests import corpus
from tests.imap_grammar import check
from tests.imap_world import Client, World
from xtramail.model.flags import MAX_KEYWORDS, Flag

OK, NO, BAD = "OK", "NO", "BAD"

# production, line, how its tagged answer begins
CASES: list[tuple[str, str, str]] = [
    # command-any
    ("command-any", "CAPABILITY", OK),
    ("command-any", "capability", OK),
    ("command-any", "CaPaBiLiTy ", OK),
    ("command-any", "NOOP", OK),
    ("command-any", "NOOP x", BAD),
    ("command-any", "LOGOUT", OK),
    ("command-any", "LOGOUT now", BAD),
    ("command", "NONSENSE", BAD),
    ("command", "NOOP\t", BAD),
    ("command", " NOOP", BAD),
    ("command", "", BAD),
    # command-nonauth, in the wrong state
    ("login", "LOGIN ann x", BAD),
    ("authenticate", "AUTHENTICATE PLAIN", BAD),
    ("starttls", "STARTTLS", BAD),
    # append
    ("append", "APPEND Sent {6+}\r\na: b\r\n", OK + " [APPENDUID "),
    ("append", 'APPEND "Sent" (\\Seen) {6+}\r\na: b\r\n', OK + " [APPENDUID "),
    ("append", "APPEND Sent () {6+}\r\na: b\r\n", OK + " [APPENDUID "),
    ("append", 'APPEND Sent (\\seen $Label1 x) " 1-Jan-2026 00:00:00 +0000" {6+}\r\na: b\r\n', OK + " [APPENDUID "),
    ("append", 'APPEND Sent "31-Dec-2025 23:59:60 -1200" {6+}\r\na: b\r\n', OK + " [APPENDUID "),
    ("append", "APPEND {4+}\r\nSent {6+}\r\na: b\r\n", OK + " [APPENDUID "),
    ("append", "APPEND inbox {6+}\r\na: b\r\n", OK + " [APPENDUID "),
    ("append", "APPEND none {6+}\r\na: b\r\n", NO + " [TRYCREATE] "),
    ("append", "APPEND a//b {6+}\r\na: b\r\n", NO + " [CANNOT] "),
    ("append", "APPEND Sent \\Seen {6+}\r\na: b\r\n", BAD),
    ("append", "APPEND Sent (\\Nonsense) {6+}\r\na: b\r\n", BAD),
    # date-day-fixed is two wide; clients that forget it mean the same
    ("append", 'APPEND Sent "1-Jan-2026 00:00:00 +0000" {6+}\r\na: b\r\n', OK + " [APPENDUID "),
    ("append", 'APPEND Sent "yesterday" {6+}\r\na: b\r\n', BAD),
    ("append", 'APPEND Sent "30-Feb-2026 00:00:00 +0000" {6+}\r\na: b\r\n', BAD),
    ("append", "APPEND Sent {0+}\r\n", NO + " [CANNOT] "),
    ("append", 'APPEND Sent "text"', BAD),
    ("append", "APPEND Sent", BAD),
    # create, delete, rename, subscribe
    ("create", "CREATE new", OK + " [MAILBOXID "),
    ("create", "CREATE new/", OK),
    ("create", "CREATE deep/er/still", OK),
    ("create", 'CREATE "with space"', OK),
    ("create", "CREATE {4+}\r\nlite", OK),
    ("create", "CREATE new]", OK),
    ("create", "CREATE NIL", OK),
    ("create", "CREATE 12", OK),
    ("create", "CREATE &AOk-t&AOk-", OK),
    ("create", "CREATE &AOk", NO + " [CANNOT] "),
    ("create", "CREATE &AGE-", NO + " [CANNOT] "),
    ("create", "CREATE &AOk-&AOk-", NO + " [CANNOT] "),
    ("create", "CREATE \u00e9", BAD),
    ("create", "CREATE inbox", NO + " [ALREADYEXISTS] "),
    ("create", "CREATE box", NO + " [ALREADYEXISTS] "),
    ("create", "CREATE /", NO + " [CANNOT] "),
    ("create", 'CREATE ""', NO + " [CANNOT] "),
    ("create", "CREATE a%", BAD),
    ("create", "CREATE a*", BAD),
    ("create", "CREATE a(", BAD),
    ("create", "CREATE a b", BAD),
    ("create", "CREATE", BAD),
    ("create", "CREATE sent2 (USE (\\Sent))", NO + " [USEATTR] "),
    ("create", "CREATE all (USE (\\All))", NO + " [USEATTR] "),
    ("create", "CREATE all (NONSENSE)", BAD),
    ("delete", "DELETE box/in", OK),
    ("delete", "DELETE box", NO + " [HASCHILDREN] "),
    ("delete", "DELETE none", NO + " [NONEXISTENT] "),
    ("delete", "DELETE InBox", NO),
    ("delete", "DELETE", BAD),
    ("rename", "RENAME box bin", OK),
    ("rename", "RENAME box deep/er/bin", OK),
    ("rename", "RENAME inbox old", OK),
    ("rename", "RENAME box inbox", NO + " [ALREADYEXISTS] "),
    ("rename", "RENAME box Sent", NO + " [ALREADYEXISTS] "),
    ("rename", "RENAME box box", NO + " [ALREADYEXISTS] "),
    ("rename", "RENAME box box/in/side", NO + " [CANNOT] "),
    ("rename", "RENAME none bin", NO + " [NONEXISTENT] "),
    ("rename", "RENAME box", BAD),
    ("subscribe", "SUBSCRIBE box", OK),
    ("subscribe", "SUBSCRIBE not/there", OK),
    ("subscribe", "SUBSCRIBE", BAD),
    ("unsubscribe", "UNSUBSCRIBE box", OK),
    ("unsubscribe", "UNSUBSCRIBE not/there", OK),
    # enable
    ("enable", "ENABLE CONDSTORE", OK),
    ("enable", "ENABLE X-UNKNOWN UTF8=ACCEPT", OK),
    ("enable", "ENABLE", BAD),
    ("enable", "ENABLE (CONDSTORE)", BAD),
    # select, examine
    ("select", "SELECT inBOX", OK + " [READ-WRITE] "),
    ("select", "SELECT {5+}\r\nINBOX", OK + " [READ-WRITE] "),
    ("select", "SELECT none", NO + " [NONEXISTENT] "),
    ("select", "SELECT", BAD),
    ("select", "SELECT INBOX ()", BAD),
    ("select", "SELECT INBOX (CONDSTORE)", OK),
    ("select", "SELECT INBOX (QRESYNC (1 1))", BAD),
    ("examine", 'EXAMINE "inbox"', OK + " [READ-ONLY] "),
    ("examine", "EXAMINE none", NO + " [NONEXISTENT] "),
    # list
    ("list", 'LIST "" *', OK),
    ("list", 'LIST "" ""', OK),
    ("list", 'LIST "" {1+}\r\n%', OK),
    ("list", "LIST {0+}\r\n %]", OK),
    ("list", 'LIST () "" *', OK),
    ("list", 'LIST (SUBSCRIBED) "" *', OK),
    ("list", 'LIST (subscribed REMOTE recursivematch) "" *', OK),
    ("list", 'LIST (SUBSCRIBED SUBSCRIBED) "" *', OK),
    ("list", 'LIST (REMOTE) "" *', OK),
    ("list", 'LIST (RECURSIVEMATCH) "" *', BAD),
    ("list", 'LIST (REMOTE RECURSIVEMATCH) "" *', BAD),
    ("list", 'LIST (NONSENSE) "" *', BAD),
    ("list", 'LIST "" (INBOX "b%" {1+}\r\n*)', OK),
    ("list", 'LIST "" ()', BAD),
    ("list", 'LIST "" * RETURN ()', OK),
    ("list", 'LIST "" * RETURN (SUBSCRIBED CHILDREN SPECIAL-USE)', OK),
    ("list", 'LIST "" * RETURN (STATUS (MESSAGES UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE) CHILDREN)', OK),
    ("list", 'LIST "" * RETURN (STATUS ())', BAD),
    ("list", 'LIST "" * RETURN (NONSENSE)', BAD),
    ("list", 'LIST "" * RETURN CHILDREN', BAD),
    ("list", 'LIST ""', BAD),
    ("list", "LIST", BAD),
    ("lsub", 'LSUB "" *', OK),
    ("lsub", 'LSUB "" ""', OK),
    ("lsub", 'LSUB "" (a b)', BAD),
    ("namespace-command", "NAMESPACE", OK),
    ("namespace-command", "NAMESPACE x", BAD),
    # status
    ("status", "STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE)", OK),
    ("status", "STATUS box/in (messages Recent)", OK),
    ("status", "STATUS box (MESSAGES MESSAGES)", OK),
    ("status", "STATUS box (HIGHESTMODSEQ APPENDLIMIT MAILBOXID DELETED-STORAGE)", OK),
    ("status", "STATUS none (MESSAGES)", NO + " [NONEXISTENT] "),
    ("status", "STATUS box ()", BAD),
    ("status", "STATUS box MESSAGES", BAD),
    ("status", "STATUS box (NONSENSE)", BAD),
    ("status", "STATUS box", BAD),
    # idle has its own dialogue; close and its kin
    ("command-select", "CHECK", OK),
    ("command-select", "CLOSE", OK),
    ("command-select", "UNSELECT", OK),
    ("command-select", "EXPUNGE", OK),
    ("command-select", "EXPUNGE 1", BAD),
    # sequence-set
    ("sequence-set", "FETCH 1 UID", OK),
    ("sequence-set", "FETCH 1:3 UID", OK),
    ("sequence-set", "FETCH 3:1 UID", OK),
    ("sequence-set", "FETCH * UID", OK),
    ("sequence-set", "FETCH *:1 UID", OK),
    ("sequence-set", "FETCH 2,1:3,*,2:* UID", OK),
    ("sequence-set", "FETCH 4 UID", BAD),
    ("sequence-set", "FETCH 1:4 UID", BAD),
    ("sequence-set", "FETCH 0 UID", BAD),
    ("sequence-set", "FETCH 01 UID", OK),
    ("sequence-set", "FETCH 4294967296 UID", BAD),
    ("sequence-set", "FETCH 1: UID", BAD),
    ("sequence-set", "FETCH ,1 UID", BAD),
    ("sequence-set", "FETCH 1,,2 UID", BAD),
    ("sequence-set", "FETCH 1:2:3 UID", BAD),
    ("sequence-set", "FETCH -1 UID", BAD),
    ("sequence-set", "FETCH $ UID", OK),
    ("sequence-set", "FETCH $,1 UID", BAD),
    ("sequence-set", "UID FETCH 100:200 FLAGS", OK),
    ("sequence-set", "UID FETCH 200:* FLAGS", OK),
    ("sequence-set", "UID FETCH 4294967295 FLAGS", OK),
    ("sequence-set", "UID FETCH 0 FLAGS", BAD),
    # fetch
    ("fetch", "FETCH 1 ALL", OK),
    ("fetch", "FETCH 1 full", OK),
    ("fetch", "FETCH 1 FAST", OK),
    ("fetch", "FETCH 1 (ALL)", BAD),
    ("fetch", "FETCH 1 ()", BAD),
    ("fetch", "FETCH 1", BAD),
    ("fetch", "FETCH", BAD),
    ("fetch-att", "FETCH 1:3 (ENVELOPE FLAGS INTERNALDATE RFC822.SIZE BODY BODYSTRUCTURE UID)", OK),
    ("fetch-att", "FETCH 1 (FLAGS FLAGS)", OK),
    ("fetch-att", "FETCH 1 (RFC822 RFC822.HEADER RFC822.TEXT)", OK),
    ("fetch-att", "FETCH 1 (MODSEQ EMAILID THREADID SAVEDATE PREVIEW)", OK),
    ("fetch-att", "FETCH 1 PREVIEW (LAZY)", OK),
    ("fetch-att", "FETCH 1 PREVIEW (EAGER)", BAD),
    ("fetch-att", "FETCH 1 NONSENSE", BAD),
    ("fetch-att", "FETCH 1 (FLAGS  UID)", BAD),
    ("section", "FETCH 1 BODY[]", OK),
    ("section", "FETCH 1 BODY.PEEK[]", OK),
    ("section", "FETCH 2 body.peek[header]", OK),
    ("section", "FETCH 2 BODY[TEXT]", OK),
    ("section", "FETCH 2 BODY[HEADER.FIELDS (Subject \"from\" {2+}\r\nTo)]", OK),
    ("section", "FETCH 2 BODY.PEEK[HEADER.FIELDS.NOT (Subject)]", OK),
    ("section", "FETCH 2 BODY[HEADER.FIELDS ()]", BAD),
    ("section", "FETCH 2 BODY[HEADER.FIELDS]", BAD),
    ("section", "FETCH 3 (BODY[1] BODY[1.MIME] BODY[2.1] BODY[2.HEADER] BODY[2.TEXT] BODY[2.1.MIME] BODY[9])", OK),
    ("section", "FETCH 3 BODY[2.HEADER.FIELDS (SUBJECT)]", OK),
    ("section", "FETCH 3 BODY[MIME]", BAD),
    ("section", "FETCH 3 BODY[0]", BAD),
    ("section", "FETCH 3 BODY[1.]", BAD),
    ("section", "FETCH 3 BODY[NONSENSE]", BAD),
    ("section", "FETCH 3 BODY.PEEK", BAD),
    ("partial", "FETCH 1 BODY[]<0.5>", OK),
    ("partial", "FETCH 1 BODY[]<9999999999.9223372036854775807>", OK),
    ("partial", "FETCH 1 BODY[]<0.0>", BAD),
    ("partial", "FETCH 1 BODY[]<5>", BAD),
    ("partial", "FETCH 1 BODY[]<0.9223372036854775808>", BAD),
    ("section-binary", "FETCH 3 (BINARY[1] BINARY.PEEK[2]<0.3> BINARY.SIZE[1] BINARY[])", OK),
    ("section-binary", "FETCH 3 BINARY[HEADER]", BAD),
    ("section-binary", "FETCH 3 BINARY", BAD),
    # store
    ("store", "STORE 1 FLAGS ()", OK),
    ("store", "STORE 1:3 +FLAGS (\\Seen \\answered \\FLAGGED \\Draft \\Deleted)", OK),
    ("store", "STORE 1 -flags.silent \\Seen", OK),
    ("store", "STORE 1 +FLAGS \\Seen $Forwarded", OK),
    ("store", "STORE 1 +FLAGS ($MDNSent $Junk $NotJunk $Phishing Work)", OK),
    ("store", "UID STORE 99 +FLAGS (\\Seen)", OK),
    ("store", "STORE 1 +FLAGS (\\Recent)", OK),
    ("store", "STORE 1 +FLAGS (\\Nonsense)", BAD),
    ("store", "STORE 1 +FLAGS (a])", BAD),
    ("store", "STORE 1 +FLAGS (\\*)", BAD),
    ("store", "STORE 1 +FLAGS", BAD),
    ("store", "STORE 1 ++FLAGS (\\Seen)", BAD),
    ("store", "STORE 4 FLAGS (\\Seen)", BAD),
    ("store", "STORE 1 +FLAGS (" + " ".join(f"k{n}" for n in range(65)) + ")", NO + " [LIMIT] "),
    ("store", "STORE 1 +FLAGS (" + "k" * 129 + ")", NO + " [LIMIT] "),
    ("store", "STORE 1 (UNCHANGEDSINCE 0) +FLAGS (\\Seen)", OK + " [MODIFIED 1] "),
    # copy, move
    ("copy", "COPY 1:3 Sent", OK + " [COPYUID "),
    ("copy", "UID COPY 1 {4+}\r\nSent", OK + " [COPYUID "),
    ("copy", "UID COPY 99 Sent", OK + " "),
    ("copy", "COPY 1 none", NO + " [TRYCREATE] "),
    ("copy", "COPY 9 Sent", BAD),
    ("copy", "COPY 1", BAD),
    ("move", "MOVE 1 Sent", OK + " "),
    ("move", "UID MOVE 1:2 inbox", OK + " "),
    ("move", "MOVE 1 none", NO + " [TRYCREATE] "),
    ("move", "MOVE 1", BAD),
    # search
    ("search", "SEARCH ALL", OK),
    ("search", "SEARCH", BAD),
    ("search", "SEARCH RETURN (MIN MAX ALL COUNT) ALL", OK),
    ("search", "SEARCH RETURN () ALL", OK),
    ("search", "SEARCH RETURN (SAVE) ALL", OK),
    ("search", "SEARCH RETURN (MIN MIN) ALL", OK),
    ("search", "SEARCH RETURN (NONSENSE) ALL", BAD),
    ("search", "SEARCH RETURN (MIN)", BAD),
    ("search", "SEARCH RETURN MIN ALL", BAD),
    ("search-program", "SEARCH CHARSET UTF-8 ALL", OK),
    ("search-program", 'SEARCH CHARSET "us-ascii" ALL', OK),
    ("search-program", "SEARCH CHARSET NONE ALL", NO + " [BADCHARSET "),
    ("search-program", "SEARCH RETURN (COUNT) CHARSET UTF-8 SUBJECT {4+}\r\n\u00c3\u00a9\u00c3\u00a9", OK),
    ("search-program", "SEARCH CHARSET UTF-8", BAD),
    ("search-key", "SEARCH ANSWERED DELETED DRAFT FLAGGED SEEN RECENT NEW OLD", OK),
    ("search-key", "SEARCH UNANSWERED UNDELETED UNDRAFT UNFLAGGED UNSEEN", OK),
    ("search-key", 'SEARCH BCC a CC "b" FROM {1+}\r\nc TO d SUBJECT e BODY f TEXT g', OK),
    ("search-key", 'SEARCH HEADER Subject "" HEADER "x-y" z', OK),
    ("search-key", 'SEARCH BEFORE 1-Jan-2026 ON "01-Feb-2026" SINCE 31-Dec-2025', OK),
    ("search-key", "SEARCH SENTBEFORE 1-jan-2026 SENTON 1-FEB-2026 SENTSINCE 1-Mar-2026", OK),
    ("search-key", "SEARCH SAVEDBEFORE 1-Jan-2026 SAVEDON 1-Jan-2026 SAVEDSINCE 1-Jan-2026 SAVEDATESUPPORTED", OK),
    ("search-key", "SEARCH SINCE 32-Jan-2026", BAD),
    ("search-key", "SEARCH SINCE 1-Jan-26", BAD),
    ("search-key", "SEARCH LARGER 0 SMALLER 9223372036854775807", OK),
    ("search-key", "SEARCH LARGER 9223372036854775808", BAD),
    ("search-key", "SEARCH KEYWORD $Junk UNKEYWORD work", OK),
    ("search-key", "SEARCH KEYWORD \\Seen", BAD),
    ("search-key", "SEARCH NOT SEEN", OK),
    ("search-key", "SEARCH NOT NOT NOT (SEEN)", OK),
    ("search-key", "SEARCH OR SEEN OR (FLAGGED UNSEEN) NOT 1", OK),
    ("search-key", "SEARCH OR SEEN", BAD),
    ("search-key", "SEARCH NOT", BAD),
    ("search-key", "SEARCH (SEEN (FLAGGED (ALL)))", OK),
    ("search-key", "SEARCH ()", BAD),
    ("search-key", "SEARCH (SEEN", BAD),
    ("search-key", "SEARCH " + "(" * 40 + "ALL" + ")" * 40, BAD),
    ("search-key", "SEARCH 1:* UID 1:*", OK),
    ("search-key", "SEARCH UID 99", OK),
    ("search-key", "SEARCH $", OK),
    ("search-key", "SEARCH OLDER 60 YOUNGER 60", OK),
    ("search-key", "SEARCH MODSEQ 1", OK),
    ("search-key", 'SEARCH MODSEQ "/flags/\\\\draft" all 1', OK),
    ("search-key", "SEARCH NONSENSE", BAD),
    ("search-key", "UID SEARCH 1:3 NOT DELETED", OK),
    # uid
    ("uid", "UID EXPUNGE 1:*", OK),
    ("uid", "UID EXPUNGE", BAD),
    ("uid", "UID NOOP", BAD),
    ("uid", "UID", BAD),
    # astring, quoted, literal
    ("quoted", 'STATUS "IN\\"BOX" (MESSAGES)', NO + " [NONEXISTENT] "),
    ("quoted", 'STATUS "IN\\BOX" (MESSAGES)', BAD),
    ("quoted", 'STATUS "INBOX (MESSAGES)', BAD),
    ("literal", "STATUS {5}\r\nINBOX (MESSAGES)", OK),
    ("literal", "STATUS {05+}\r\nINBOX (MESSAGES)", OK),
    ("literal", "STATUS {5+}INBOX (MESSAGES)", BAD),
    ("literal", "STATUS {-5}", BAD),
    # id
    ("id", "ID NIL", OK),
    ("id", "ID ()", OK),
    ("id", 'ID ("name" "x" "os" NIL)', OK),
    ("id", 'ID ("name")', BAD),
    ("id", "ID", BAD),
    # sort, thread, quota, compress
    ("sort", "SORT (REVERSE DATE SUBJECT) UTF-8 ALL", OK),
    ("sort", "UID SORT (ARRIVAL CC FROM SIZE TO) US-ASCII NOT DELETED", OK),
    ("sort", "SORT () UTF-8 ALL", BAD),
    ("sort", "SORT (REVERSE) UTF-8 ALL", BAD),
    ("sort", "SORT (DATE) NONE ALL", NO + " [BADCHARSET "),
    ("sort", "SORT (DATE) ALL", NO + " [BADCHARSET "),
    ("thread", "THREAD REFERENCES UTF-8 ALL", OK),
    ("thread", "UID THREAD orderedsubject US-ASCII 1:*", OK),
    ("thread", "THREAD NONSENSE UTF-8 ALL", BAD),
    ("getquota", "GETQUOTAROOT inbox", OK),
    ("getquota", 'GETQUOTA "mail"', OK),
    ("getquota", 'GETQUOTA ""', NO + " [NONEXISTENT] "),
]

MIXED = (
    b"From: Bob <bob@example.net>\r\nSubject: parts\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nw6k=\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninside\r\n--b--\r\n"
)


def selected() -> Client:
    world = World(quota=10_000_000)
    world.deliver()
    world.deliver(flags=Flag.SEEN, keywords=("$Junk",))
    world.deliver(MIXED)
    client = world.client()
    for command in ("CREATE box/in", "SUBSCRIBE box/in", "SELECT INBOX"):
        assert "T OK" in client.say(command)
    return client


@pytest.mark.parametrize(("production", "line", "expected"), CASES, ids=[f"{p}:{n[:40]!r}" for p, n, _ in CASES])
def test_a_production_is_answered_as_it_should_be(production: str, line: str, expected: str) -> None:
    client = selected()
    answer = client.say(line)
    check(answer.encode("latin-1"))
    tagged = re.findall(r"(?m)^(?:T|\*) ((?:OK|NO|BAD) .*)\r$", answer)
    assert tagged and tagged[-1].startswith(expected), answer
    assert client.say("NOOP").endswith("OK Done\r\n") or line.startswith("LOGOUT")


def test_what_is_told_of_all_kinds_of_mail_is_of_the_grammar() -> None:
    world = World()
    for message in corpus.messages(150, seed=9):
        world.deliver(message)
    client = world.client()
    client.say("SELECT INBOX")
    assert client.say("FETCH 1:* (FULL)").startswith("T BAD")
    told = client.say("FETCH 1:* (FLAGS ENVELOPE BODY BODYSTRUCTURE PREVIEW EMAILID THREADID INTERNALDATE)")
    assert told.count("* ") >= 150 and "T OK Fetched" in told


EAI = (
    b"From: bob@example.net\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/digest; boundary="b"\r\n\r\n--b\r\nContent-Type: message/global\r\n\r\n'
    + "Subject: grüße\r\n\r\nhällo\r\n".encode()
    + b"--b--\r\n"
)


def test_an_attached_message_in_utf8_has_envelope_and_structure_of_its_own() -> None:
    world = World()
    world.deliver(EAI)
    for kind, enable in (("rfc822", ""), ("global", " IMAP4rev2")):
        client = world.client()
        client.say("ENABLE X" + enable)
        client.say("SELECT INBOX")
        told = client.say("FETCH 1 (BODY BODYSTRUCTURE BODY[1.HEADER] BODY[1.TEXT])")
        # RFC 3501 §9 has no form of its own for message/global.
        assert told.count(f'(("message" "{kind}" NIL NIL NIL "7bit" 26 (NIL ') == 2, told
        assert "BODY[1.HEADER] {20}" in told and "BODY[1.TEXT] {6}" in told, told


def test_once_keywords_are_used_up_none_can_be_made() -> None:
    client = selected()
    assert "\\*)] " in client.say("SELECT INBOX")
    words = " ".join(f"k{number}" for number in range(MAX_KEYWORDS - 1))
    assert f"k{MAX_KEYWORDS - 2})] " in client.say(f"STORE 1 +FLAGS.SILENT ({words})"), "$Junk was there before"
    assert client.say("STORE 1 +FLAGS (more)").startswith("T NO [LIMIT] ")
    assert "\\*" not in client.say("SELECT INBOX")


def test_a_mailbox_made_anew_has_another_uidvalidity() -> None:
    client = selected()
    seen = []
    for _ in range(3):
        client.say("CREATE again")
        seen.append(int(client.say("STATUS again (UIDVALIDITY)").split("UIDVALIDITY ")[1].split(")")[0]))
        client.say("DELETE again")
    assert seen == sorted(set(seen))
