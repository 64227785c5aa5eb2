"""A server on loopback that misbehaves as it is told to and notes what it was asked for."""

import hashlib
import os
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest import mock

BODY = bytes(range(256)) * 999
FAR_TOO_LONG = 20.0


@dataclass(frozen=True)
class Response:
    """What the server says to one request."""

    body: bytes = BODY
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    announced: int | None = None
    """Content-Length, when it is not that of the bytes to send."""
    form: str = "length"
    """How the end of the body shows: by its `length`, as `chunked`, or by the `close` of the connection."""
    cut: int | None = None
    """Position in the body at which the connection breaks off."""
    stall: int | None = None
    """Position in the body at which the server waits until it is released."""
    ranges: bool = True
    tag: str | None = "hash"
    """Entity tag; `hash`: one that names the body."""
    checks_tag: bool = True
    shift: int = 0
    """By how many bytes it goes on at a wrong position."""

    @property
    def entity_tag(self) -> str | None:
        return f'"{hashlib.md5(self.body).hexdigest()}"' if self.tag == "hash" else self.tag


@dataclass
class Request:
    """What was asked for, and how many bytes of a body were sent."""

    path: str
    range: str | None
    sent: int = 0


class Server(ThreadingHTTPServer):
    """Gives the responses of a path in turn, the last one for ever."""

    daemon_threads = True
    scheme = "http"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.responses: dict[str, list[Response]] = {}
        self.log: list[Request] = []
        self.stalled = threading.Semaphore(0)
        self.released = threading.Event()

    def at(self, path: str, *responses: Response) -> str:
        """Give `responses` at `path`; returns its address."""
        self.responses[path] = list(responses or [Response()])
        return f"{self.scheme}://127.0.0.1:{self.server_port}{path}"

    @property
    def requests(self) -> list[str]:
        """Paths that were asked for."""
        return [request.path for request in self.log]

    @property
    def ranges(self) -> list[str | None]:
        """Ranges that were asked for."""
        return [request.range for request in self.log]

    @property
    def sent(self) -> int:
        """Bytes of bodies."""
        return sum(request.sent for request in self.log)

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet when the other side breaks off."""


class Handler(BaseHTTPRequestHandler):
    """Sends one response."""

    server: Server

    def do_GET(self) -> None:
        responses = self.server.responses.get(self.path, [Response(status=404)])
        response = responses.pop(0) if len(responses) > 1 else responses[0]
        self.note = Request(self.path, self.headers.get("Range"))
        self.server.log.append(self.note)
        start = self._start(response)
        if start is not None and start >= len(response.body):
            return self._send_head(416, {"Content-Range": f"bytes */{len(response.body)}", "Content-Length": "0"})
        self._send_head(response.status if start is None else 206, self._headers(response, start))
        self._send_body(response, start or 0)
        return None

    def _start(self, response: Response) -> int | None:
        """First byte of the range that is granted."""
        requested = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        requested_tag = self.headers.get("If-Range", response.entity_tag)
        if not requested or not response.ranges or response.status != 200:
            return None
        return (
            None if response.checks_tag and requested_tag != response.entity_tag else int(requested[1]) + response.shift
        )

    def _headers(self, response: Response, start: int | None) -> dict[str, str]:
        size = len(response.body)
        headers = {} if response.entity_tag is None else {"ETag": response.entity_tag}
        if start is not None:
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        if response.form == "length":
            length = size - (start or 0) if response.announced is None else response.announced
            headers["Content-Length"] = str(length)
        elif response.form == "chunked":
            headers["Transfer-Encoding"] = "chunked"
        return headers | response.headers

    def _send_head(self, status: int, headers: dict[str, str]) -> None:
        self.protocol_version = "HTTP/1.1"
        self.close_connection = True
        self.send_response(status)
        for name, value in (headers | {"Connection": "close"}).items():
            self.send_header(name, value)
        self.end_headers()

    def _send_body(self, response: Response, start: int) -> None:
        if response.stall is not None and start < response.stall:
            self._send(response, start, response.stall)
            self.server.stalled.release()
            self.server.released.wait(FAR_TOO_LONG)
            start = response.stall
        cut = response.cut if response.cut is not None and response.cut >= start else None
        self._send(response, start, len(response.body) if cut is None else cut)
        if response.form == "chunked" and cut is None:
            self.wfile.write(b"0\r\n\r\n")

    def _send(self, response: Response, start: int, stop: int) -> None:
        block = response.body[start:stop]
        self.note.sent += len(block)
        if block and response.form == "chunked":
            self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block))
        else:
            self.wfile.write(block)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Keep quiet."""


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Let `server` respond until the block ends; no proxy is asked for it."""
    with server, mock.patch.dict(os.environ, NO_PROXY="127.0.0.1"):
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join(FAR_TOO_LONG)


class SecureServer(Server):
    """The same with a certificate that nobody vouches for."""

    scheme = "https"

    def __init__(self, certificate: str) -> None:
        super().__init__()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
