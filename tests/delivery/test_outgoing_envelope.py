"""The envelope of a queue entry: who is still to be served, exactly as it was accepted."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.store.samples import entry
from xtramail.delivery.outgoing_envelope import open_recipients, outgoing_envelope
from xtramail.model.envelope import BodyType
from xtramail.model.outcome import Fate
from xtramail.store.records import QueueRecipient


def test_only_open_recipients_go_out_in_their_order_with_their_wishes() -> None:
    recipients = tuple(
        QueueRecipient(address=f"{fate}@b.example", fate=fate, notify="SUCCESS,FAILURE", orcpt="rfc822;x@y")
        for fate in Fate
    )
    one = replace(entry(), recipients=recipients, ret="HDRS", envid="e+31", smtputf8=True, eightbit=True)
    assert [recipient.fate for recipient in open_recipients(one)] == ["held", "attempted", "unconfirmed"]
    envelope = outgoing_envelope(one)
    assert [str(path.address) for path in envelope.forward_paths] == [
        "held@b.example",
        "attempted@b.example",
        "unconfirmed@b.example",
    ]
    assert envelope.forward_paths[0].notify == ("SUCCESS", "FAILURE")
    assert envelope.forward_paths[0].orcpt == "rfc822;x@y"
    path = envelope.reverse_path
    assert (path.ret, path.envid, path.smtputf8, path.body) == ("HDRS", "e+31", True, BodyType.EIGHT_BIT)


def test_the_null_sender_stays_the_null_sender() -> None:
    assert outgoing_envelope(replace(entry(), reverse_path="")).reverse_path.address is None


@pytest.mark.parametrize("address", ['"odd local"@b.example', "l" * 65 + "@b.example", "\u00e4@b\u00fccher.example"])
def test_an_address_goes_out_as_it_was_accepted(address: str) -> None:
    one = replace(entry(), reverse_path=address, recipients=(QueueRecipient(address=address),))
    envelope = outgoing_envelope(one)
    assert str(envelope.forward_paths[0].address) == str(envelope.reverse_path.address) == address
