"""Sends requests, and repeats those that it can: after a broken connection only what is safe to repeat,
after a 429 or 503 everything, because then nothing was done."""

import builtins
import http.client
import json
import random
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Callable, Dict, Iterable, Mapping, Optional, Tuple, TypeVar

from ._problems import LovageProblem, problem_in
from ._version import __version__
from ._wire import ABSENT, Span, seconds

T = TypeVar("T")
Query = Iterable[Tuple[str, Any]]

PATIENCE = 120.0
"""A service that cannot be reached for so many seconds is not coming back while we wait."""

_BASE, _CAP = 0.25, 8.0
"""The first pause between two tries is at most so long, the next twice as long, and so on up to the cap."""

_MAX_RETRY_AFTER = 60.0
"""A service that asks for more seconds than this is left to the caller."""

_UNREACHED = (502, 504)
"""Answers of something between here and the service that could not reach it."""

_NOT_NOW = (429, 503)
"""Answers that say that nothing was done."""


class ConnectionError(builtins.ConnectionError):
    """No answer came, or only a part of one. ``__cause__`` is what the standard library raised."""


class OutOfTime(Exception):
    """The caller's time is up."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The service redirects nothing, and a redirect would take the key to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Connection:
    """The way to one service. A connection for each request, through the proxies that the environment names."""

    def __init__(
        self, base_url: str, api_key: Optional[str], headers: Optional[Mapping[str, str]], retries: int, answer_within: Span
    ) -> None:
        if urllib.parse.urlsplit(base_url).scheme not in ("http", "https"):
            raise ValueError(f"base_url={base_url!r} is no address: write https://tasks.example.com")
        self._base = base_url.rstrip("/")
        self._retries = retries
        self._answer_within = seconds(answer_within, "answer_within")
        self._headers = {"User-Agent": f"lovage-python/{__version__}", **(headers or {})}
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._opener = urllib.request.build_opener(_NoRedirects)

    def json(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: Any = ABSENT,
        headers: Optional[Mapping[str, str]] = None,
        repeatable: Optional[bool] = None,
        patience: Optional[float] = None,
        thinking: float = 0.0,
        until: Optional[float] = None,
    ) -> Any:
        """The JSON that the service answers; None where there is none.

        ``repeatable``: safe to send twice, as all but a POST is. ``patience``: repeats for so many seconds, however
        often. ``thinking``: for how many seconds the service may think. ``until``: raises ``OutOfTime`` then.
        """
        request = self._request(method, path, query, body, headers or {})

        def once() -> Any:
            ours = self._answer_within + thinking
            timeout = ours if until is None else max(0.001, min(ours, until - time.monotonic()))
            with self._open(request, timeout) as response:
                text = response.read()
            return json.loads(text) if text else None

        may = method != "POST" if repeatable is None else repeatable
        return self._repeat(method, path, once, may, patience, until)

    def stream(self, path: str, headers: Mapping[str, str], silence: float) -> http.client.HTTPResponse:
        """The answer as it comes. Reading raises an OSError after ``silence`` seconds without a byte."""
        request = self._request("GET", path, (), ABSENT, headers)
        return self._repeat("GET", path, lambda: self._open(request, silence), True, PATIENCE, None)

    def _request(
        self, method: str, path: str, query: Query, body: Any, headers: Mapping[str, str]
    ) -> urllib.request.Request:
        text = urllib.parse.urlencode([(name, value) for name, value in query if value is not None])
        url = self._base + path + (f"?{text}" if text else "")
        all_headers: Dict[str, str] = {**self._headers, **headers}
        data = None
        if body is not ABSENT:
            # NaN and infinity are no JSON, and raise a ValueError here.
            data = json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
            all_headers["Content-Type"] = "application/json"
        return urllib.request.Request(url, data, all_headers, method=method)

    def _open(self, request: urllib.request.Request, timeout: float) -> Any:
        try:
            return self._opener.open(request, timeout=timeout)
        except urllib.error.HTTPError as answer:
            with answer:
                raise problem_in(answer.code, answer.read(), answer.headers) from None

    def _repeat(
        self,
        method: str,
        path: str,
        once: Callable[[], T],
        repeatable: bool,
        patience: Optional[float],
        until: Optional[float],
    ) -> T:
        give_up_at = time.monotonic() + (patience or 0.0)
        tries = 0
        while True:
            tries += 1
            asked = 0.0
            try:
                return once()
            except LovageProblem as problem:
                # What an earlier try has removed is not there any more.
                if tries > 1 and method == "DELETE" and problem.status == 404:
                    return None  # type: ignore[return-value]
                error: Exception = problem
                again = problem.status in _NOT_NOW or (repeatable and problem.status in _UNREACHED)
                asked = problem.retry_after or 0.0
                again = again and asked <= _MAX_RETRY_AFTER
            except (OSError, http.client.HTTPException) as cause:
                error = ConnectionError(f"no answer from {self._base}{path}: {cause}")
                error.__cause__ = cause
                again = repeatable
            last = tries > self._retries if patience is None else time.monotonic() > give_up_at
            wait = asked + backoff(tries)
            if until is not None and time.monotonic() >= until:
                raise OutOfTime from error
            if last or not again:
                raise error
            if until is not None and time.monotonic() + wait >= until:
                time.sleep(max(0.0, until - time.monotonic()))
                raise OutOfTime from error
            time.sleep(wait)


def backoff(tries: int) -> float:
    """Full jitter, so that clients that failed together do not return together."""
    return random.random() * min(_CAP, _BASE * 2 ** min(tries - 1, 10))
