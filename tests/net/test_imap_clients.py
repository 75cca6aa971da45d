"""What the clients of the world send, as they send it: one test for each habit that servers have broken."""

from __future__ import annotations

import base64
import re
import zlib

import pytest

from tests.imap_world import MAIL, PASSWORD, Client, World
from xtramail.net.limits import LimitSettings


def selected(world: World, mailbox: str = "INBOX") -> Client:
    client = world.client()
    assert "T OK" in client.say(f"SELECT {mailbox}")
    return client


def literal(answer: str) -> tuple[str, str]:
    """Label and octets of the first literal in an answer."""
    found = re.search(r"(\S+) \{(\d+)\}\r\n", answer)
    assert found, answer
    return found[1], answer[found.end() : found.end() + int(found[2])]


def highest(answer: str) -> int:
    found = re.search(r"HIGHESTMODSEQ (\d+)", answer)
    assert found, answer
    return int(found[1])


# iOS and macOS Mail


def test_ios_fetches_bodies_in_windows_up_to_and_past_the_end() -> None:
    world = World()
    message = MAIL + b"x" * 70 + b"\r\n"
    world.deliver(message)
    client = selected(world)
    whole, at = "", 0
    while True:
        label, octets = literal(client.say(f"UID FETCH 1 (BODY.PEEK[]<{at}.100> UID)"))
        assert label.strip("(") == f"BODY[]<{at}>"
        if not octets:
            break
        whole, at = whole + octets, at + 100
    assert whole == message.decode()
    label, octets = literal(client.say("UID FETCH 1 (BODY.PEEK[]<0.393216>)"))
    assert octets == message.decode()
    assert literal(client.say("UID FETCH 1 (BODY.PEEK[]<393216.393216>)"))[1] == ""


def test_ios_pipelines_namespace_and_list_and_is_answered_in_order() -> None:
    client = World().client()
    client.send(b'4 NAMESPACE\r\n5 LIST "" "*" RETURN (SPECIAL-USE)\r\n6 LIST "" "" RETURN (SPECIAL-USE)\r\n')
    answer = client.heard()
    assert re.search(r"^\* NAMESPACE.*\r\n4 OK .*\r\n(\* LIST .*\r\n)+5 OK .*\r\n6 OK .*\r\n$", answer), answer
    for use in ("Drafts", "Sent", "Archive", "Junk", "Trash"):
        assert len(re.findall(rf"\* LIST \([^)]*\\{use}[ )]", answer)) == 1


def test_ios_asks_what_changed_since_the_beginning_of_time() -> None:
    world = World()
    world.deliver()
    client = selected(world)
    answer = client.say("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 0)")
    assert re.match(
        r"\* OK \[HIGHESTMODSEQ \d+\] .*\r\n\* 1 FETCH \(UID 1 FLAGS \(\\Recent\) MODSEQ \(\d+\)\)\r\nT OK", answer
    ), answer


def test_macos_resynchronizes_with_one_select() -> None:
    world = World()
    for _ in range(4):
        world.deliver()
    client = world.client()
    assert client.say("ENABLE CONDSTORE QRESYNC").startswith("* ENABLED CONDSTORE QRESYNC\r\n")
    answer = client.say("SELECT INBOX")
    validity = re.search(r"UIDVALIDITY (\d+)", answer)
    assert validity
    client.say("UNSELECT")
    other = selected(world)
    other.say("UID STORE 2 +FLAGS (\\Deleted)")
    other.say("UID EXPUNGE 2")
    again = client.say(f"SELECT INBOX (QRESYNC ({validity[1]} {highest(answer)} 1:4 (1:4 1:4)))")
    assert "* VANISHED (EARLIER) 2\r\n" in again and "* 3 EXISTS\r\n" in again


# 32-bit signed UIDs: Apple, JavaMail, mbsync


def test_uids_start_at_one_and_never_jump() -> None:
    world = World()
    client = selected(world)
    for uid in range(1, 6):
        world.clock.advance(100_000)
        assert f" {uid}] " in client.append(MAIL)
        client.say(f"UID STORE {uid} +FLAGS.SILENT (\\Deleted)")
        client.say("EXPUNGE")
    answer = client.say("STATUS INBOX (UIDNEXT UIDVALIDITY)")
    numbers = [int(number) for number in re.findall(r"UID\w+ (\d+)", answer)]
    assert numbers[0] == 6 and 0 < numbers[1] < 1 << 31


