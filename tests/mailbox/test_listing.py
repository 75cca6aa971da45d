"""Patterns of LIST and what is said of each name."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.source_tree import ROOT
from xtramail.mailbox.listing import Folder, list_folders, list_subscribed, matches, pattern_of
from xtramail.model.errors import LimitReached


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("INBOX", "inbox", True),
        ("INBOX", "*", True),
        ("INBOX", "%", True),
        ("INBOX", "iNBOX*", True),
        ("INBOX/a", "inbox/%", True),
        ("INBOX", "iNb*", True),
        ("INBOX", "%bOx", True),
        ("INBOX/a", "i*x/a", True),
        ("INBOX/a", "i*x/A", False),
        ("INBOXES", "inb*", False),
        ("INBOX", "\u0131nbox", False),
        ("INBOXES", "inbox", False),
        ("INBOXES", "inboxes", False),
        ("a/b", "%", False),
        ("a/b", "%/%", True),
        ("a/b/c", "a/%", False),
        ("a/b/c", "a/*", True),
        ("a/b/c", "a/%/c", True),
        ("a/b/c", "*c", True),
        ("a/b/c", "%c", False),
        ("a/b/c", "*%", True),
        ("a/b/c", "%*c", True),
        ("a", "a%", True),
        ("a", "a*%*", True),
        ("a", "", False),
        ("a", "b", False),
        ("axb/cxd", "a%b*c%d", True),
        ("a/xb", "a%b", False),
        ("", "", True),
        ("", "*%", True),
        ("", "a", False),
    ],
)
def test_wildcards(name: str, pattern: str, expected: bool) -> None:
    assert matches(name, pattern) is expected


@given(st.text("ab/", max_size=12), st.text("ab/%*", max_size=9))
@settings(derandomize=True, deadline=None, max_examples=600)
def test_the_matcher_agrees_with_a_regular_expression(name: str, pattern: str) -> None:
    wildcards = {"*": ".*", "%": "[^/]*"}
    expression = "".join(wildcards.get(character, re.escape(character)) for character in pattern)
    assert matches(name, pattern) is (re.fullmatch(expression, name) is not None)


HOSTILE = """
import resource
from xtramail.mailbox.listing import matches

# Seconds of its own work; it takes hundredths.
resource.setrlimit(resource.RLIMIT_CPU, (4, 4))
for name, pattern in (
    ("a" * 1000, "*a%" * 300 + "b"),
    ("a" * 1000, "%a" * 500 + "b"),
    ("a" * 600 + "/" + "a" * 399, "*%" + "a" * 200 + "b"),
    ("a" * 500 + "/" + "a" * 499, "*%" + "a" * 250 + "b"),
    ("a/" * 500, "%*" * 500 + "b"),
):
    assert not matches(name, pattern)
"""


def test_a_hostile_pattern_costs_no_more_than_lengths_multiplied() -> None:
    # In a process that the kernel ends: it might not come back.
    ended = subprocess.run([sys.executable, "-c", HOSTILE], cwd=ROOT, stderr=subprocess.PIPE, check=False, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_pattern_longer_than_any_name_is_refused() -> None:
    with pytest.raises(LimitReached):
        pattern_of("", "x" * 1025)
    assert pattern_of("a/", "%") == "a/%"
    assert pattern_of("a/", "/b") == "/b"


def test_list_tells_children_special_uses_and_names_that_are_no_mailboxes() -> None:
    folders = [Folder("Sent", "\\Sent"), Folder("INBOX"), Folder("work/2026/may"), Folder("work/2026")]
    listed = list_folders(folders, ["*"], None)
    assert [(one.name, one.attributes) for one in listed] == [
        ("INBOX", (b"\\HasNoChildren",)),
        ("Sent", (b"\\HasNoChildren", b"\\Sent")),
        ("work", (b"\\Noselect", b"\\HasChildren")),
        ("work/2026", (b"\\HasChildren",)),
        ("work/2026/may", (b"\\HasNoChildren",)),
    ]
    assert [one.name for one in list_folders(folders, ["%"], None)] == ["INBOX", "Sent", "work"]


def test_lsub_tells_the_parent_where_the_percent_sign_stopped() -> None:
    listed = list_subscribed(["a/b", "c", "gone"], frozenset({"a/b", "c"}), ["%"])
    assert [(one.name, one.attributes) for one in listed] == [
        ("a", (b"\\Noselect",)),
        ("c", ()),
        ("gone", (b"\\Noselect",)),
    ]
    assert [one.name for one in list_subscribed(["a/b", "c"], frozenset(), ["*"])] == ["a/b", "c"]
