"""A web server on loopback that serves files in good and in bad ways."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[str, int]


@dataclass
class Mirror:
    """Files by path, and how the next requests for each are answered.

    Kinds of answers, with a number: ``status`` (an error), ``cut`` (the connection ends after so
    many bytes), ``stall`` (so many bytes, then silence), ``garble`` (the byte there is wrong).
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, deque[Answer]] = field(default_factory=lambda: defaultdict(deque))
    asked: list[str] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def answer(self, path: str, *kinds: Answer) -> None:
        self.answers[path].extend(kinds)


class _Handler(BaseHTTPRequestHandler):
    mirror: Mirror

    def do_GET(self) -> None:
        path, mirror = self.path.lstrip("/"), self.mirror
        mirror.asked.append(path)
        queued = mirror.answers[path]
        kind, number = queued.popleft() if queued else ("well", 0)
        content = mirror.files.get(path)
        if content is None or kind == "status":
            self.send_error(number or 404)
            return
        if kind == "garble":
            content = content[:number] + bytes([content[number] ^ 1]) + content[number + 1 :]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:number] if kind in ("cut", "stall") else content)
        if kind == "stall":
            self.wfile.flush()
            mirror.closing.wait(30)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[Mirror]:
    mirror = Mirror()
    handler = type("Handler", (_Handler,), {"mirror": mirror})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        mirror.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield mirror
        finally:
            mirror.closing.set()
            server.shutdown()
            thread.join()
