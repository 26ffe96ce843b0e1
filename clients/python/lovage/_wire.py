"""Between Python and JSON: names, durations, instants, and the options of a submission."""

import difflib
import re
import secrets
import sys
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Dict, Iterable, Mapping, Optional, TypedDict, Union

if sys.version_info >= (3, 11):
    from typing import Unpack
elif TYPE_CHECKING:
    from typing_extensions import Unpack
else:
    # Only type checkers look at it.
    Unpack = Optional

__all__ = ["ABSENT", "Duration", "Instant", "Span", "TaskOptions", "Unpack"]

ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "ABSENT"})()
"""Stands for a member that is left out: ``None`` is JSON's null, which is a value."""

Duration = Union[int, str, timedelta]
"""Whole milliseconds, ``"500ms"``, ``"30s"``, ``"5m"``, ``"2h"``, ``"7d"``, or a timedelta."""

Instant = Union[str, datetime]
"""ISO 8601 with a time zone, or a datetime with one."""

Span = Union[str, timedelta]
"""A time that the client itself counts. A bare number is refused: one would write seconds and the other milliseconds."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


class TaskOptions(TypedDict, total=False):
    """The options of a submission: how this run differs from what the task's definition says."""

    delay: Duration
    run_at: Instant
    expires_in: Duration
    expires_at: Instant
    lane: str
    tags: Mapping[str, str]
    max_attempts: int
    timeout: Duration
    soft_timeout: Duration
    retention: Duration
    retry: Mapping[str, Any]
    concurrency: Mapping[str, Any]
    debounce: Mapping[str, Any]
    throttle: Mapping[str, Any]
    webhook: Mapping[str, Any]


def seconds(span: Span, what: str) -> float:
    """A time that the client counts, in seconds."""
    if isinstance(span, timedelta):
        return span.total_seconds()
    match = re.fullmatch(r"(\d{1,15})(ms|s|m|h|d)", span) if isinstance(span, str) else None
    if match is None:
        raise ValueError(f'{what}={span!r} is no time: write "500ms", "30s", "5m" or timedelta(seconds=30)')
    return int(match[1]) * _UNITS[match[2]]


def camel(name: str) -> str:
    """``max_attempts`` as the wire calls it: ``maxAttempts``."""
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(word.capitalize() for word in rest)


def instant(value: datetime) -> str:
    """ISO 8601 in UTC with milliseconds."""
    if value.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone: write datetime.now(timezone.utc), or .astimezone() for local time")
    return value.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def wire(value: Any) -> Any:
    """A value of options as JSON has it. Names are Python's inside mappings as well: ``max_wait`` is ``maxWait``."""
    if isinstance(value, timedelta):
        return round(value.total_seconds() * 1_000)
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, Mapping):
        return {camel(name): wire(each) for name, each in value.items()}
    return value


def options_of(options: Mapping[str, Any], known: Iterable[str] = tuple(TaskOptions.__annotations__)) -> Dict[str, Any]:
    """Options as the wire has them. An unknown name raises a TypeError that says which was meant."""
    known = tuple(known)
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            meant = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"
            raise TypeError(f"unknown option {name!r}{meant}")
    return {
        # The caller chooses the names of tags.
        camel(name): dict(value) if name == "tags" else wire(value)
        for name, value in options.items()
        if value is not None
    }


def present(**members: Any) -> Dict[str, Any]:
    """The members that are there."""
    return {camel(name): value for name, value in members.items() if value is not None and value is not ABSENT}


def submission_headers(idempotency_key: Optional[str], traceparent: Optional[str]) -> Dict[str, str]:
    """A key makes a submission safe to repeat: a new one for each call unless given."""
    headers = {"Idempotency-Key": secrets.token_hex(16) if idempotency_key is None else idempotency_key}
    if traceparent is not None:
        headers["traceparent"] = traceparent
    return headers