# Outlook


def test_new_outlook_reads_esearch_only_with_a_quoted_tag() -> None:
    world = World()
    world.deliver()
    client = selected(world)
    client.send(b"A0012 UID SEARCH RETURN (MIN MAX COUNT) 1:* NOT DELETED\r\n")
    assert client.heard() == '* ESEARCH (TAG "A0012") UID MIN 1 MAX 1 COUNT 1\r\nA0012 OK Searched\r\n'


def test_outlook_never_sees_uidonly() -> None:
    client = World().client()
    assert "UIDONLY" not in client.say("CAPABILITY")
    assert client.say("ENABLE UIDONLY") == "* ENABLED\r\nT OK Enabled\r\n"


def test_classic_outlook_makes_folders_of_its_own_and_special_uses_stay_unique() -> None:
    client = World().client()
    for name in ("Sent Items", "Deleted Items", "Junk E-mail"):
        assert "T OK" in client.say(f'CREATE "{name}"')
        assert "T OK" in client.say(f'SUBSCRIBE "{name}"')
    answer = client.say('LIST "" "*"')
    for use in ("Drafts", "Sent", "Archive", "Junk", "Trash"):
        assert len(re.findall(rf"\\{use}[ )]", answer)) == 1


def test_new_mail_is_told_at_once_in_idle_and_silence_lasts_two_minutes_at_most() -> None:
    world = World()
    client = selected(world)
    assert client.say("IDLE") == "+ idling\r\n"
    world.deliver()
    assert client.heard() == "* 1 EXISTS\r\n* 1 RECENT\r\n"
    for _ in range(3):
        world.advance(120)
        assert client.heard() == "* OK Still here\r\n"
    client.send(b"DONE\r\n")
    assert " OK Idled\r\n" in client.heard()


# Thunderbird


def test_thunderbird_idles_on_five_connections() -> None:
    world = World()
    clients = [selected(world) for _ in range(5)]
    for client in clients:
        assert client.say("IDLE") == "+ idling\r\n"
    world.deliver()
    assert all("* 1 EXISTS\r\n" in client.heard() for client in clients)


def test_thunderbird_begins_every_connection_alike() -> None:
    client = World().client(login=False)
    client.send(b"1 authenticate PLAIN\r\n")
    assert client.heard() == "+ \r\n"
    client.send(base64.b64encode(f"\0ann@example.org\0{PASSWORD}".encode()) + b"\r\n")
    assert client.heard().startswith("1 OK [CAPABILITY ")
    assert client.say("namespace").startswith('* NAMESPACE (("" "/")) NIL NIL\r\nT OK')
    assert client.say('ID ("name" "Thunderbird" "version" "153.7.0")').startswith('* ID ("name" ')
    assert client.say("ENABLE UTF8=ACCEPT") == "* ENABLED UTF8=ACCEPT\r\nT OK Enabled\r\n"
    assert '"/" "INBOX"\r\nT OK' in client.say('list "" "INBOX"')
    assert "T OK [READ-WRITE]" in client.say('select "INBOX"')
    assert client.say('getquotaroot "INBOX"').startswith('* QUOTAROOT "INBOX"')
    assert client.say("UID fetch 1:* (FLAGS)") == "T OK Fetched\r\n"


def test_thunderbird_lists_in_lower_case() -> None:
    client = World().client()
    answer = client.say('list (subscribed) "" "*" return (special-use)')
    assert '* LIST (\\HasNoChildren \\Sent \\Subscribed) "/" "Sent"\r\n' in answer


def test_thunderbird_reads_its_header_list_and_previews() -> None:
    world = World()
    world.deliver(b"Received: from a by b; Thu, 1 Jan 2026 10:00:01 +0100\r\n" + MAIL)
    client = selected(world)
    fields = (
        "From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type "
        "Reply-To Received"
    )
    answer = client.say(f"UID fetch 1:* (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS ({fields})])")
    assert f"BODY[HEADER.FIELDS ({fields})] " in answer
    octets = literal(answer)[1]
    assert octets.startswith("Received: from a by b;") and octets.endswith("\r\n\r\n") and "Return-Path" not in octets
    assert literal(client.say("UID fetch 1 (UID RFC822.SIZE BODY.PEEK[TEXT]<0.2048>)"))[1] == "At noon?\r\n"
    label, octets = literal(client.say("UID fetch 1 (UID RFC822.SIZE BODY.PEEK[]<65536.65536>)"))
    assert label == "BODY[]<65536>" and octets == ""
    assert "FLAGS (\\Recent)" in client.say("UID fetch 1:* (FLAGS)")


