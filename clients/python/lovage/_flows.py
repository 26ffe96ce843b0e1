"""The client's verbs on flows."""

from typing import Any, Dict, Iterator, Mapping, Optional, Sequence, Union
from urllib.parse import quote

from ._connection import Connection
from ._ended import FlowEndedError
from ._follow import follow, wait_for_end
from ._pages import Page, Pages
from ._resources import Event, Flow, FlowNode
from ._wire import Duration, Instant, Span, present, submission_headers, wire

FlowRef = Union[str, Flow]


class FlowVerbs:
    """Flows: graphs of tasks, which ``chain``, ``group``, ``chord``, ``map_task`` and ``dag`` write."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def submit(
        self,
        graph: Mapping[str, Any],
        *,
        on_error: Optional[Mapping[str, Any]] = None,
        deadline: Union[Duration, Instant, None] = None,
        idempotency_key: Optional[str] = None,
        traceparent: Optional[str] = None,
    ) -> Flow:
        """Submits a graph; all of it is checked before anything is stored. Repeated requests make one flow.

        ``on_error`` is a node that runs once if the flow fails. By its ``deadline`` a flow that has not ended fails.
        """
        body: Dict[str, Any] = {**graph, **present(on_error=on_error, deadline=wire(deadline))}
        headers = submission_headers(idempotency_key, traceparent)
        return Flow.of(self._connection.json("POST", "/v1/flows", body=body, headers=headers, repeatable=True))

    def run(
        self,
        graph: Mapping[str, Any],
        *,
        within: Optional[Span] = None,
        on_error: Optional[Mapping[str, Any]] = None,
        deadline: Union[Duration, Instant, None] = None,
    ) -> Any:
        """Submits a graph and waits for its result, as ``wait`` does."""
        return self.wait(self.submit(graph, on_error=on_error, deadline=deadline), within=within)

    def wait(self, flow: FlowRef, *, within: Optional[Span] = None) -> Any:
        """The flow's result once it has one. Raises a ``FlowEndedError`` where it has none, a ``WaitTimeoutError`` after ``within``."""
        # The nodes are of no interest while it runs.
        ended = Flow.of(wait_for_end(self._connection, _path(flow), within, [("limit", 1)]))
        # One that has succeeded may have lost its result; that is an error too, and no None.
        if ended.state != "succeeded" or ended.error is not None:
            raise FlowEndedError(ended)
        return ended.result

    def events(self, flow: FlowRef, *, after: int = 0) -> Iterator[Event]:
        """Follows a flow to its end: every change of a member once and in order, and last ``done``, with the flow."""
        return follow(self._connection, _path(flow), after, Flow.of)

    def get(self, flow: FlowRef) -> Flow:
        """Reads a flow with its nodes, or as many of the first as are safe to hold where they are large."""
        return Flow.of(self._connection.json("GET", _path(flow)))

    def list(
        self,
        *,
        state: Union[str, Sequence[str], None] = None,
        created_after: Optional[Instant] = None,
        created_before: Optional[Instant] = None,
        finished_after: Optional[Instant] = None,
        finished_before: Optional[Instant] = None,
        limit: Optional[int] = None,
    ) -> "Pages[Flow]":
        """Lists flows, newest first, without their results, errors, counts and nodes: read one for those."""
        states = [state] if isinstance(state, str) else list(state or [])
        query = [
            *(("state", each) for each in states),
            ("createdAfter", wire(created_after)),
            ("createdBefore", wire(created_before)),
            ("finishedAfter", wire(finished_after)),
            ("finishedBefore", wire(finished_before)),
            ("limit", limit),
        ]

        def page(cursor: Optional[str]) -> "Page[Flow]":
            raw = self._connection.json("GET", "/v1/flows", query=[*query, ("cursor", cursor)])
            return Page(Flow.each_of(raw["items"]), raw["nextCursor"])

        return Pages(page)

    def nodes(self, flow: FlowRef, *, limit: Optional[int] = None) -> "Pages[FlowNode]":
        """Every node of a flow with its task."""

        def page(cursor: Optional[str]) -> "Page[FlowNode]":
            raw = self._connection.json("GET", _path(flow), query=[("limit", limit), ("cursor", cursor)])
            return Page(FlowNode.each_of(raw["nodes"]), raw["nextCursor"])

        return Pages(page)

    def cancel(self, flow: FlowRef, *, reason: Optional[str] = None, undo: Optional[bool] = None) -> Flow:
        """Cancels all of a flow that has not ended."""
        body = present(reason=reason, undo=undo)
        return Flow.of(self._connection.json("POST", f"{_path(flow)}/cancel", body=body, repeatable=True))

    def retry(
        self, flow: FlowRef, *, from_: Optional[str] = None, deadline: Union[Duration, Instant, None] = None
    ) -> Flow:
        """Runs again what failed and what depends on it, or the node with the key ``from_`` and what depends on that.

        The old deadline holds no more. After a broken connection it is not asked for again.
        """
        body = present(from_=from_, deadline=wire(deadline))
        return Flow.of(self._connection.json("POST", f"{_path(flow)}/retry", body=body))

    def delete(self, flow: FlowRef) -> None:
        """Removes an ended flow with all of its tasks."""
        self._connection.json("DELETE", _path(flow))


def _path(flow: FlowRef) -> str:
    return f"/v1/flows/{quote(flow if isinstance(flow, str) else flow.id, safe='')}"
