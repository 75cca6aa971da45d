"""Questions and answers octet for octet, made and read by a library on the other side."""

from __future__ import annotations

import time

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.wire.dns.answer import Address, Answer, MailHost, Place, Pointer, Text, Tlsa
from xtramail.wire.dns.packets import BadName, Truncated, Unanswered, answer, plain_name, question
from xtramail.wire.errors import ProtocolError

NUMBER = 4711


def reply(asked: bytes, *records: tuple[str, int, str, str], secure: bool = False) -> dns.message.Message:
    """A good answer of ``records``: name, TTL, type, text."""
    made = dns.message.make_response(dns.message.from_wire(asked))
    made.flags |= dns.flags.RA | (dns.flags.AD if secure else 0)
    for name, ttl, kind, text in records:
        made.answer.append(dns.rrset.from_text(name, ttl, "IN", kind, text))
    return made


def told(kind: str, *records: tuple[str, int, str, str], name: str = "far.example", secure: bool = False) -> Answer:
    asked = question(name, kind, NUMBER)
    return answer(reply(asked, *records, secure=secure).to_wire(), asked)


def test_a_question_wants_dnssec_and_to_know_whether_it_is_good() -> None:
    asked = dns.message.from_wire(question("Far.Example", "MX", NUMBER))
    assert asked.id == NUMBER and asked.flags == dns.flags.RD | dns.flags.AD
    assert asked.edns == 0 and asked.ednsflags == dns.flags.DO and asked.payload == 1232
    assert str(asked.question[0]) == "far.example. IN MX"


KINDS = {
    "MX": ("10 A.Far.Example.", MailHost(10, "a.far.example")),
    "A": ("192.0.2.7", Address("192.0.2.7")),
    "AAAA": ("2001:db8::7", Address("2001:db8::7")),
    "TXT": ('"v=STSv1; " "id=1;"', Text("v=STSv1; id=1;")),
    "PTR": ("mail.far.example.", Pointer("mail.far.example")),
    "SRV": ("0 1 993 mail.far.example.", Place(0, 1, 993, "mail.far.example")),
    "TLSA": ("3 1 1 " + "ab" * 32, Tlsa(3, 1, 1, b"\xab" * 32)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_of_each_kind_is_read(kind: str) -> None:
    text, wanted = KINDS[kind]
    found = told(kind, ("far.example.", 300, kind, text))
    assert found.records == (wanted,) and found.ttl == 300 and found.exists and not found.is_alias


def test_the_null_mx_has_no_host() -> None:
    assert told("MX", ("far.example.", 300, "MX", "0 .")).of(MailHost) == (MailHost(0, ""),)


def test_secure_is_what_the_name_server_says() -> None:
    assert not told("A", ("far.example.", 300, "A", "192.0.2.7")).secure
    assert told("A", ("far.example.", 300, "A", "192.0.2.7"), secure=True).secure
    assert told("A", secure=True).secure


def test_aliases_are_followed_within_the_answer_and_the_shortest_life_counts() -> None:
    found = told(
        "A",
        ("far.example.", 300, "CNAME", "b.example."),
        ("b.example.", 20, "CNAME", "C.example."),
        ("c.example.", 60, "A", "192.0.2.7"),
    )
    assert found.real == "c.example" and found.is_alias and found.ttl == 20 and found.of(Address)


def test_records_of_other_names_are_no_answer() -> None:
    found = told("A", ("evil.example.", 300, "A", "192.0.2.66"))
    assert found.records == () and found.exists


def test_nothing_there_and_no_such_name_are_two_things() -> None:
    asked = question("far.example", "MX", NUMBER)
    made = reply(asked)
    assert answer(made.to_wire(), asked).exists
    made.set_rcode(dns.rcode.NXDOMAIN)
    assert not answer(made.to_wire(), asked).exists


@pytest.mark.parametrize("code", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.FORMERR, dns.rcode.NOTIMP])
def test_a_server_that_cannot_tell_says_nothing_about_the_name(code: dns.rcode.Rcode) -> None:
    asked = question("far.example", "TLSA", NUMBER)
    made = reply(asked)
    made.set_rcode(code)
    with pytest.raises(Unanswered, match=dns.rcode.to_text(code)):
        answer(made.to_wire(), asked)


def test_what_is_cut_short_is_asked_for_again() -> None:
    asked = question("far.example", "MX", NUMBER)
    made = reply(asked)
    made.flags |= dns.flags.TC
    with pytest.raises(Truncated):
        answer(made.to_wire(), asked)


def test_answers_to_other_questions_are_refused() -> None:
    asked = question("far.example", "MX", NUMBER)
    for other in (("far.example", "MX", 1), ("near.example", "MX", NUMBER), ("far.example", "A", NUMBER)):
        with pytest.raises(ProtocolError, match="another question"):
            answer(reply(question(*other)).to_wire(), asked)
    with pytest.raises(ProtocolError, match="another question"):
        answer(asked, asked)


def test_aliases_that_circle_are_refused() -> None:
    with pytest.raises(ProtocolError):
        told("A", ("far.example.", 9, "CNAME", "b.example."), ("b.example.", 9, "CNAME", "far.example."))


@given(st.binary(max_size=200))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_no_octets_are_more_than_a_refusal(octets: bytes) -> None:
    asked = question("far.example", "MX", NUMBER)
    good = reply(asked, ("far.example.", 300, "MX", "10 a.far.example.")).to_wire()
    for tried in (octets, good[:12] + octets, good[: len(octets) % len(good)] + octets):
        try:
            answer(tried, asked)
        except (ProtocolError, Unanswered, Truncated):
            continue


def test_names_are_ascii_in_lower_case_and_what_is_none_is_refused() -> None:
    assert plain_name("Bücher.Example.") == "xn--bcher-kva.example"
    assert plain_name("_25._tcp.Far.Example") == "_25._tcp.far.example"
    for bad in ("a..b", "x" * 64 + ".example", ".".join(["x" * 60] * 5)):
        with pytest.raises(BadName):
            question(bad, "MX", NUMBER)


USABLE = [(3, 1, 1, 32), (3, 0, 1, 32), (2, 1, 2, 64), (2, 0, 0, 5), (3, 1, 0, 1)]
UNUSABLE = [
    (0, 1, 1, 32),
    (1, 1, 1, 32),
    (4, 1, 1, 32),
    (3, 2, 1, 32),
    (3, 1, 3, 32),
    (3, 1, 1, 31),
    (3, 1, 2, 32),
    (3, 1, 0, 0),
    (255, 255, 255, 32),
]


@pytest.mark.parametrize("record", [*USABLE, *UNUSABLE])
def test_which_tlsa_records_mail_goes_by(record: tuple[int, int, int, int]) -> None:
    usage, selector, matching, length = record
    assert Tlsa(usage, selector, matching, b"x" * length).usable is (record in USABLE)


def test_a_name_of_endless_letters_is_refused_before_it_is_looked_at() -> None:
    began = time.process_time()
    for letters in ("a\u00fc." * 10_000, "\u00fc" * 60_000):
        with pytest.raises(BadName):
            plain_name(letters)
    # Thousandths; what the collector of garbage takes meanwhile is counted, too.
    assert time.process_time() - began < 1.0
