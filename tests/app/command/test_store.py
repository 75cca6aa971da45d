"""Days that end, and whether what is kept is whole."""

from __future__ import annotations

import json
import time
from pathlib import Path

from click.testing import CliRunner, Result

from tests.app.command.office import Office
from tests.store.pretended_formats import STEPS, TO, add_many
from xtramail.app.command.context import Context
from xtramail.app.command.store import store
from xtramail.app.upgrade import Formats
from xtramail.delivery.retention import read_state
from xtramail.store import keys, schema
from xtramail.store.records import encode, encode_number
from xtramail.store.server_lock import ServerLock
from xtramail.store.upgrade import Upgrading

ANN = "ann@local.example"
DAY = 86_400.0
NOW = time.time()
"""One moment for all: midnight may pass while a test runs."""


def old_mail(office: Office, days: int, count: int = 1) -> None:
    for _ in range(count):
        office.receive(ANN, at=NOW - days * DAY)


def kept(office: Office) -> int:
    return int(office.json("user", "show", ANN)["used"])


def test_nothing_is_over_its_days(office: Office) -> None:
    office.receive(ANN)
    assert office.json("expire", "--dry-run")["over"] == []
    assert office.done("expire", "--dry-run") == "nothing is over its days\n"
    assert office.done("expire") == "nothing was dropped.\n"
    assert kept(office) > 0


def test_a_dry_run_tells_days_messages_and_octets_and_changes_nothing(office: Office) -> None:
    old_mail(office, 40, 2)
    used = kept(office)
    told = office.json("expire", "--dry-run")
    (mail,) = [one for one in told["over"] if one["of"] == "local.example"]
    day = time.strftime("%Y-%m-%d", time.gmtime(NOW - 40 * DAY))
    assert (mail["day"], mail["messages"], mail["size"], mail["goes"]) == (day, 2, used, True)
    assert (told["dropped"], told["messages"], told["rows-deleted"]) == (0, 0, 0)
    assert kept(office) == used
    assert day in office.done("expire", "--dry-run")


def test_expire_drops_what_is_over_and_deletes_its_rows_where_no_server_runs(office: Office) -> None:
    old_mail(office, 40, 2)
    office.receive(ANN)
    left = kept(office)
    told = office.json("expire")
    assert told["messages"] == 2 and told["rows-deleted"] > 10
    assert 0 < kept(office) < left
    assert office.json("verify")["findings"] == []
    assert office.json("expire")["dropped"] == 0


def test_unconfirmed_it_takes_two_days_and_confirmed_all(office: Office) -> None:
    for days in (40, 41, 42, 43):
        old_mail(office, days)
    went = office.done("expire")
    assert "of 2 days dropped" in went and "see: xtramail expire --dry-run" in went
    assert office.json("expire")["messages"] == 0
    rest = office.json("expire", "--dry-run")["over"]
    assert rest and not any(one["goes"] for one in rest)
    assert "with --confirm" in office.done("expire", "--dry-run")
    assert office.json("expire", "--confirm")["messages"] == 2
    assert kept(office) == 0


def test_what_a_person_lets_expire_is_in_the_log_of_changes(office: Office) -> None:
    now = time.time()
    for ago in (40, 40, 41, 42):
        office.receive(ANN, at=now - ago * DAY)
    before = len(office.json("audit", "list"))
    office.done("expire", "--dry-run")
    assert len(office.json("audit", "list")) == before
    office.done("expire")
    days = [time.strftime("%Y-%m-%d", time.gmtime(now - ago * DAY)) for ago in (42, 41, 40)]
    row = office.json("audit", "list")[0]
    assert (row["what"], row["object"], row["how"]) == ("expire", "mail", "command line")
    assert row["after"] == {"days": ", ".join(days[:2]), "of": row["after"]["of"], "messages": 2, "confirmed": False}
    assert "local.example" in row["after"]["of"]
    office.done("expire")
    assert len(office.json("audit", "list")) == before + 1, "nothing went"
    office.done("expire", "--confirm")
    row = office.json("audit", "list")[0]
    assert (row["after"]["days"], row["after"]["messages"], row["after"]["confirmed"]) == (days[2], 2, True)
    office.done("expire", "--confirm")
    row = office.json("audit", "list")[0]
    assert (row["after"]["days"], row["after"]["confirmed"]) == ("", True), "somebody vouched for the clock"


def test_rows_stay_for_a_quarter_of_an_hour_while_a_server_runs(office: Office) -> None:
    old_mail(office, 40)
    with ServerLock(office.store):
        told = office.json("expire")
        assert (told["messages"], told["rows-deleted"]) == (1, 0)
        assert kept(office) == 0


def test_a_look_from_the_command_line_does_not_break_off_a_servers_agreement_with_its_clock(office: Office) -> None:
    office.done("expire")
    with office.engine() as engine:
        before = engine.read(keys.STORE, read_state)
    with ServerLock(office.store):
        office.done("expire")
    with office.engine() as engine:
        after = engine.read(keys.STORE, read_state)
    assert after.run == before.run and after.agreed > before.agreed


