"""A name server on loopback, over UDP and TCP, that says what a test tells it; nothing of xtramail's is in it.

It runs in threads of its own, so that it answers whoever asks: a reactor, or a program that blocks.
"""

from __future__ import annotations

import socketserver
import threading
import time
from collections import defaultdict
from types import TracebackType

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

SLOW = 300.0
"""Seconds of life of every record."""


class NameServer:
    """``put`` records; names below ``secure`` are signed and good, those in ``bad`` fail, those in ``mute`` are not
    answered. May be changed at any time."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.secure: set[str] = set()
        self.insecure: set[str] = set()
        """Names that are not signed although a parent is."""
        self.bad: set[str] = set()
        """Names, or names and kinds (``a.example MX``), that get SERVFAIL."""
        self.mute: set[str] = set()
        self.cut = False
        """Over UDP everything is too long."""
        self.forged = False
        """An answer to another question comes first."""
        self.asked: list[str] = []
        self.over_tcp = 0
        self._servers = _listening()
        self.port: int = self._servers[0].server_address[1]
        for server in self._servers:
            server.names = self
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def place(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def put(self, name: str, kind: str, *texts: str) -> NameServer:
        self.records[name, kind] = list(texts)
        return self

    def forget(self, name: str, kind: str) -> None:
        self.records.pop((name, kind), None)

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def __enter__(self) -> NameServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def answer(self, octets: bytes, *, tcp: bool) -> bytes | None:
        query = dns.message.from_wire(octets)
        wanted = query.question[0]
        name, kind = wanted.name.to_text().lower().rstrip(".") or ".", dns.rdatatype.to_text(wanted.rdtype)
        self.asked.append(f"{name} {kind}")
        self.over_tcp += tcp
        if {name, f"{name} {kind}"} & self.mute:
            return None
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        if {name, f"{name} {kind}"} & self.bad:
            reply.set_rcode(dns.rcode.SERVFAIL)
            return reply.to_wire()
        if self.cut and not tcp:
            reply.flags |= dns.flags.TC
            return reply.to_wire()
        good = self._good(name)
        for _ in range(8):
            alias = self.records.get((name, "CNAME"))
            if alias is None or kind == "CNAME":
                break
            reply.answer.append(dns.rrset.from_text(name + ".", int(SLOW), "IN", "CNAME", *alias))
            name = alias[0].rstrip(".")
            good = good and self._good(name)
        if texts := self.records.get((name, kind)):
            reply.answer.append(dns.rrset.from_text(name + ".", int(SLOW), "IN", kind, *texts))
        elif not any(known == name or known.endswith("." + name) for known, _ in self.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        if good and query.ednsflags & dns.flags.DO:
            reply.flags |= dns.flags.AD
        return reply.to_wire()

    def _good(self, name: str) -> bool:
        labels = name.split(".")
        above = [".".join(labels[at:]) or "." for at in range(len(labels))]
        return bool(self.secure & set(above)) and not self.insecure & set(above)


class _Udp(socketserver.ThreadingUDPServer):
    daemon_threads = True
    names: NameServer


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    names: NameServer


class _Datagram(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        octets, socket = self.request
        names = self.server.names  # type: ignore[attr-defined]
        answer = names.answer(octets, tcp=False)
        if answer is not None:
            if names.forged:
                socket.sendto(bytes([answer[0] ^ 1]) + answer[1:], self.client_address)
                socket.sendto(b"no packet", self.client_address)
            socket.sendto(answer, self.client_address)


class _Stream(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        octets = self.rfile.read(int.from_bytes(self.rfile.read(2), "big"))
        answer = self.server.names.answer(octets, tcp=True)  # type: ignore[attr-defined]
        if answer is not None:
            packet = len(answer).to_bytes(2, "big") + answer
            # In pieces, as a network gives it.
            self.wfile.write(packet[:3])
            self.wfile.flush()
            time.sleep(0.01)
            self.wfile.write(packet[3:])


def _listening() -> list[_Udp | _Tcp]:
    """Over UDP and over TCP on one port, which the kernel gives away for each of them by itself."""
    while True:
        udp = _Udp(("127.0.0.1", 0), _Datagram)
        try:
            return [udp, _Tcp(udp.server_address, _Stream)]
        except OSError:
            udp.server_close()
