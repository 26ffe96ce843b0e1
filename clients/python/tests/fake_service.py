"""A service on loopback that gives the answers that a test has laid out, in order, and keeps what it was asked."""

import http.server
import json
import threading
from typing import Any, Dict, List, NamedTuple, Optional


class Answer(NamedTuple):
    status: int = 200
    body: Any = None
    headers: Dict[str, str] = {}
    cut: Optional[int] = None
    """Cuts the connection after so many bytes of the body; before any answer where it is negative."""


class Asked(NamedTuple):
    method: str
    path: str
    headers: Dict[str, str]
    body: bytes


class FakeService:
    def __init__(self, *answers: Answer) -> None:
        self.asked: List[Asked] = []
        left = list(answers)
        asked = self.asked

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked.append(Asked(self.command, self.path, headers, body))
                status, given, more, cut = left.pop(0)
                self.close_connection = True
                if cut is not None and cut < 0:
                    return
                data = given if isinstance(given, bytes) else b"" if given is None else json.dumps(given).encode()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(data)), **more}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data[:cut])

            do_GET = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def __enter__(self) -> "FakeService":
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._server.server_close()


def problem(status: int, name: str = "some-problem", **more: Any) -> Dict[str, Any]:
    return {"type": f"/problems/{name}", "title": name, "status": status, "detail": f"It is {name}.", **more}


def task(state: str = "succeeded", **more: Any) -> Dict[str, Any]:
    return {
        "id": "task_1",
        "task": "t",
        "state": state,
        "result": 3 if state == "succeeded" else None,
        "error": None,
        "createdAt": "2026-11-01T12:00:00.000Z",
        "finishedAt": None,
        **more,
    }
