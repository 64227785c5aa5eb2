"""A server on loopback that sends the same bytes again and again, for as long as somebody takes them."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
PAUSE = 0.02
"""Seconds between two sendings of one that is slow."""
FAR_TOO_MUCH = 500_000_000


class _Hostile(socketserver.ThreadingTCPServer):
    daemon_threads = True
    first: bytes
    again: bytes
    pause: float
    sent = 0
    released = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet when the other side breaks off."""


class _Handler(socketserver.BaseRequestHandler):
    server: _Hostile

    def handle(self) -> None:
        self.request.recv(65_536)
        self.request.sendall(self.server.first)
        # A test that fails must end, too, and leave some disk.
        while self.server.sent < FAR_TOO_MUCH and not self.server.released.wait(self.server.pause):
            self.request.sendall(self.server.again)
            self.server.sent += len(self.server.again)


@contextmanager
def hostile(first: bytes, again: bytes, pause: float = 0) -> Iterator[tuple[str, _Hostile]]:
    """Address of a server that answers with `first`, then with `again` for ever; and the server."""
    with _Hostile(("127.0.0.1", 0), _Handler) as server:
        server.first, server.again, server.pause, server.released = first, again, pause, threading.Event()
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/a", server
        finally:
            server.released.set()
            server.shutdown()
