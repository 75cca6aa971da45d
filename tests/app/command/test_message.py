"""What became of a message, and the message itself."""

from __future__ import annotations

import base64
from pathlib import Path

from msgspec.structs import replace

from tests.app.command.office import Office
from tests.delivery.world import MESSAGE
from xtramail.model.ids import id_text
from xtramail.store import keys, mailboxes, outbound, removals
from xtramail.store.records import Account

RAY = "ray@relay.example"
DAY = 86_400.0


def id_of_mail(office: Office, address: str = RAY) -> str:
    events = office.json("trace", address)["events"]
    return str(next(event["id"] for event in events if event["event"] == "accepted"))


def expunge(office: Office, address: str) -> None:
    def work(world: object) -> None:
        account: Account = world.ray if address == RAY else world.ann  # type: ignore[attr-defined]

        def gone(txn: object) -> None:
            inbox = mailboxes.mailbox_by_name(txn, "INBOX")  # type: ignore[arg-type]
            assert inbox is not None
            removals.expunge(txn, inbox.id, None, address, 0.0, False)  # type: ignore[arg-type]

        world.engine.transact(keys.user_scope(account.id), gone).result()  # type: ignore[attr-defined]

    office.world(work)


def test_trace_finds_mail_by_address_message_id_and_our_id(office: Office) -> None:
    office.receive(RAY)
    number = id_of_mail(office)
    (waiting,) = office.json("queue", "list")
    ids = ("<m1@sender.example>", "m1@sender.example", number, waiting["id"])
    for word in (RAY, RAY.upper(), "zoe@sender.example", *ids):
        found = office.json("trace", word)
        assert [(event["id"], event["event"]) for event in found["events"]] == [
            (number, "accepted"),
            (number, "state"),
        ], word
        assert [(row["recipient"], row["fate"]) for row in found["fates"]] == [(RAY, "held")]
    text = office.done("trace", number)
    assert "accepted" in text and text.endswith(f"{RAY}\theld: due now\n")


def test_trace_of_nothing_says_how_long_the_log_is_kept(office: Office) -> None:
    assert "nothing is known of who@nowhere.example; the log is kept 15 days" in office.refused(
        "trace", "who@nowhere.example"
    )
    assert "find it with: xtramail trace ADDRESS" in office.refused("trace", "short")


def test_show_tells_where_copies_lie_and_their_fates(office: Office) -> None:
    office.receive(RAY, "ann@local.example")
    shown = office.json("message", "show", id_of_mail(office))
    assert (shown["message-id"], shown["subject"], shown["size"]) == ("<m1@sender.example>", "plans", shown["size"])
    assert sorted((copy["account"], copy["mailbox"], copy["uid"], copy["expunged"]) for copy in shown["copies"]) == [
        ("ann@local.example", "INBOX", 1, False),
        (RAY, "INBOX", 1, False),
    ]
    assert {row["recipient"]: row["fate"] for row in shown["fates"]} == {RAY: "held", "ann@local.example": "delivered"}


def test_show_tells_of_a_copy_in_a_mirror_too(office: Office) -> None:
    office.done("mirror", "add", RAY, "--into", "ann@local.example")
    office.receive(RAY)
    copies = office.json("message", "show", id_of_mail(office))["copies"]
    assert sorted(copy["account"] for copy in copies) == ["ann@local.example", RAY]


def test_the_id_that_the_queue_lists_names_its_message_too(office: Office) -> None:
    office.receive(RAY)
    number = id_of_mail(office)
    (waiting,) = office.json("queue", "list")
    assert waiting["id"] != number
    assert office.json("message", "show", waiting["id"])["id"] == number
    assert office.json("message", "export", waiting["id"])["id"] == number
    assert office.json("message", "release", waiting["id"])["of"] == number


def test_export_gives_every_octet_to_standard_output_file_and_json(office: Office, tmp_path: Path) -> None:
    body = MESSAGE + b"\xff\x80 8-bit\r\n" * 20_000
    office.receive(RAY, message=body)
    number = id_of_mail(office)
    octets = office.run("message", "export", number).stdout_bytes
    assert octets.startswith(b"Return-Path: <zoe@sender.example>\r\n") and octets.endswith(body)
    told = office.json("message", "export", number, "--output", "mail.eml")
    assert (tmp_path / "mail.eml").read_bytes() == octets
    assert (tmp_path / "mail.eml").stat().st_mode & 0o777 == 0o600
    assert told == {"id": number, "size": len(octets), "file": "mail.eml"}
    assert base64.b64decode(office.json("message", "export", number)["base64"]) == octets


def test_export_never_writes_over_a_file(office: Office, tmp_path: Path) -> None:
    office.receive(RAY)
    (tmp_path / "mail.eml").write_text("dear")
    reason = office.refused("message", "export", id_of_mail(office), "--output", "mail.eml")
    assert "mail.eml exists already; choose another name" in reason
    assert (tmp_path / "mail.eml").read_text() == "dear"
    assert "No such file or directory" in office.refused(
        "message", "export", id_of_mail(office), "--output", "no/such/mail.eml"
    )


def test_an_expunged_message_is_still_shown_and_exported(office: Office) -> None:
    office.receive(RAY)
    number = id_of_mail(office)
    expunge(office, RAY)
    assert office.json("message", "show", number)["copies"][0]["expunged"] is True
    assert f"{RAY} INBOX 1 (expunged)" in office.done("message", "show", number)
    assert office.run("message", "export", number).stdout_bytes.endswith(MESSAGE)


