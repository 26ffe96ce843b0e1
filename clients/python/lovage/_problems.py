"""What the service refuses: one class for all problems, and subclasses where a caller would go another way."""

import email.utils
import json
import time
from dataclasses import dataclass
from typing import Any, List, Mapping, Optional


@dataclass(frozen=True)
class Fault:
    """Where a request is wrong: a JSON pointer into its body, or ``/query/<name>``."""

    pointer: str
    detail: str


class LovageProblem(Exception):
    """A problem that the service answered (RFC 9457)."""

    name: str
    """Such as ``invalid-input``; its page is ``/problems/<name>`` of the service."""
    status: int
    title: str
    detail: str
    errors: List[Fault]
    retry_after: Optional[float]
    """For how many seconds the service asks to be left alone; None where it does not say."""
    request_id: Optional[str]
    """The service's logs know the request by it."""

    def __init__(
        self, problem: Mapping[str, Any], retry_after: Optional[float] = None, request_id: Optional[str] = None
    ) -> None:
        self.status = int(problem["status"])
        self.title = str(problem.get("title", f"The answer was {self.status}"))
        self.detail = str(problem.get("detail", self.title))
        self.name = str(problem.get("type", f"http-{self.status}")).rsplit("/", 1)[-1]
        self.errors = [Fault(each["pointer"], each["detail"]) for each in problem.get("errors", [])]
        self.retry_after = retry_after
        self.request_id = request_id
        where = [f" {fault.pointer}: {fault.detail}." for fault in self.errors[:3]]
        super().__init__(self.detail + "".join(where))


class UnauthorizedError(LovageProblem):
    """401: there is no key, or one that is unknown, expired or revoked."""


class NotFoundError(LovageProblem):
    """404 or 410: there is nothing, or nothing of this key's tenant, or it is past its retention."""


class ConflictError(LovageProblem):
    """409: it stands in a way that does not allow what was asked."""


class InvalidInputError(LovageProblem):
    """422: the input, or another part of the body, does not fit its schema."""


class RateLimitedError(LovageProblem):
    """429: too many requests, or too many tasks that have not ended."""


_CLASSES = {
    401: UnauthorizedError,
    404: NotFoundError,
    409: ConflictError,
    410: NotFoundError,
    422: InvalidInputError,
    429: RateLimitedError,
}


def problem_of(problem: Mapping[str, Any], headers: Optional[Mapping[str, str]] = None) -> LovageProblem:
    """The error for a problem as it stands in a body."""
    headers = headers or {}
    kind = _CLASSES.get(problem["status"], LovageProblem)
    return kind(problem, _retry_after(headers.get("Retry-After")), headers.get("Request-Id"))


def problem_in(status: int, text: bytes, headers: Mapping[str, str]) -> LovageProblem:
    """The error for an answer that is none of success, whoever gave it."""
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    # Something between here and the service may have answered in its own words.
    return problem_of({**(body if isinstance(body, dict) else {}), "status": status}, headers)


def _retry_after(header: Optional[str]) -> Optional[float]:
    """RFC 9110 §10.2.3: seconds, or an HTTP date."""
    if header is None:
        return None
    if header.isdigit():
        return float(header)
    try:
        at = email.utils.parsedate_to_datetime(header)
    except (TypeError, ValueError):
        return None
    return max(0.0, at.timestamp() - time.time())
