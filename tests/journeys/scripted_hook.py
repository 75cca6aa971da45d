"""A program that is told of alerts: takes what is posted, checks the signature, answers what a test says."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ScriptedHook:
    """``with ScriptedHook(secret) as hook``; ``said`` are the calls whose signature was good."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.status = 200
        self.said: list[dict[str, Any]] = []
        self.forged = 0
        hook = self

        class Calls(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.take(self.headers["X-Xtramail-Signature"], body)
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Calls)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def take(self, signature: str, body: bytes) -> None:
        fields = dict(one.split("=", 1) for one in signature.split(","))
        signed = hmac.new(self.secret.encode(), f"{fields['t']}.".encode() + body, hashlib.sha256).hexdigest()
        if hmac.compare_digest(signed, fields["v1"]):
            self.said.append(json.loads(body))
        else:
            self.forged += 1

    def states(self, domain: str) -> list[str]:
        """The states that a primary was said to have come to, in order."""
        mine = [one for one in self.said if one["kind"] == "primary-state" and one["domain"] == domain]
        return [one["fields"]["to"] for one in sorted(mine, key=lambda one: int(one["id"]))]

    def __enter__(self) -> ScriptedHook:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