def test_thunderbird_asks_what_changed_on_a_mailbox_that_it_selected_without_condstore() -> None:
    world = World()
    world.deliver()
    client = selected(world)
    answer = client.say("UID fetch 1:* (FLAGS) (CHANGEDSINCE 0)")
    assert re.search(r"\* 1 FETCH \(UID 1 FLAGS \(\\Recent\) MODSEQ \(\d+\)\)\r\nT OK", answer), answer


def test_thunderbird_searches_in_utf8_without_naming_a_charset() -> None:
    world = World()
    world.deliver("Subject: ноябрь\r\n\r\nПрибыль\r\n".encode())
    client = world.client()
    client.say("ENABLE UTF8=ACCEPT")
    client.say('select "INBOX"')
    wanted = "прибыль".encode()
    assert client.say(f"uid SEARCH UNDELETED BODY {{{len(wanted)}}}").startswith("+ ")
    client.send(wanted + b"\r\n")
    assert re.match(r"\* SEARCH 1\r\nt\d+ OK", client.heard())


def test_thunderbird_files_what_it_sent_as_a_utf8_literal_at_once() -> None:
    world = World()
    client = world.client()
    client.say("ENABLE UTF8=ACCEPT")
    client.say('select "Sent"')
    client.send(b'9 append "Sent" (\\Seen) UTF8 (~{%d+}\r\n%b)\r\n' % (len(MAIL), MAIL))
    answer = client.heard()
    assert "* 1 EXISTS\r\n" in answer and re.search(r"9 OK \[APPENDUID \d+ 1\] Appended\r\n$", answer), answer
    assert literal(client.say("UID fetch 1 (BODY.PEEK[])"))[1] == MAIL.decode()


def test_thunderbird_reads_on_in_what_it_was_told_at_once_when_anything_follows() -> None:
    """It takes one line at a time from what it inflated and at times waits for the network with more in its buffer."""
    world = World()
    client = selected(world)
    client.say("COMPRESS DEFLATE")
    inflate = zlib.decompressobj(-zlib.MAX_WBITS).decompress
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    world.deliver()
    client.send(deflate.compress(b"8 IDLE\r\n") + deflate.flush(zlib.Z_SYNC_FLUSH))
    assert inflate(client.heard().encode("latin-1")) == b"+ idling\r\n* 1 EXISTS\r\n* 1 RECENT\r\n"
    world.advance(1)
    assert inflate(client.heard().encode("latin-1")) == b"* OK Still here\r\n"
    world.advance(100)
    assert client.heard() == ""
    world.deliver()
    assert inflate(client.heard().encode("latin-1")) == b"* 2 EXISTS\r\n* 2 RECENT\r\n"
    world.advance(1)
    assert inflate(client.heard().encode("latin-1")) == b"* OK Still here\r\n"


def test_thunderbird_moves_by_uid_and_empties_the_trash_by_number() -> None:
    world = World()
    world.deliver()
    client = selected(world)
    assert "T OK" in client.say('create "Archives/2026/"')
    assert '"Archives/2026"\r\n' in client.say('list "" "Archives/%"')
    moved = client.say('uid move 1 "Archives/2026"')
    assert re.match(r"\* OK \[COPYUID \d+ 1 1\] Moved\r\n\* 1 EXPUNGE\r\n\* 0 RECENT\r\nT OK Moved\r\n", moved), moved
    client.say('select "Archives/2026"')
    assert client.say("store 1:* +FLAGS.SILENT (\\Deleted)") == "T OK Stored\r\n"
    assert client.say("expunge") == "* 1 EXPUNGE\r\n* 0 RECENT\r\nT OK Expunged\r\n"


