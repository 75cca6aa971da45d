"""Spoken: sans-IO protocol objects. Bytes in, events out; replies in, bytes out. No transport, no clock, no store."""
