"""A client of one service, and its verbs on tasks."""

from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Union
from urllib.parse import quote

from ._connection import Connection
from ._ended import ended_error
from ._errors import ErrorVerbs
from ._flows import FlowVerbs
from ._follow import follow, follow_feed, wait_for_end
from ._pages import Page, Pages
from ._problems import LovageProblem, problem_of
from ._resources import Event, Task
from ._schedules import ScheduleVerbs
from ._wire import ABSENT, Instant, Span, TaskOptions, Unpack, options_of, present, submission_headers, wire

TaskRef = Union[str, Task]
State = Union[str, Sequence[str]]


@dataclass(frozen=True)
class BatchItem:
    """The fate of one item of a batch: a task, or the problem with it."""

    task: Optional[Task]
    problem: Optional[LovageProblem]


@dataclass(frozen=True)
class BulkResult:
    """How many a filter found that the verb can act on, and how many it changed."""

    matched: int
    changed: int


class Client:
    """Everything that a program does with tasks. It holds no connection and may be used by several threads.

    ``retries``: how often a request is repeated at most. Waiting and following have more patience.
    ``answer_within``: for how long the service may say nothing before a request counts as lost.
    """

    flows: FlowVerbs
    schedules: ScheduleVerbs
    errors: ErrorVerbs

    def __init__(
        self,
        base_url: str,
        api_key: Optional[str] = None,
        *,
        headers: Optional[Mapping[str, str]] = None,
        retries: int = 5,
        answer_within: Span = "30s",
    ) -> None:
        self._connection = Connection(base_url, api_key, headers, retries, answer_within)
        self.flows = FlowVerbs(self._connection)
        self.schedules = ScheduleVerbs(self._connection)
        self.errors = ErrorVerbs(self._connection)

    def submit(
        self,
        task: str,
        input: Any = ABSENT,
        *,
        idempotency_key: Optional[str] = None,
        traceparent: Optional[str] = None,
        **options: Unpack[TaskOptions],
    ) -> Task:
        """Submits a task and returns it as it was accepted. Repeated requests make one task."""
        body = item_of({"task": task, "input": input, "options": options})
        headers = submission_headers(idempotency_key, traceparent)
        return Task.of(self._connection.json("POST", "/v1/tasks", body=body, headers=headers, repeatable=True))

    def run(
        self,
        task: str,
        input: Any = ABSENT,
        *,
        within: Optional[Span] = None,
        idempotency_key: Optional[str] = None,
        traceparent: Optional[str] = None,
        **options: Unpack[TaskOptions],
    ) -> Any:
        """Submits a task and waits for its result, as ``wait`` does."""
        submitted = self.submit(task, input, idempotency_key=idempotency_key, traceparent=traceparent, **options)
        return self.wait(submitted, within=within)

    def batch(
        self,
        items: Sequence[Mapping[str, Any]],
        *,
        idempotency_key: Optional[str] = None,
        traceparent: Optional[str] = None,
    ) -> List[BatchItem]:
        """Submits up to 1,000 tasks at once: ``{"task", "input"?, "options"?}`` each. An invalid item
        does not keep the others from being accepted."""
        headers = submission_headers(idempotency_key, traceparent)
        body = {"tasks": [item_of(item) for item in items]}
        answer = self._connection.json("POST", "/v1/tasks/batch", body=body, headers=headers, repeatable=True)
        return [
            BatchItem(None, problem_of(item["problem"]))
            if "problem" in item
            else BatchItem(Task.of(item["task"]), None)
            for item in answer["items"]
        ]

    def wait(self, task: TaskRef, *, within: Optional[Span] = None) -> Any:
        """The task's result once it has one.

        Raises a ``TaskFailedError``, ``TaskCancelledError`` or ``TaskExpiredError`` where it has none, and a
        ``WaitTimeoutError`` after ``within``; without that it waits for as long as it takes.
        """
        ended = Task.of(wait_for_end(self._connection, _path(task), within))
        if ended.state != "succeeded":
            raise ended_error(ended)
        return ended.result

    def events(self, task: TaskRef, *, after: int = 0) -> Iterator[Event]:
        """Follows a task to its end: every event after number ``after`` once and in order, over any number of connections.

        The last is ``done``, with the task as it ended.
        """
        return follow(self._connection, _path(task), after, Task.of)

    def get(self, task: TaskRef) -> Task:
        """Reads a task with its attempts."""
        return Task.of(self._connection.json("GET", _path(task)))

    def list(
        self,
        *,
        state: Optional[State] = None,
        task: Optional[str] = None,
        lane: Optional[str] = None,
        tags: Optional[Mapping[str, str]] = None,
        created_after: Optional[Instant] = None,
        created_before: Optional[Instant] = None,
        finished_after: Optional[Instant] = None,
        finished_before: Optional[Instant] = None,
        error: Optional[str] = None,
        flow_id: Optional[str] = None,
        q: Optional[str] = None,
        parent_id: Optional[str] = None,
        root_id: Optional[str] = None,
        schedule: Optional[str] = None,
        wait_longer_than: Optional[Union[int, str]] = None,
        run_longer_than: Optional[Union[int, str]] = None,
        sort: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> "Pages[Task]":
        """Lists tasks, newest first: all of them by iteration, or a page at a time.

        Both ends of a time are exclusive; ``error`` is the type of a task's error. ``sort``: ``finished`` or
        ``duration``, of what has ended.
        """
        states = [state] if isinstance(state, str) else list(state or [])
        query = [
            *(("state", each) for each in states),
            ("task", task),
            ("lane", lane),
            *((f"tag.{name}", value) for name, value in (tags or {}).items()),
            ("createdAfter", wire(created_after)),
            ("createdBefore", wire(created_before)),
            ("finishedAfter", wire(finished_after)),
            ("finishedBefore", wire(finished_before)),
            ("error", error),
            ("flowId", flow_id),
            ("q", q),
            ("parentId", parent_id),
            ("rootId", root_id),
            ("schedule", schedule),
            ("waitLongerThan", wait_longer_than),
            ("runLongerThan", run_longer_than),
            ("sort", sort),
            ("limit", limit),
        ]

        def page(cursor: Optional[str]) -> "Page[Task]":
            raw = self._connection.json("GET", "/v1/tasks", query=[*query, ("cursor", cursor)])
            return Page(Task.each_of(raw["items"]), raw["nextCursor"])

        return Pages(page)

    def cancel(self, task: TaskRef, *, reason: Optional[str] = None, undo: Optional[bool] = None) -> Task:
        """Cancels a task; a running one has 5 s to end by itself. A ``ConflictError``: it has ended another way.

        ``undo`` undoes the steps that it has completed before it ends.
        """
        body = present(reason=reason, undo=undo)
        return Task.of(self._connection.json("POST", f"{_path(task)}/cancel", body=body, repeatable=True))

    def retry(self, task: TaskRef, *, input: Any = ABSENT, from_step: Optional[str] = None) -> Task:
        """Runs a failed, cancelled or expired task again, with another input if one is given, and from a step on.

        After a broken connection it is not asked for again.
        """
        body = {**({} if input is ABSENT else {"input": input}), **({} if from_step is None else {"from": from_step})}
        return Task.of(self._connection.json("POST", f"{_path(task)}/retry", body=body))

    def change(
        self,
        task: TaskRef,
        *,
        run_at: Optional[Instant] = None,
        lane: Optional[str] = None,
        input: Any = ABSENT,
        tags: Optional[Mapping[str, str]] = None,
        max_attempts: Optional[int] = None,
        expires_at: Optional[Instant] = ABSENT,
    ) -> Task:
        """Changes a task that has not started; ``expires_at=None``: it never expires. A ``ConflictError``: it has started."""
        body = present(run_at=wire(run_at), lane=lane, tags=tags, max_attempts=max_attempts)
        if input is not ABSENT:
            body["input"] = input
        if expires_at is not ABSENT:
            body["expiresAt"] = wire(expires_at)
        return Task.of(self._connection.json("PATCH", _path(task), body=body))

    def run_now(self, task: TaskRef) -> Task:
        """Starts a task now that has not started."""
        return self._move(task, "run-now")

    def pause(self, task: TaskRef) -> Task:
        """Holds back a task that has not started, until it is resumed."""
        return self._move(task, "pause")

    def resume(self, task: TaskRef) -> Task:
        """Lets a paused task start at its time, or now where that is over."""
        return self._move(task, "resume")

    def _move(self, task: TaskRef, verb: str) -> Task:
        return Task.of(self._connection.json("POST", f"{_path(task)}/{verb}", repeatable=True))

    def delete(self, task: TaskRef) -> None:
        """Removes an ended task and all that belongs to it."""
        self._connection.json("DELETE", _path(task))

    def signal(self, task: TaskRef, name: str, body: Any = None) -> None:
        """Sends a signal, any JSON value, to a task that waits for it or will.

        After a broken connection it is not sent again.
        """
        self._connection.json("POST", f"{_path(task)}/signals/{quote(name, safe='')}", body=body)

    def steps(self, task: TaskRef) -> "Pages[Dict[str, Any]]":
        """Lists the steps of a durable task, with its sleeps, waits and children, in the order in which they began."""

        def page(cursor: Optional[str]) -> "Page[Dict[str, Any]]":
            raw = self._connection.json("GET", f"{_path(task)}/steps", query=[("cursor", cursor)])
            return Page(raw["items"], raw["nextCursor"])

        return Pages(page)

    def deliveries(self, task: TaskRef, *, limit: Optional[int] = None) -> "Pages[Dict[str, Any]]":
        """Lists the webhook deliveries that tell of a task, newest first, with what was sent and answered."""

        def page(cursor: Optional[str]) -> "Page[Dict[str, Any]]":
            query = [("limit", limit), ("cursor", cursor)]
            raw = self._connection.json("GET", f"{_path(task)}/deliveries", query=query)
            return Page(raw["items"], raw["nextCursor"])

        return Pages(page)

    def waits(self) -> "Pages[Dict[str, Any]]":
        """Lists what waits for a signal, the newest tasks first."""

        def page(cursor: Optional[str]) -> "Page[Dict[str, Any]]":
            raw = self._connection.json("GET", "/v1/waits", query=[("cursor", cursor)])
            return Page(raw["items"], raw["nextCursor"])

        return Pages(page)

    def explain(self, task: TaskRef) -> Dict[str, Any]:
        """Why a task is where it is: ``{"state", "summary", "reasons", …}``, as the service tells it."""
        return self._connection.json("GET", f"{_path(task)}/explain")  # type: ignore[no-any-return]

    def cancel_all(self, *, dry_run: bool = False, **filter: Any) -> BulkResult:
        """Cancels all that the filter finds: what ``list`` takes, and ``ids``.

        An empty filter is refused; ``dry_run`` only counts.
        """
        return self._bulk("cancel", filter, dry_run)

    def retry_all(self, *, dry_run: bool = False, **filter: Any) -> BulkResult:
        """Runs all again that the filter finds among the failed, cancelled and expired."""
        return self._bulk("retry", filter, dry_run)

    def delete_all(self, *, dry_run: bool = False, **filter: Any) -> BulkResult:
        """Removes all that the filter finds among the ended."""
        return self._bulk("delete", filter, dry_run)

    def stats(self) -> Dict[str, Any]:
        """How many tasks there are by state, task and lane, how many end, and how long they wait and run."""
        return self._connection.json("GET", "/v1/stats")  # type: ignore[no-any-return]

    def series(
        self, *, metric: Optional[str] = None, by: Optional[str] = None, span: Optional[str] = None
    ) -> Dict[str, Any]:
        """The same over time: a point for each minute, hour or day of ``span`` (``1h``, ``24h``, ``30d``, ``365d``).

        ``by``: ``task`` or ``lane``. ``metric``: ``ended``, ``wait``, ``run``, ``errors`` or ``waits``; all unless given.
        """
        query = [("metric", metric), ("by", by), ("span", span)]
        return self._connection.json("GET", "/v1/stats/series", query=query)  # type: ignore[no-any-return]

    def report(self) -> Dict[str, Any]:
        """How the work stands: a verdict, one sentence, and what it was made from."""
        return self._connection.json("GET", "/v1/health/report")  # type: ignore[no-any-return]

    def feed(self) -> Iterator[Dict[str, Any]]:
        """What changes: a frame at once, then one a second while anything does, for as long as one asks for the next.

        After a broken connection ``missed`` is true.
        """
        return follow_feed(self._connection)

    def _bulk(self, verb: str, given: Mapping[str, Any], dry_run: bool) -> BulkResult:
        times = ("created_after", "created_before", "finished_after", "finished_before")
        kin = ("flow_id", "q", "parent_id", "root_id", "schedule", "wait_longer_than", "run_longer_than")
        names = ("state", "task", "lane", "tags", *times, "error", *kin, "ids")
        body: Dict[str, Any] = {"filter": options_of(given, names), "dryRun": dry_run}
        matched = changed = 0
        while True:
            # One request does a bounded part.
            answer = self._connection.json("POST", f"/v1/tasks/{verb}", body=body)
            matched += answer["matched"]
            changed += answer["changed"]
            if answer.get("nextCursor") is None:
                return BulkResult(matched, changed)
            body["cursor"] = answer["nextCursor"]


def item_of(item: Mapping[str, Any]) -> Dict[str, Any]:
    """A submission as the wire has it. Members that it does not know are left to the service to refuse."""
    body = {name: value for name, value in item.items() if name != "options" and value is not ABSENT}
    if item.get("options"):
        body["options"] = options_of(item["options"])
    return body


def _path(task: TaskRef) -> str:
    return f"/v1/tasks/{quote(task if isinstance(task, str) else task.id, safe='')}"
