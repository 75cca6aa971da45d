"""``xtramail mail``: what people and scripts are told, and exit codes."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from tests.app.command.office import Office
from xtramail.app.command.transfer_progress import Meter, interruptible

ANN = "ann@local.example"
BOB = "bob@local.example"
LINE = b"From zoe@sender.example Thu Jan  1 12:00:00 2026\n"
TEXT = b"Subject: plans\n\nHello.\n"


def mbox(folder: Path, count: int = 3) -> Path:
    file = folder / "Work.mbox"
    file.write_bytes(b"".join(LINE + TEXT + b"%d\n\n" % number for number in range(count)))
    return file


def test_mail_comes_in_and_goes_out_and_every_row_is_right(office: Office, tmp_path: Path) -> None:
    file = mbox(tmp_path)
    assert office.done("mail", "import", ANN, str(file), "--dry-run").startswith(
        f"3 messages (87 B) would be brought to {ANN}.\n  Work: 3 (made)\n"
    )
    told = office.done("mail", "import", ANN, str(file))
    assert told.startswith(f"3 messages (87 B) brought to {ANN}.\n  Work: 3 (made)\n")
    assert office.json("mail", "import", ANN, str(file))["already"] == 3
    for format in ("mbox", "maildir", "eml"):
        out = tmp_path / format
        value = office.json("mail", "export", ANN, str(out), "--format", format)
        assert value["messages"] == 3
        assert {"mailbox": "Work", "messages": 3, "there": 3} in value["mailboxes"]
    assert office.json("mail", "import", BOB, str(tmp_path / "maildir"))["format"] == "maildir"
    assert "no fault found" in office.done("verify")
    kinds = [row["what"] for row in office.json("audit", "list")]
    assert kinds.count("mail import") == 2 and kinds.count("mail export") == 3


def test_what_was_not_taken_is_named_and_the_exit_code_tells(office: Office, tmp_path: Path) -> None:
    file = mbox(tmp_path, 1)
    with file.open("ab") as more:
        more.write(LINE + TEXT + b"\0\n\n")
    result = office.run("mail", "import", ANN, str(file), "--json")
    assert result.exit_code == 1
    value = json.loads(result.stdout)
    assert (value["messages"], value["refused"]) == (1, 1)
    assert value["troubles"][0]["text"] == "it has NUL octets, which mail cannot have"
    result = office.run("mail", "import", ANN, str(file))
    assert result.exit_code == 1
    assert "1 brought already, by an earlier run\n1 not taken:\n  Work.mbox, message 2 " in result.stdout


def test_refusals_say_the_next_step(office: Office, tmp_path: Path) -> None:
    file = mbox(tmp_path)
    assert "does not exist; see: xtramail user list" in office.refused("mail", "import", "who@local.example", str(file))
    (tmp_path / "x.bin").write_bytes(b"\x7fELF")
    assert "--format mbox|maildir|eml" in office.refused("mail", "import", ANN, str(tmp_path / "x.bin"))
    assert "choose another name" in office.refused("mail", "import", ANN, str(file), "--mailbox", "Recovered")
    assert "is not empty" in office.refused("mail", "export", ANN, str(tmp_path), "--format", "eml")
    assert office.run("mail", "export", ANN, str(tmp_path / "out")).exit_code == 2


def test_a_full_quota_says_how_to_go_on(office: Office, tmp_path: Path) -> None:
    office.done("user", "set", ANN, "quota=70")
    result = office.run("mail", "import", ANN, str(mbox(tmp_path)))
    assert result.exit_code == 1
    assert f"the quota is full; raise it (xtramail user set {ANN} quota=SIZE). Run the same command" in result.stdout
    office.done("user", "set", ANN, "quota=1GiB")
    assert office.json("mail", "import", ANN, str(mbox(tmp_path)))["messages"] == 1


def test_a_signal_asks_for_an_end_and_does_not_end_the_process() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with interruptible() as interrupt:
        assert not interrupt()
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupt()
    assert signal.getsignal(signal.SIGTERM) is before


def test_progress_tells_messages_octets_and_the_time_that_is_left() -> None:
    meter = Meter(total=10 << 20, quiet=False, began=100.0)
    assert meter.line(1, 5 << 20, 160.0) == "1 message, 5.0 MiB of 10.0 MiB, 1 min 00 s left"
    assert meter.line(7, 10 << 20, 160.0) == "7 messages, 10.0 MiB of 10.0 MiB"