def test_mail_that_is_kept_longer_than_the_log_is_found_all_the_same(office: Office) -> None:
    office.receive(RAY)
    number = id_of_mail(office)

    def forget(world: object) -> None:
        engine = world.engine  # type: ignore[attr-defined]
        for bucket in engine.buckets():
            engine.transact(keys.LOG, lambda txn, b=bucket: txn.delete_range(b, b"\0", b"\xff")).result()

    office.world(forget)
    assert [event["event"] for event in office.json("trace", number)["events"]] == ["state"]
    assert office.json("message", "show", number)["copies"][0]["account"] == RAY
    assert office.run("message", "export", number).stdout_bytes.endswith(MESSAGE)


def test_a_message_that_is_not_stored_says_so(office: Office) -> None:
    assert "is not stored any more" in office.refused("message", "export", "0000000000000")
    assert "nothing is known of 0000000000000" in office.refused("message", "show", "0000000000000")


def test_release_queues_the_stored_octets_again_under_an_id_of_their_own(office: Office) -> None:
    office.receive(RAY, message=MESSAGE + b"gr\xc3\xbc\xc3\x9fe\r\n")
    first = office.queued()[0]
    number = id_text(first.message_id)
    office.settle(lambda txn: outbound.complete(txn, first.id))
    done = office.json("message", "release", number)
    assert (done["of"], done["to"]) == (number, [RAY])
    (again,) = office.queued()
    assert (again.body, again.reverse_path, again.destination) == (first.body, first.reverse_path, "relay.example")
    assert again.eightbit and again.header_message_id == "<m1@sender.example>"
    assert office.json("message", "show", done["id"])["fates"][0]["fate"] == "held"
    assert office.json("status")["ledger"] == {
        "accepted": 2, "held": 2, "attempted": 0, "delivered": 0, "unconfirmed": 0, "suppressed": 0, "bounced": 0
    }  # fmt: skip
    assert office.json("status")["balanced"] is True
    assert any(event["event"] == "released" for event in office.json("trace", RAY)["events"])


def test_release_goes_to_those_named_and_skips_local_ones_otherwise(office: Office) -> None:
    office.receive(RAY, "ann@local.example")
    number = id_of_mail(office)
    (first,) = office.queued()
    office.settle(lambda txn: outbound.complete(txn, first.id))
    assert office.json("message", "release", number)["to"] == [RAY]
    assert office.json("message", "release", number, "--to", "other@relay.example")["to"] == ["other@relay.example"]
    reason = office.refused("message", "release", number, "--to", "ann@local.example")
    assert "domain local.example has no primary here to release to" in reason
    assert "address 'nobody'" in office.refused("message", "release", number, "--to", "nobody")


def test_what_waits_already_is_due_and_not_sent_beside_itself(office: Office) -> None:
    office.receive(RAY)
    (entry,) = office.queued()
    later = replace(entry, due=entry.expires, held=True, hold_reason="refused, though known since 2026-01-01")
    office.settle(lambda txn: outbound.update(txn, later))
    done = office.json("message", "release", id_text(entry.message_id))
    assert (done["to"], done["due"], done["reappeared"]) == ([], {RAY: id_text(entry.id)}, [])
    (freed,) = office.queued()
    assert freed.released and not freed.held and freed.due < entry.expires
    assert "is due now for ray@relay.example" in office.done("message", "release", id_text(entry.message_id))
    told = [event["text"] for event in office.json("trace", RAY)["events"] if event["event"] == "released"]
    assert told[0].startswith("due again, by ")


def test_in_an_outage_it_is_in_inbox_again(office: Office) -> None:
    office.receive(RAY)
    number = id_of_mail(office)
    assert office.json("message", "release", number)["reappeared"] == []
    office.done("domain", "hold", "relay.example")
    assert office.json("message", "release", number)["reappeared"] == [], "it lies there"
    expunge(office, RAY)
    assert office.json("message", "release", number)["reappeared"] == [RAY]
    copies = [(one["mailbox"], one["expunged"]) for one in office.json("message", "show", number)["copies"]]
    assert copies == [("INBOX", False)]


def test_in_an_outage_it_appears_to_who_filed_it_away_or_never_had_it(office: Office) -> None:
    office.receive("ann@local.example", RAY)
    number = id_of_mail(office)
    office.done("user", "add", "una@relay.example", "--generate")
    office.done("domain", "hold", "relay.example")
    done = office.json("message", "release", number, "--to", "una@relay.example")
    assert (done["to"], done["reappeared"]) == (["una@relay.example"], ["una@relay.example"])
    copies = office.json("message", "show", done["of"])["copies"]
    assert ("ann@local.example", "INBOX") in [(one["account"], one["mailbox"]) for one in copies]
    assert office.json("status")["balanced"] is True


def test_release_of_local_mail_names_the_next_step(office: Office) -> None:
    office.receive("ann@local.example")
    reason = office.refused("message", "release", id_of_mail(office, "ann@local.example"))
    assert "xtramail domain set NAME primary=HOST" in reason


def test_subjects_and_addresses_of_strangers_do_not_reach_the_terminal_raw(office: Office) -> None:
    evil = MESSAGE.replace(b"Re: plans", b"=?utf-8?q?=1B=5B2Jowned?=")
    office.receive(RAY, message=evil)
    for words in (("trace", RAY), ("message", "show", id_of_mail(office))):
        assert "\x1b" not in office.done(*words)
