from __future__ import annotations

import pytest

from xtramail.model.errors import BadMailboxName
from xtramail.store.mailbox_names import canonical, checked, is_inferior, superiors


@pytest.mark.parametrize(
    ("name", "is_called"),
    [
        ("inbox", "INBOX"),
        ("InBoX/Sub", "INBOX/Sub"),
        ("inboxes", "inboxes"),
        ("a/inbox", "a/inbox"),
        ("Bücher", "Bücher"),
    ],
)
def test_inbox_is_one_in_any_case_and_only_as_the_first_level(name: str, is_called: str) -> None:
    assert canonical(name) == is_called == checked(name)


@pytest.mark.parametrize(
    "name",
    ["", "/", "a/", "/a", "a//b", "a\x00b", "a\nb", "\x7f", "a\x85", "\ud800"]
    + ["x" * 1001, "ü" * 501, "/".join("a" * 21)],
)
def test_names_that_nobody_could_use_are_refused(name: str) -> None:
    with pytest.raises(BadMailboxName):
        checked(name)


@pytest.mark.parametrize("name", ["x" * 1000, "/".join("a" * 20), "..", "a b", "%", "~", "日本語", "&"])
def test_unusual_names_are_names(name: str) -> None:
    assert checked(name) == name


def test_superiors_come_from_the_top() -> None:
    assert superiors("a/b/c") == ["a", "a/b"]
    assert superiors("a") == []
    assert is_inferior("a/b", "a") and not is_inferior("ab", "a") and not is_inferior("a", "a")
