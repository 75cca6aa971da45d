"""The form of the log: one JSON line an event, and nothing in it that should not be."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from twisted.logger import Logger, LogPublisher, globalLogPublisher
from twisted.python.failure import Failure

from xtramail.model.address import Address
from xtramail.model.ids import id_text
from xtramail.model.outcome import Fate
from xtramail.model.peer import Peer
from xtramail.model.secret import Secret
from xtramail.telemetry import maillog
from xtramail.telemetry.log import MAX_TEXT, JsonLog, collecting, plain

PEER = Peer(address="192.0.2.1", port=4711, tls="TLSv1.3 TLS_AES_256_GCM_SHA384", helo="client")


@contextmanager
def listening() -> Iterator[list[dict[str, object]]]:
    lines: list[dict[str, object]] = []
    observer = collecting(lines)
    globalLogPublisher.addObserver(observer)
    try:
        yield lines
    finally:
        globalLogPublisher.removeObserver(observer)


def test_a_business_event_is_one_line_with_its_id_and_fields() -> None:
    with listening() as lines:
        maillog.message_accepted(
            message_id=77,
            service="smtp",
            peer=PEER,
            sender=None,
            recipients=[Address(local="ann", domain="example.org")],
            size=1234,
        )
    (line,) = lines
    assert str(line.pop("time")).endswith("Z")
    assert line == {
        "level": "info",
        "event": "message-accepted",
        "id": id_text(77),
        "service": "smtp",
        "peer": "192.0.2.1",
        "helo": "client",
        "tls": "TLSv1.3 TLS_AES_256_GCM_SHA384",
        "sender": "<>",
        "recipients": ["ann@example.org"],
        "size": 1234,
        "account": "",
        "message_id": "",
        "signed": "",
    }


def test_a_secret_cannot_be_logged_whatever_way_it_comes() -> None:
    secret = Secret("hunter2")
    with listening() as lines:
        maillog.login_refused(service="imaps", name=secret, peer=PEER, reason="x")  # type: ignore[arg-type]
        maillog.alarm(kind="k", text=[secret, {"password": "hunter2"}, b"hunter2"])  # type: ignore[arg-type]
        Logger(namespace="test").warn("told {it}", it=secret)
    assert "hunter2" not in json.dumps(lines)
    assert lines[0]["name"] == "<Secret>"
    assert lines[1]["text"] == ["<Secret>", "<dict>", "<bytes>"]


def test_a_bug_is_logged_with_its_traceback() -> None:
    with listening() as lines:
        try:
            raise KeyError("lost")
        except KeyError:
            maillog.bug(where="smtp", peer=PEER)
            maillog.bug(where="relay", failure=Failure())
    assert [(line["event"], line["where"], line["kind"], line["level"]) for line in lines] == [
        ("bug", "smtp", "KeyError", "critical"),
        ("bug", "relay", "KeyError", "critical"),
    ]
    assert "test_log.py" in str(lines[0]["traceback"])


def test_twisteds_chatter_is_left_out_and_its_complaints_are_not() -> None:
    with listening() as lines:
        Logger(namespace="twisted.internet.tcp").info("starting factory")
        Logger(namespace="twisted.internet.tcp").warn("could not accept")
        Logger(namespace="xtramail.anything").info("noted {what}", what="well")
    assert [line["text"] for line in lines] == ["could not accept", "noted well"]


def test_line_ends_in_values_do_not_make_lines() -> None:
    with listening() as lines:
        maillog.alarm(kind="k", text='one\r\ntwo\u2028"event":"forged"')
    assert lines[0]["text"] == 'one\r\ntwo\u2028"event":"forged"'


def test_values_are_cut_and_lone_surrogates_survive() -> None:
    assert plain("x" * (MAX_TEXT + 1)) == "x" * MAX_TEXT + "..."
    assert plain(range(3)) == "<range>"
    assert plain(tuple(range(1000))) == list(range(100))
    assert plain(Fate.HELD) == "held"
    with listening() as lines:
        maillog.alarm(kind="k", text="\udcff")
    assert lines[0]["text"] == "\udcff"


def publish(observer: JsonLog, text: str) -> None:
    Logger(namespace="xtramail", observer=LogPublisher(observer)).warn("{text}", text=text)


def texts(path: Path) -> list[str]:
    return [json.loads(line)["text"] for line in path.read_text().splitlines()]


def test_a_file_is_opened_again_after_it_was_moved(tmp_path: Path) -> None:
    log = JsonLog(tmp_path / "log")
    publish(log, "first")
    (tmp_path / "log").rename(tmp_path / "log.1")
    publish(log, "second")
    log.reopen()
    publish(log, "third")
    log.close()
    assert texts(tmp_path / "log.1") == ["first", "second"]
    assert texts(tmp_path / "log") == ["third"]
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o640 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_file_that_cannot_be_opened_again_leaves_the_old_one_in_use(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    log = JsonLog(tmp_path / "folder" / "log")
    (tmp_path / "folder" / "log").rename(tmp_path / "moved")
    (tmp_path / "folder").rmdir()
    with pytest.raises(OSError, match="No such file"):
        log.reopen()
    publish(log, "still written")
    log.close()
    assert texts(tmp_path / "moved") == ["still written"]


def test_a_log_that_cannot_be_written_does_not_stop_mail() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    log = JsonLog(writer)
    publish(log, "into a closed pipe")
    os.close(writer)