def test_thunderbird_renames_and_takes_the_subscription_along_itself() -> None:
    client = World().client()
    client.say("ENABLE UTF8=ACCEPT")
    for command in (
        'create "Drafts & Co"',
        'subscribe "Drafts & Co"',
        'rename "Drafts & Co" "Entwürfe & Co"',
        'subscribe "Entwürfe & Co"',
        'unsubscribe "Drafts & Co"',
    ):
        assert "T OK" in client.say(command.encode().decode("latin-1")), command
    listed = client.say('list (subscribed) "" "*Co" return (special-use)')
    assert listed.count("* LIST ") == 1 and '"Entwürfe & Co"\r\n'.encode().decode("latin-1") in listed


def test_thunderbird_for_android_wants_quoted_utf8_names() -> None:
    client = World().client()
    assert client.say("ENABLE UTF8=ACCEPT") == "* ENABLED UTF8=ACCEPT\r\nT OK Enabled\r\n"
    name = "R&D Entwürfe".encode().decode("latin-1")
    assert "T OK" in client.say(f'CREATE "{name}"')
    assert f'"/" "{name}"\r\n' in client.say('LIST "" R*')
    assert "T OK" in client.say(f'SELECT "{name}"')


# CONDSTORE and QRESYNC clients: Horde, Nextcloud, MailKit, neomutt


def test_horde_never_sees_modseq_zero_nor_two_answers() -> None:
    world = World()
    client = world.client()
    told = client.say("STATUS INBOX (MESSAGES RECENT UNSEEN UIDNEXT UIDVALIDITY HIGHESTMODSEQ)")
    seen = [highest(told), highest(client.say("SELECT INBOX (CONDSTORE)"))]
    for _ in range(3):
        world.deliver()
        seen += [
            highest(client.say("STATUS INBOX (HIGHESTMODSEQ)")),
            highest(world.client().say("EXAMINE INBOX")),
        ]
    assert seen[0] > 0 and seen[0::2] == seen[1::2] == sorted(set(seen))


def test_mailkit_is_told_enabled_even_when_nothing_is() -> None:
    client = World().client()
    assert client.say("ENABLE X-GM-EXT-1") == "* ENABLED\r\nT OK Enabled\r\n"


def test_a_silent_store_still_tells_modseq_to_who_knows_it() -> None:
    world = World()
    world.deliver()
    client = world.client()
    client.say("SELECT INBOX (CONDSTORE)")
    assert re.match(
        r"\* 1 FETCH \(UID 1 MODSEQ \(\d+\)\)\r\nT OK Stored\r\n", client.say("UID STORE 1 +FLAGS.SILENT (\\Seen)")
    )


def test_neomutt_logs_in_with_an_initial_response_and_counts_by_number() -> None:
    world = World()
    for _ in range(3):
        world.deliver()
    client = world.client(login=False)
    secret = base64.b64encode(f"\0ann@example.org\0{PASSWORD}".encode()).decode()
    told = client.say(f"AUTHENTICATE PLAIN {secret}")
    assert re.search(r"^T OK \[CAPABILITY [^\]]*\bQRESYNC\b[^\]]*\] ", told)
    assert client.say("ENABLE UTF8=ACCEPT QRESYNC").startswith("* ENABLED UTF8=ACCEPT QRESYNC\r\n")
    client.say('SELECT "INBOX"')
    other = selected(world)
    other.say("STORE 1 +FLAGS.SILENT (\\Deleted)")
    other.say("EXPUNGE")
    headers = "BODY.PEEK[HEADER.FIELDS (DATE FROM SENDER SUBJECT TO CC MESSAGE-ID REFERENCES)]"
    answer = client.say(f"FETCH 1:3 (UID FLAGS INTERNALDATE RFC822.SIZE {headers})")
    assert [int(uid) for uid in re.findall(r"FETCH \(UID (\d+)", answer)] == [1, 2, 3]
    # Until then what it knows is the MODSEQ before the expunge (RFC 7162 §6).
    assert re.fullmatch(r"\* VANISHED 1\r\n\* 2 RECENT\r\nT OK \[HIGHESTMODSEQ \d+\] Done\r\n", client.say("NOOP"))
    assert "* 1 FETCH (UID 2)" in client.say("FETCH 1 UID")


# Many users behind one address: Gmail app, Outlook mobile


def test_logged_in_connections_of_one_address_are_not_counted_as_strangers() -> None:
    world = World(limits=LimitSettings(unauthenticated_per_address=3))
    clients = [world.client(address="198.51.100.7") for _ in range(10)]
    assert all("T OK" in client.say("NOOP") for client in clients)


