"""IMAP4rev1 as a sans-IO server connection: bytes in, typed commands out; answers in, bytes out."""
