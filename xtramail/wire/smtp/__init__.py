"""SMTP spoken from both sides (RFC 5321 and its extensions), without a socket.

Server: ``server`` is the connection, ``events`` what it tells and asks, ``server_config`` its settings. Behind it
``commands`` says what a line means, ``order`` what may follow what, ``session`` what is known of the peer, ``patience``
how long it is borne with, ``text_intake`` how a message comes in (``dotted`` for DATA, ``chunked`` for BDAT,
``text_check`` for both), ``codes`` and ``usual`` what is answered.

Client: ``client`` is the connection, ``client_events`` what it tells, ``client_config`` its settings. Behind it
``client_lines`` writes commands, ``client_order`` says what may follow what, ``client_transaction`` keeps outcomes.

Both: ``grammar`` reads commands, ``replies`` reads and writes replies.
"""