# K-9 and Android: long IDLE


def test_an_idle_of_29_minutes_is_borne() -> None:
    world = World()
    client = selected(world)
    client.say("IDLE")
    for _ in range(29):
        world.advance(60)
    assert not client.closed and "BYE" not in client.heard()
    world.deliver()
    assert "* 1 EXISTS" in client.heard()


# mbsync and offlineimap


def test_pipelined_fetches_are_answered_in_order_and_copies_are_not_made_twice() -> None:
    world = World()
    for _ in range(3):
        world.deliver()
    client = selected(world)
    client.send(b"".join(b"%d UID FETCH %d (BODY.PEEK[])\r\n" % (10 + uid, uid) for uid in (1, 2, 3)))
    assert re.findall(r"\* (\d) FETCH|^(1\d) OK", client.heard(), re.MULTILINE) == [
        ("1", ""), ("", "11"), ("2", ""), ("", "12"), ("3", ""), ("", "13"),
    ]  # fmt: skip
    appended = client.append(MAIL, "Archive", '(\\Seen) "17-Jul-1996 02:44:25 -0700" ')
    assert re.search(r"T OK \[APPENDUID \d+ 1\] ", appended)


# Everybody


@pytest.mark.parametrize(("numbers", "told"), [("5:1", "12345"), ("*:1", "12345"), ("*", "5"), ("*:4,2", "245")])
def test_ranges_are_taken_in_any_direction(numbers: str, told: str) -> None:
    world = World()
    for _ in range(5):
        world.deliver()
    client = selected(world)
    for command in (f"FETCH {numbers} UID", f"UID FETCH {numbers} UID"):
        assert "".join(re.findall(r"FETCH \(UID (\d)\)", client.say(command))) == told


def test_a_uid_range_beyond_the_last_message_names_the_last() -> None:
    world = World()
    for _ in range(3):
        world.deliver()
    assert "* 3 FETCH (UID 3)" in selected(world).say("UID FETCH 100:* UID")


@pytest.mark.parametrize("name", ["inbox", "Inbox", '"INBOX"', '"iNbOx"'])
def test_inbox_is_one_mailbox_in_any_case(name: str) -> None:
    world = World()
    world.deliver()
    client = world.client()
    assert "* 1 EXISTS" in client.say(f"SELECT {name}")
    assert '"INBOX" (MESSAGES 1)' in client.say(f"STATUS {name} (MESSAGES)")
    assert '"/" "INBOX"\r\n' in client.say(f'LIST "" {name}')


def test_a_text_follows_every_response_code() -> None:
    world = World()
    world.deliver()
    client = world.client()
    commands = (
        "SELECT INBOX (CONDSTORE)", "COPY 1 Archive", "COPY 1 nowhere", "SELECT nowhere", "CREATE INBOX",
        "DELETE nowhere", "CREATE x (USE (\\Sent))", "STATUS nowhere (MESSAGES)", "SEARCH CHARSET X-NO TEXT a",
        "SELECT Archive", "STORE 1 (UNCHANGEDSINCE 1) +FLAGS (x)", "STORE 1 +FLAGS (\\Deleted)",
        "EXPUNGE", "CREATE a//b",
    )  # fmt: skip
    answers = client.greeting + "".join(client.say(command) for command in commands) + client.append(MAIL)
    codes = re.findall(r"^\S+ (?:OK|NO|BAD|BYE) \[[^\]]+\](.*)$", answers.replace("\r", ""), re.MULTILINE)
    assert len(codes) > 15
    assert all(re.match(r" \S", text) for text in codes)


def test_a_client_may_say_all_of_itself_before_login() -> None:
    client = World().client(login=False)
    fields = " ".join(f'"{number:030}" "{"x" * 1024}"' for number in range(30))
    assert client.say(f"ID ({fields})").startswith("* ID (")


def test_imapclient_appends_several_messages_with_two_spaces_between_them() -> None:
    client = World().client()
    announced = b"{%d+}\r\n%s" % (len(MAIL), MAIL)
    client.send(b'T APPEND "Drafts" ' + announced + b"  " + announced + b"\r\n")
    assert " 1:2] " in client.heard()
