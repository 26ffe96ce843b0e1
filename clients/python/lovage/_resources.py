"""What the service tells, with Python's names. ``raw`` is the JSON as it came, with members that this client does not know."""

from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Callable, Dict, List, Mapping, Optional, Type, TypeVar

from ._wire import camel

R = TypeVar("R", bound="Resource")


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _read(how: Callable[[Any], Any]) -> Any:
    return field(metadata={"read": how})


def _instant() -> Any:
    return _read(_at)


@dataclass(frozen=True)
class Resource:
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls: Type[R], raw: Mapping[str, Any]) -> R:
        """Reads it from JSON."""
        values: Dict[str, Any] = {"raw": raw}
        for each in fields(cls):
            if each.name == "raw":
                continue
            value = raw.get(camel(each.name))
            how = each.metadata.get("read")
            values[each.name] = how(value) if how is not None and value is not None else value
        return cls(**values)

    @classmethod
    def each_of(cls: Type[R], raws: List[Mapping[str, Any]]) -> List[R]:
        return [cls.of(raw) for raw in raws]


@dataclass(frozen=True)
class TaskError(Resource):
    """``type`` is the error's class, or one of ours: ``timeout``, ``worker_lost``, ``dependency_failed`` …"""

    type: str
    message: str
    data: Any
    stack: Optional[str]


@dataclass(frozen=True)
class Progress(Resource):
    done: float
    total: Optional[float]
    percent: Optional[float]
    message: Optional[str]
    data: Any
    at: datetime = _instant()


@dataclass(frozen=True)
class Attempt(Resource):
    number: int
    outcome: str
    error: Optional[TaskError] = _read(TaskError.of)
    started_at: datetime = _instant()
    finished_at: datetime = _instant()


@dataclass(frozen=True)
class Task(Resource):
    """A task. ``attempts`` is there only where one task alone is read."""

    id: str
    task: str
    state: str
    input: Any
    result: Any
    error: Optional[TaskError] = _read(TaskError.of)
    progress: Optional[Progress] = _read(Progress.of)
    attempt: int = _read(int)
    max_attempts: int = _read(int)
    attempts: Optional[List[Attempt]] = _read(Attempt.each_of)
    lane: str = _read(str)
    tags: Mapping[str, str] = _read(dict)
    parent_id: Optional[str] = _read(str)
    root_id: str = _read(str)
    flow_id: Optional[str] = _read(str)
    created_at: datetime = _instant()
    run_at: datetime = _instant()
    started_at: Optional[datetime] = _instant()
    finished_at: Optional[datetime] = _instant()
    expires_at: Optional[datetime] = _instant()
    retain_until: Optional[datetime] = _instant()
    cancel_requested_at: Optional[datetime] = _instant()
    waiting_for: Any = _read(lambda value: value)
    omitted: Optional[List[str]] = _read(list)
    traceparent: Optional[str] = _read(str)
    links: Mapping[str, str] = _read(dict)


@dataclass(frozen=True)
class Event:
    """An event of a task or a flow.

    ``data`` is a ``Progress`` where the ``type`` is ``progress``, the ended ``Task`` or ``Flow`` where it is ``done``,
    and JSON otherwise (``state``, ``log``, ``output``, ``signal``).
    """

    seq: int
    type: str
    at: datetime
    data: Any


@dataclass(frozen=True)
class FlowNode(Resource):
    """One task of a flow, and its place in the graph."""

    key: str
    needs: List[str]
    task: Task = _read(Task.of)


@dataclass(frozen=True)
class Flow(Resource):
    """``counts`` is by state. ``nodes`` may be a part of them; ``client.flows.nodes`` lists them all."""

    id: str
    state: str
    result: Any
    error: Optional[TaskError] = _read(TaskError.of)
    counts: Mapping[str, int] = _read(dict)
    nodes: List[FlowNode] = _read(FlowNode.each_of)
    next_cursor: Optional[str] = _read(str)
    created_at: datetime = _instant()
    finished_at: Optional[datetime] = _instant()
    retain_until: Optional[datetime] = _instant()
    cancel_requested_at: Optional[datetime] = _instant()
    deadline: Optional[datetime] = _instant()
    links: Mapping[str, str] = _read(dict)


@dataclass(frozen=True)
class Tick(Resource):
    task_id: str
    tick: datetime = _instant()


@dataclass(frozen=True)
class Schedule(Resource):
    id: str
    cron: Optional[str]
    every: Any
    timezone: str
    task: str
    input: Any
    options: Mapping[str, Any]
    overlap: str
    catch_up: str
    paused: bool
    source: str
    start_at: Optional[datetime] = _instant()
    end_at: Optional[datetime] = _instant()
    next_run_at: Optional[datetime] = _instant()
    next_runs: List[datetime] = _read(lambda all: [_at(each) for each in all])
    last_runs: List[Tick] = _read(Tick.each_of)
    created_at: datetime = _instant()
    updated_at: datetime = _instant()


MOVING = ("scheduled", "queued", "waiting", "running", "retrying")
"""The states of a task or a flow that has something ahead of it."""
