"""The client of Lovage for Python: the standard library alone, 3.9 and later.

>>> from lovage import Client
>>> client = Client("https://tasks.example.com", api_key="…")
>>> client.run("csv.summarize", {"csv": "a\\n1\\n"})
"""

from ._client import BatchItem, BulkResult, Client
from ._connection import ConnectionError
from ._ended import (
    FlowEndedError,
    TaskCancelledError,
    TaskEndedError,
    TaskExpiredError,
    TaskFailedError,
    WaitTimeoutError,
)
from ._graph import chain, chord, dag, from_node, group, map_task, previous, task
from ._pages import Page, Pages
from ._problems import (
    ConflictError,
    Fault,
    InvalidInputError,
    LovageProblem,
    NotFoundError,
    RateLimitedError,
    UnauthorizedError,
)
from ._resources import Attempt, Event, Flow, FlowNode, Progress, Schedule, Task, TaskError, Tick
from ._version import __version__
from ._webhook import WebhookVerificationError, verify_webhook
from ._wire import TaskOptions

__all__ = [
    "Attempt",
    "BatchItem",
    "BulkResult",
    "Client",
    "ConflictError",
    "ConnectionError",
    "Event",
    "Fault",
    "Flow",
    "FlowEndedError",
    "FlowNode",
    "InvalidInputError",
    "LovageProblem",
    "NotFoundError",
    "Page",
    "Pages",
    "Progress",
    "RateLimitedError",
    "Schedule",
    "Task",
    "TaskCancelledError",
    "TaskEndedError",
    "TaskError",
    "TaskExpiredError",
    "TaskFailedError",
    "TaskOptions",
    "Tick",
    "UnauthorizedError",
    "WaitTimeoutError",
    "WebhookVerificationError",
    "__version__",
    "chain",
    "chord",
    "dag",
    "from_node",
    "group",
    "map_task",
    "previous",
    "task",
    "verify_webhook",
]
