"""An S3 server of its own process (moto), and a proxy before it that misbehaves like a busy one, by a seeded plan."""

from __future__ import annotations

import http.client
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KINDS = ("throttled", "error 500", "cut in the request", "cut before the answer")
"""What may happen to a request. The last one has been carried out when the client loses its answer."""
LOCAL_PROXY_OFF = "127.0.0.1,localhost"
_ANSWERS = {"throttled": (503, "SlowDown"), "error 500": (500, "InternalError")}


@contextmanager
def s3_server() -> Iterator[int]:
    """Start moto's server; yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.2)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def s3_environment(address: str) -> dict[str, str]:
    """What a process needs around it so that s3fs finds that server."""
    return {
        "AWS_ENDPOINT_URL_S3": address,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": LOCAL_PROXY_OFF,
        "no_proxy": LOCAL_PROXY_OFF,
    }


class Proxy(ThreadingHTTPServer):
    """Passes requests on to a port of this machine, or does not.

    Attributes:
        share: of the requests that something happens to.
        only: name of the one method that it happens to; "" for any.
        kinds: what may happen.
        happened: what happened, and how often.
    """

    daemon_threads = True

    def __init__(self, target: int, seed: int = 1) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target, self.chance = target, random.Random(seed)
        self.share, self.only, self.kinds = 0.0, "", KINDS
        self.happened: Counter[str] = Counter()

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serve in a thread; yield the address."""
        thread = threading.Thread(target=self.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{self.server_address[1]}"
        finally:
            self.shutdown()
            self.server_close()

    def fate(self, method: str) -> str:
        """What happens to the next request: one of ``KINDS``, or "" for nothing."""
        self.happened[method] += 1
        if self.only not in ("", method) or self.chance.random() >= self.share:
            return ""
        kind = self.chance.choice(self.kinds)
        self.happened[kind] += 1
        return kind

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def _pass(self) -> None:
        fate = self.server.fate(self.command)
        if self.headers.get("Expect") and fate != "cut in the request":
            self.send_response_only(100)
            self.end_headers()
        length = int(self.headers.get("Content-Length") or 0)
        if fate == "cut in the request":
            self.rfile.read(length // 2)
            self._cut()
            return
        body = self.rfile.read(length)
        if fate in _ANSWERS:
            status, code = _ANSWERS[fate]
            text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>later</Message></Error>".encode()
            self._answer(status, [("Content-Type", "application/xml")], text)
            return
        connection = http.client.HTTPConnection("127.0.0.1", self.server.target, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("expect", "connection")}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        data = answer.read()
        if fate:
            self._cut()
            return
        self._answer(answer.status, answer.getheaders(), data)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass  # noqa: N815

    def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        announced = next((value for name, value in headers if name.lower() == "content-length"), "")
        length = announced if self.command == "HEAD" and announced else str(len(data))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass
