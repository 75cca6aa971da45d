from __future__ import annotations

import inspect

import pytest

from xtramail.model import errors
from xtramail.wire.imap.status import CODE_OF_ERROR, Outcome, refusal


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.NoSuchMailbox(), b"NONEXISTENT"),
        (errors.MailboxExists(), b"ALREADYEXISTS"),
        (errors.OverQuota(), b"OVERQUOTA"),
        (errors.TooLarge(), b"TOOBIG"),
        (errors.BadCredentials(), b"AUTHENTICATIONFAILED"),
        (errors.StoreBusy(), b"UNAVAILABLE"),
        (errors.StoreFull(), b"LIMIT"),
        (errors.Corrupt("key 17"), b"CORRUPTION"),
        (errors.FormatMismatch("x"), b"SERVERBUG"),
        (KeyError("secret"), b"SERVERBUG"),
    ],
)
def test_an_error_becomes_no_with_its_code(error: Exception, code: bytes) -> None:
    answer = refusal(error)
    assert (answer.outcome, answer.code) == (Outcome.NO, code)


def test_a_missing_target_asks_to_be_created() -> None:
    assert refusal(errors.NoSuchMailbox(), try_create=True).code == b"TRYCREATE"
    assert refusal(errors.OverQuota(), try_create=True).code == b"OVERQUOTA"


@pytest.mark.parametrize("error", [KeyError("secret"), errors.Corrupt("secret")])
def test_a_bug_reveals_nothing(error: Exception) -> None:
    assert "secret" not in refusal(error).text


def test_every_refusal_of_the_model_has_a_code() -> None:
    expected = {
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, (errors.Refused, errors.Unavailable))
    }
    assert expected == set(CODE_OF_ERROR)
