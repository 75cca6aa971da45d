"""HTML gives the words a reader sees."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.wire.mime import limits
from xtramail.wire.mime.html_text import html_to_text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>one</p><p>two</p>", "one two"),
        ("wor<b>d</b>s and <a href='x'>links</a>", "words and links"),
        ("<td>a</td><td>b</td>", "a b"),
        ("a<br>b<br/>c<BR />d", "a b c d"),
        ("<style>p { color: red }</style>seen<script>if (a < b) x()</script>", "seen"),
        ("<STYLE type='text/css'>p</STYLE>seen", "seen"),
        ("<head><title>Title</title></head><body>body</body>", "body"),
        ("a<!-- hidden <b>x</b> -->b", "ab"),
        ("<!--[if mso]><p>outlook</p><![endif]-->rest", "rest"),
        ("1 &lt; 2 &amp; 3 &gt; 2 &nbsp; &eacute;&#233;&#xe9;", "1 < 2 & 3 > 2 ééé"),
        ("fish &amp; chips&nbsp;please", "fish & chips please"),
        ("if a < b then", "if a < b then"),
        ("<p\nclass='x'\n>text</p\n>", "text"),
        ("many    spaces\r\n\r\n   and\tlines", "many spaces and lines"),
        ("odd   three     five", "odd three five"),
        ("&#99999999999999999999;", "\ufffd;"),
        ("", ""),
        ("<p>open <b", "open b"),
    ],
)
def test_text(markup: str, text: str) -> None:
    assert html_to_text(markup) == text


def test_tags_beyond_the_limit_are_not_read() -> None:
    assert html_to_text("<p>x" * (limits.HTML_TAGS + 10)).count("x") <= limits.HTML_TAGS


def test_nested_tags_take_linear_time_and_lose_nothing() -> None:
    assert html_to_text("<div>" * 15_000 + "deep" + "</div>" * 4000) == "deep"


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.lists(st.sampled_from("< > <p> </p> <!-- --> <style> & &# ; x é".split() + [" ", "\n"]), max_size=20))
def test_anything_gives_single_spaced_text(pieces: list[str]) -> None:
    text = html_to_text("".join(pieces))
    assert "  " not in text and "\n" not in text and text == text.strip()
