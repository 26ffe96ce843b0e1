"""Waits for the end of a task or a flow, and follows one: a stream of events out of as many connections as it takes."""

import http.client
import json
import math
import time
from typing import Any, Callable, Dict, Iterator, Mapping, Optional

from ._connection import PATIENCE, Connection, OutOfTime, Query, backoff
from ._ended import WaitTimeoutError
from ._resources import MOVING, Event, Progress, _at
from ._wire import Span, seconds

_WAIT = 25
"""For how many seconds one request waits: shorter than what proxies tend to allow."""

_LOOK_EVERY = 1.0
"""Requests that were answered at once are so many seconds apart."""

_SILENCE = 45.0
"""The service says something every 15 s at the latest; a line that is silent for longer than this is dead."""


def wait_for_end(connection: Connection, path: str, within: Optional[Span], query: Query = ()) -> Mapping[str, Any]:
    """The resource at ``path`` as it ended, by requests that the service holds until there is one. Survives its restarts."""
    until = None if within is None else time.monotonic() + seconds(within, "within")
    try:
        while True:
            asked_at = time.monotonic()
            held = _WAIT if until is None else max(0, min(_WAIT, math.ceil(until - asked_at)))
            raw = connection.json(
                "GET",
                path,
                query=query,
                headers={"Prefer": f"wait={held}"},
                thinking=float(held),
                patience=PATIENCE,
                until=until,
            )
            if raw["state"] not in MOVING:
                return raw  # type: ignore[no-any-return]
            now = time.monotonic()
            if until is not None and now >= until:
                raise OutOfTime
            next_look = asked_at + _LOOK_EVERY if until is None else min(until, asked_at + _LOOK_EVERY)
            time.sleep(max(0.0, next_look - now))
    except OutOfTime:
        raise WaitTimeoutError(f"{path} has not ended within {within}") from None


def follow(connection: Connection, path: str, after: int, read: Callable[[Any], Any]) -> Iterator[Event]:
    """Yields every event after ``after`` once and in order, until ``done``."""
    seen = after
    tries = 1
    while True:
        before = seen
        for event in _listen(connection, f"{path}/events", seen, read):
            if event.seq <= seen and event.type != "done":
                continue
            seen = event.seq
            tries = 1
            yield event
            if event.type == "done":
                return
        if seen == before:
            # Nothing follows number `seen` where the caller named that of `done`: the resource itself tells its end.
            raw = connection.json("GET", path, patience=PATIENCE)
            if raw["state"] not in MOVING:
                yield Event(seen, "done", _at(raw["finishedAt"] or raw["createdAt"]), read(raw))
                return
        time.sleep(backoff(tries))
        tries += 1


def follow_feed(connection: Connection) -> Iterator[Dict[str, Any]]:
    """Yields frames over any number of connections; after a broken one ``missed`` is true."""
    has_missed = False
    tries = 1
    while True:
        with connection.stream("/v1/feed", {"Accept": "text/event-stream"}, _SILENCE) as response:
            for text in _messages(response):
                frame = json.loads(text)
                tries = 1
                yield {**frame, "missed": True} if has_missed else frame
                has_missed = False
        has_missed = True
        time.sleep(backoff(tries))
        tries += 1


def _listen(connection: Connection, path: str, after: int, read: Callable[[Any], Any]) -> Iterator[Event]:
    """The events of one connection, until it ends in whatever way."""
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
    with connection.stream(path, headers, _SILENCE) as response:
        for text in _messages(response):
            raw = json.loads(text)
            data = raw["data"]
            if raw["type"] == "done":
                data = read(data)
            elif raw["type"] == "progress":
                data = Progress.of(data)
            yield Event(raw["seq"], raw["type"], _at(raw["at"]), data)


def _messages(response: http.client.HTTPResponse) -> Iterator[str]:
    """The data of each event of a stream (WHATWG, server-sent events). One that is cut off is none."""
    data = []
    while True:
        try:
            line = response.readline()
        except (OSError, http.client.HTTPException):
            return
        if not line.endswith(b"\n"):
            return
        text = line.decode().rstrip("\r\n")
        if text == "":
            if data:
                yield "\n".join(data)
            data = []
        elif text.startswith("data:"):
            data.append(text[6:] if text.startswith("data: ") else text[5:])
