from __future__ import annotations

import pytest

from xtramail.wire.imap.faults import BadSyntax, Declined
from xtramail.wire.imap.fetch_items import Attribute, Section, SectionText
from xtramail.wire.imap.fetch_parser import parse_fetch_items


def _section(text: bytes) -> Section:
    (item,) = parse_fetch_items(text).items
    assert isinstance(item, Section)
    return item


@pytest.mark.parametrize(
    ("text", "label"),
    [
        (b"BODY[]", b"BODY[]"),
        (b"body.peek[]<0.393216>", b"BODY[]<0>"),
        (b"BODY.PEEK[HEADER.FIELDS (Date FROM)]<5.10>", b"BODY[HEADER.FIELDS (Date FROM)]<5>"),
        (b'BODY[HEADER.FIELDS ("Date" {4}\r\nFrom)]', b"BODY[HEADER.FIELDS (Date From)]"),
        (b'BODY[1.header.fields.not ("a b")]', b'BODY[1.HEADER.FIELDS.NOT ("a b")]'),
        (b"BODY[1.2.MIME]", b"BODY[1.2.MIME]"),
        (b"BODY[3.TEXT]", b"BODY[3.TEXT]"),
        (b"BODY[1]", b"BODY[1]"),
        (b"RFC822", b"RFC822"),
        (b"RFC822.HEADER", b"RFC822.HEADER"),
        (b"RFC822.TEXT", b"RFC822.TEXT"),
    ],
)
def test_the_answer_names_a_section_as_it_was_asked_for(text: bytes, label: bytes) -> None:
    assert _section(text).label == label


def test_a_section_tells_path_text_fields_and_origin() -> None:
    assert _section(b"BODY.PEEK[1.2.HEADER.FIELDS (Date FROM)]<5.10>") == Section(
        label=b"BODY[1.2.HEADER.FIELDS (Date FROM)]<5>",
        path=(1, 2),
        text=SectionText.HEADER_FIELDS,
        fields=(b"date", b"from"),
        peek=True,
        start=5,
        count=10,
    )


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (b"BODY[]", True),
        (b"BODY.PEEK[]", False),
        (b"RFC822", True),
        (b"RFC822.HEADER", False),
        (b"(FLAGS BODY)", False),
    ],
)
def test_only_sections_without_peek_set_seen(text: bytes, seen: bool) -> None:
    assert parse_fetch_items(text).sets_seen is seen


def test_macros_expand_and_stand_alone() -> None:
    fast = (Attribute.FLAGS, Attribute.INTERNALDATE, Attribute.RFC822_SIZE)
    assert parse_fetch_items(b"fast").items == fast
    assert parse_fetch_items(b"ALL").items == (*fast, Attribute.ENVELOPE)
    assert parse_fetch_items(b"FULL").items == (*fast, Attribute.ENVELOPE, Attribute.BODY)
    for text in (b"(ALL)", b"(FLAGS FAST)", b"ALL FLAGS", b"ALLX"):
        with pytest.raises(BadSyntax):
            parse_fetch_items(text)


def test_an_item_named_twice_is_answered_once() -> None:
    assert parse_fetch_items(b"(UID FLAGS uid)").items == (Attribute.UID, Attribute.FLAGS)


def test_the_same_text_is_compiled_once() -> None:
    assert parse_fetch_items(b"(UID FLAGS)") is parse_fetch_items(b"(UID FLAGS)")


def test_items_of_extensions_tell_what_they_need() -> None:
    items = parse_fetch_items(b"(MODSEQ EMAILID PREVIEW (LAZY) SAVEDATE UID)")
    assert items.needs == {"CONDSTORE", "OBJECTID", "PREVIEW", "SAVEDATE"}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"()",
        b"(FLAGS",
        b"FLAGS UID",
        b"(FLAGS  UID)",
        b"NONSENSE",
        b"FLAGS[]",
        b"RFC822[]",
        b"BODY[",
        b"BODY[MIME]",
        b"BODY[0]",
        b"BODY[1.]",
        b"BODY[.1]",
        b"BODY[1..2]",
        b"BODY[TEXT.1]",
        b"BODY[HEADER.FIELDS]",
        b"BODY[HEADER.FIELDS ()]",
        b"BODY[HEADER (DATE)]",
        b"BODY[99999999999]",
        b"BODY[" + b"1." * 64 + b"1]",
        b"BODY[]<0>",
        b"BODY[]<0.0>",
        b"BODY[]<1.2",
        b"BODY[]<9223372036854775808.1>",
        b"BODY[]<-1.5>",
        b"BODY.PEEK",
        b"PREVIEW (EAGER)",
    ],
)
def test_what_is_no_item_is_refused(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        parse_fetch_items(text)


@pytest.mark.parametrize(
    "text",
    [
        b"(" + b" ".join(b"BODY.PEEK[%d]" % number for number in range(1, 202)) + b")",
        b"(BODY[HEADER.FIELDS (" + b" ".join(b"x%d" % number for number in range(1_001)) + b")])",
        b"(" + b" ".join(b"BODY[HEADER.FIELDS (x%d%s)]" % (n, b" y" * 10) for n in range(100)) + b")",
    ],
    ids=["sections", "fields of one", "fields of all"],
)
def test_more_than_a_client_asks_for_is_refused_with_its_limit(text: bytes) -> None:
    with pytest.raises(Declined) as refused:
        parse_fetch_items(text)
    assert refused.value.code == b"LIMIT"


def test_as_much_as_the_limits_allow_is_taken() -> None:
    fields = b"(" + b" ".join(b"x%d" % number for number in range(801)) + b")"
    sections = b" ".join(b"BODY.PEEK[%d]" % number for number in range(1, 200))
    assert len(parse_fetch_items(b"(BODY[HEADER.FIELDS " + fields + b"] " + sections + b")").items) == 200
