"""How a task or a flow can end other than well, as errors that ``wait`` raises."""

from ._resources import Flow, Task


class TaskEndedError(Exception):
    """A task has ended, and not with a result. ``task.error`` says why."""

    task: Task

    def __init__(self, task: Task) -> None:
        self.task = task
        why = task.error.message if task.error else "no reason given"
        super().__init__(f"{task.task} {task.id} {task.state}: {why}")


class TaskFailedError(TaskEndedError):
    """No attempt is left, or the error forbids another."""


class TaskCancelledError(TaskEndedError):
    """Somebody cancelled it."""


class TaskExpiredError(TaskEndedError):
    """It had not started by its expiry."""


class FlowEndedError(Exception):
    """A flow has failed or was cancelled. ``flow.error`` says which of its tasks did it."""

    flow: Flow

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        super().__init__(f"{flow.id} {flow.state}: {flow.error.message if flow.error else 'no reason given'}")


class WaitTimeoutError(TimeoutError):
    """It had not ended when the time to wait was up. It goes on."""


def ended_error(task: Task) -> TaskEndedError:
    """The error for a task in this state, which is not ``succeeded``."""
    if task.state == "cancelled":
        return TaskCancelledError(task)
    return TaskExpiredError(task) if task.state == "expired" else TaskFailedError(task)
