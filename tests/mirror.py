"""A web server on loopback that serves files in good and in bad ways."""

from __future__ import annotations

import hashlib
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
    many bytes), ``stall`` (so many bytes, then silence), ``drip`` (so many bytes at a time, with
    pauses), ``garble`` (the byte there is wrong), ``ignore`` (no ranges, whatever was asked),
    ``shift`` (another range than was asked for, by so much), ``unnamed`` (no ETag).
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, deque[Answer]] = field(default_factory=lambda: defaultdict(deque))
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def answer(self, path: str, *kinds: Answer) -> None:
        self.answers[path].extend(kinds)


class _Handler(BaseHTTPRequestHandler):
    mirror: Mirror

    def do_GET(self) -> None:
        path, mirror = self.path.lstrip("/"), self.mirror
        mirror.asked.append((path, self.headers["Range"]))
        queued = mirror.answers[path]
        kind, number = queued.popleft() if queued else ("well", 0)
        content = mirror.files.get(path)
        if content is None or kind == "status":
            self.send_error(number or 404)
            return
        if kind == "garble":
            content = content[:number] + bytes([content[number] ^ 1]) + content[number + 1 :]
        start = self._start(content, kind, number)
        if start is None:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return
        self._headers(content, start, kind)
        self._body(content[start:], kind, number)

    def _start(self, content: bytes, kind: str, number: int) -> int | None:
        """The byte to begin with; None if there is none."""
        asked = self.headers["Range"]
        if not asked or kind == "ignore" or self.headers["If-Range"] != _etag(content):
            return 0
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        start += number if kind == "shift" else 0
        return start if start < len(content) else None

    def _headers(self, content: bytes, start: int, kind: str) -> None:
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        if kind != "unnamed":
            self.send_header("ETag", _etag(content))
        self.end_headers()

    def _body(self, content: bytes, kind: str, number: int) -> None:
        pieces = [content[:number]] if kind in ("cut", "stall") else [content]
        if kind == "drip":
            pieces = [content[at : at + number] for at in range(0, len(content), number)]
        for piece in pieces:
            self.wfile.write(piece)
            self.wfile.flush()
            if kind == "drip":
                self.mirror.closing.wait(0.02)
        if kind == "stall":
            self.mirror.closing.wait(30)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:16]}"'


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
