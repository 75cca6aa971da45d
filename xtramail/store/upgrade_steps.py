"""The steps between formats of the store, and the formats from which there is none.

A format is raised (``keys.FORMAT``) with its step here, a store of the old one in ``tests/fixtures``, and a line in the
changelog. Owns which steps there are; how they are carried out is ``upgrade``'s.
"""

from __future__ import annotations

from xtramail.store.upgrade import Step

STEPS: tuple[Step, ...] = ()
"""Format 2 is the first that has a way onwards."""

WITHOUT_WAY = {
    # Rows of messages, domains, texts and the queue were laid out anew more than once while the number stayed 1.
    1: (
        "Format 1 was never released, and stood for several layouts, which nobody can tell apart. Serve it with the "
        "version that wrote it while each user's mail is fetched by IMAP into files, and bring those into a new "
        "store: xtramail init DIR, xtramail mail import ADDRESS PATH"
    ),
}
"""What to do with a store of such a format."""
