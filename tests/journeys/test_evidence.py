"""After an outage its evidence is there, and true: what came, what became of it, and who worked here meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.journeys.conftest import ANN, BEN, DOMAIN
from tests.journeys.harness import Installation, eventually, mail
from tests.journeys.scripted_primary import ScriptedPrimary


def test_the_evidence_of_an_outage_is_what_happened(
    office: Installation, primary: ScriptedPrimary, tmp_path: Path
) -> None:
    office.command("domain", "set", DOMAIN, "probe-idle=200ms", "outage-goods=2")
    primary.refuse()
    office.finds_its_primary("down")
    for number in range(3):
        office.send(mail(number, to=ANN), [ANN, BEN])
    with office.submission(ANN) as client:
        client.sendmail(ANN, [BEN], mail(10, to=BEN, sender=ANN))
    with office.imap(ANN) as box:
        box.select("INBOX")
        box.store("1", "+FLAGS", "(\\Seen)")
        box.store("2", "+FLAGS", "(\\Deleted)")
        box.expunge()
        box.append("Drafts", "(\\Draft)", "", mail(20, to=BEN, sender=ANN))
    (row,) = office.command("outage", "history")
    going = office.command("outage", "show", row["id"])["evidence"]
    assert not going["kept"]
    assert (going["received"], going["fates"]["held"], going["balanced"]) == (7, 7, True)

    primary.accept()
    office.finds_its_primary("up")
    office.waits_for_nothing()
    shown = office.command("outage", "show", row["id"])
    counted = shown["evidence"]
    fates = {fate: count for fate, count in counted["fates"].items() if count}
    assert fates == {"delivered": 6, "suppressed": 1} and counted["balanced"] and counted["received"] == 7
    assert (counted["sent"], counted["sent-back"], counted["drafts-left"]) == (1, {"delivered": 1}, 1)
    assert [step["after"] for step in shown["steps"]][0] == "down" and shown["steps"][-1]["after"] == "up"
    assert counted["longest-delay-seconds"] >= counted["median-delay-seconds"] > 0
    ann = next(one for one in counted["users"] if one["address"] == ANN)
    assert (ann["received"], ann["sent"], ann["deleted"], ann["drafts-left"]) == (3, 1, 1, 1)
    assert ann["read"] >= 1

    def evidence() -> dict[str, Any]:
        found: dict[str, Any] = office.command("outage", "show", row["id"])["evidence"]
        return found

    eventually(lambda: evidence()["kept"], what="it is counted by the server")
    first = evidence()
    office.send(mail(30, to=ANN), [ANN])
    again = evidence()
    assert (again["received"], again["fates"]) == (7, first["fates"]), "and it stays as it was"
    page = tmp_path / "evidence.html"
    office.command("outage", "show", row["id"], "--html", str(page))
    assert ANN in page.read_text("utf-8") and "it balances" in page.read_text("utf-8")
    looked = office.command("outage", "balance", "--outage", row["id"])
    assert (looked["accepted"], looked["balanced"]) == (7, True)
