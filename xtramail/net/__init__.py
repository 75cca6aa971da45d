"""Edges: sockets, TLS, timers and threads live here, on Twisted."""
