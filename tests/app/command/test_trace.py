"""Mail is found by whatever is known of it, told from its first line to its true last one, the newest last."""

from __future__ import annotations

import time

import pytest

from tests.app.command.office import Office
from tests.delivery.world import MESSAGE

ANN, RAY = "ann@local.example", "ray@relay.example"
DAY = 86_400.0


def mail(number: int, subject: str = "plans") -> bytes:
    return MESSAGE.replace(b"<m1@", b"<m%d@" % number).replace(b"Subject: Re: plans", f"Subject: {subject}".encode())


@pytest.fixture
def filled(office: Office) -> Office:
    """Four messages: three days old, two days, a day, and of now."""
    now = time.time()
    office.receive(ANN, message=mail(1, "Invoice 4711"), at=now - 3 * DAY)
    office.receive(RAY, message=mail(2, "Invoice 4712"), sender="yan@other.example", at=now - 2 * DAY)
    office.receive(ANN, RAY, message=mail(3, "Lunch"), at=now - DAY)
    office.receive(ANN, message=mail(4, "Re: Lunch"))
    return office


def found(office: Office, *words: str) -> list[str]:
    """Numbers of the messages, in their order."""
    events = office.json("trace", *words)["events"]
    accepted = [event["message-id"] for event in events if event["event"] == "accepted"]
    return [text[2] for text in accepted]


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ((ANN,), "134"),
        (("ANN@LOCAL.EXAMPLE", RAY), "3"),
        (("--subject", "invoice"), "12"),
        (("--subject", "Invoice 4712"), "2"),
        (("--subject", "4712", "--subject", "INVOICE"), "2"),
        ((ANN, "--subject", "lunch"), "34"),
        (("--since", "36h"), "34"),
        (("--until", "36h"), "12"),
        (("--since", "60h", "--until", "12h"), "23"),
        (("--days", "2", ANN), "34"),
        ((RAY, "--since", "60h", "--subject", "lunch"), "3"),
        (("<m2@sender.example>",), "2"),
        (("m2@sender.example",), "2"),
        (("<m3@sender.example>", ANN), "3"),
        (("--since", "4d", "--limit", "2"), "34"),
    ],
)
def test_whatever_is_known_of_it_finds_a_message(filled: Office, words: tuple[str, ...], numbers: str) -> None:
    assert found(filled, *words) == list(numbers)


def test_a_moment_is_a_date_too(filled: Office) -> None:
    at = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(time.time() - 36 * 3_600))
    assert found(filled, "--since", at) == ["3", "4"]


@pytest.mark.parametrize(
    "words",
    [("nobody@local.example",), (ANN, "--subject", "4712"), ("--until", "30d"), ("<m3@sender.example>", "x@y.z")],
)
def test_what_nothing_is_known_of_says_how_long_the_log_is_kept(filled: Office, words: tuple[str, ...]) -> None:
    assert "the log is kept 15 days" in filled.refused("trace", *words)


def test_nothing_named_is_a_question_and_nonsense_is_named(filled: Office) -> None:
    assert filled.run("trace").exit_code == 2
    assert filled.run("trace", ANN, "--since", "2h", "--days", "1").exit_code == 2
    assert "since 'soon': so long ago, such as 2h" in filled.refused("trace", ANN, "--since", "soon")
    assert "subject 'Re: !': name a word of it" in filled.refused("trace", "--subject", "Re: !")


def test_a_cut_answer_says_that_there_is_more(filled: Office) -> None:
    result = filled.run("trace", ANN, "--limit", "1")
    assert result.stdout.count("accepted") == 2 and "Lunch" in result.stdout
    assert result.stderr == "There are older ones; see them with: --limit 2, or --until TIME\n"
    assert filled.run("trace", ANN, "--limit", "3").stderr == ""


def test_people_read_where_it_came_from_where_it_lies_and_how_it_ended(filled: Office) -> None:
    text = filled.done("trace", "<m4@sender.example>")
    first, last = text.splitlines()[1:]
    for words in ("from mail.sender.example [192.0.2.7]", "without TLS", "subject: Re: Lunch", f"stored: {ANN} INBOX"):
        assert words in first, words
    assert last.endswith("delivered: delivered to the mailbox")


def test_while_continuity_holds_it_every_list_says_444_and_why(filled: Office) -> None:
    held = "444 Redirect because: moving house"
    filled.done("domain", "hold", "relay.example", "--reason", "moving house")
    office = filled
    (row,) = [row for row in office.json("queue", "list") if row["from"] == "yan@other.example"]
    assert (row["status"], row["reason"]) == (held, "moving house")
    assert held in office.done("queue", "list")
    events = office.json("trace", "<m2@sender.example>")["events"]
    assert [event["event"] for event in events] == ["accepted", "held", "state"]
    assert events[-1]["text"] == f"held: {held}"
    (fate,) = office.json("trace", "<m2@sender.example>")["fates"]
    assert fate["status"] == held
    assert f"{RAY}: held ({held})" in office.done("message", "show", events[0]["id"])


def test_who_let_mail_go_is_told(filled: Office) -> None:
    (row, _) = filled.json("queue", "list")
    filled.done("queue", "release", row["id"])
    filled.done("queue", "retry", row["id"])
    told = [event["text"] for event in filled.json("trace", row["id"])["events"] if event["event"] == "released"]
    assert len(told) == 2 and all(text.startswith("due again, by ") for text in told)