def test_mail_whose_fate_is_open_outlives_its_days_in_the_queue(office: Office) -> None:
    office.receive("ray@relay.example", at=time.time() - 100 * DAY)
    assert office.json("expire", "--confirm")["messages"] == 1
    (entry,) = office.json("queue", "list")
    assert b"Hello Ann." in office.run("message", "export", entry["message"]).stdout_bytes
    assert office.json("status")["balanced"] is True


def test_verify_counts_what_it_read_and_finds_no_fault(office: Office) -> None:
    office.receive(ANN, at=NOW)
    told = office.json("verify")
    assert told["findings"] == [] and told["rows"] > 20 and told["messages"] == 1
    assert told["oldest-day"] == time.strftime("%Y-%m-%d", time.gmtime(NOW))
    assert office.done("verify").splitlines()[-1] == "no fault found"


def test_verify_names_what_is_damaged_with_exit_code_1(office: Office) -> None:
    office.receive(ANN)
    data = office.store / "data.mdb"
    content = data.read_bytes()
    # LMDB copies pages when it writes: the row that counts is one of these.
    data.write_bytes(content.replace(b"m1@sender.example", b"m2@sender.example"))
    result = office.run("verify")
    assert result.exit_code == 1
    assert "fault: " in result.stdout and "restore a backup" in result.stdout
    assert office.run("verify", "--json").exit_code == 1


def test_verify_without_a_store_is_refused(bare: Office) -> None:
    (bare.store / "data.mdb").unlink()
    assert "there is no store in" in bare.refused("verify")


def test_an_upgrade_of_a_store_that_needs_none_says_so(office: Office) -> None:
    assert office.json("store", "upgrade") == {"format": keys.FORMAT}
    with ServerLock(office.store):
        assert "a server holds this store; stop it first" in office.refused("store", "upgrade")


def test_an_upgrade_without_a_store_is_refused(bare: Office, tmp_path: Path) -> None:
    (bare.store / "data.mdb").unlink()
    assert "there is no store in" in bare.refused("store", "upgrade", "--backup", str(tmp_path / "backup"))
    assert not (tmp_path / "backup").exists()


def test_an_upgrade_says_what_it_would_do_what_it_did_and_how_it_is_taken_back(office: Office, tmp_path: Path) -> None:
    office.receive(ANN)
    with office.engine() as engine:
        add_many(engine)
    formats = Formats(to=TO, steps=STEPS)

    def upgrade(*words: str) -> Result:
        context = Context(config=str(office.config), formats=formats)
        return CliRunner().invoke(store, ["upgrade", *words], obj=context)

    assert "an upgrade cannot be taken back without a backup" in str(upgrade().exception)
    assert upgrade("--dry-run", "--no-backup").exit_code == 2
    told = upgrade("--dry-run").stdout
    assert "format 2 to 3: values get longer: 4500 of" in told and "Nothing was changed." in told
    backup = tmp_path / "backup"
    done = upgrade("--backup", str(backup)).stdout
    assert "rows move and get an index: 5000 of" in done and "the store has format 4 now." in done
    assert f"xtramail restore {backup}" in done and "Next: xtramail verify" in done
    assert json.loads(upgrade("--json").stdout) == {"format": TO}


def test_a_store_half_way_to_another_format_is_refused_by_every_command(office: Office) -> None:
    state = Upgrading(before=keys.FORMAT - 1)
    with office.engine() as engine:
        engine.transact(keys.STORE, lambda txn: txn.put(0, keys.UPGRADE, encode(state))).result()
    for words in (("status",), ("user", "list"), ("backup", "x"), ("expire",)):
        assert "half-way to format 2: run xtramail store upgrade again" in office.refused(*words), words
    assert "half-way" in office.run("verify").stdout
    assert "was never released" in office.refused("store", "upgrade", "--no-backup")


def test_a_store_of_another_format_is_refused_by_every_command_and_never_rewritten(office: Office) -> None:
    for number, reason in ((keys.FORMAT + 1, "run the newer xtramail"), (0, "xtramail store upgrade")):
        with office.engine() as engine:
            value = encode_number(number)
            engine.transact(keys.STORE, lambda txn, v=value: txn.put(0, keys.FORMAT_NUMBER, v)).result()
        for words in (("status",), ("user", "list"), ("domain", "add", "a.example"), ("expire",), ("doctor",)):
            assert reason in office.refused(*words), words
        seen = office.run("verify")
        assert seen.exit_code == 1 and reason in seen.stdout
        with office.engine() as engine:
            assert engine.read(keys.STORE, schema.format_of) == number


def test_a_wrong_pair_of_options_is_wrong_usage(office: Office, tmp_path: Path) -> None:
    result = office.run("expire", "--dry-run", "--confirm")
    assert result.exit_code == 2 and "choose one of" in result.stderr
