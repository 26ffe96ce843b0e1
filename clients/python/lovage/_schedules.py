"""The client's verbs on schedules. What changes one needs the scope ``admin``."""

from typing import Any, Mapping, Optional
from urllib.parse import quote

from ._connection import Connection
from ._pages import Page, Pages
from ._resources import Schedule, Task
from ._wire import ABSENT, Duration, Instant, options_of, present, wire


class ScheduleVerbs:
    """Tasks at regular times."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(
        self,
        id: str,
        *,
        task: str,
        cron: Optional[str] = None,
        every: Optional[Duration] = None,
        timezone: Optional[str] = None,
        input: Any = ABSENT,
        options: Optional[Mapping[str, Any]] = None,
        overlap: Optional[str] = None,
        catch_up: Optional[str] = None,
        start_at: Optional[Instant] = None,
        end_at: Optional[Instant] = None,
        paused: Optional[bool] = None,
    ) -> Schedule:
        """Makes a schedule, or changes it. Putting the same again changes nothing.

        ``overlap``: ``skip``, ``queue``, ``allow`` or ``replace``; ``catch_up``: ``none``, ``last`` or ``all``.
        """
        body = present(
            task=task,
            cron=cron,
            every=wire(every),
            timezone=timezone,
            options=None if options is None else options_of(options),
            overlap=overlap,
            catch_up=catch_up,
            start_at=wire(start_at),
            end_at=wire(end_at),
            paused=paused,
        )
        if input is not ABSENT:
            body["input"] = input
        return Schedule.of(self._connection.json("PUT", _path(id), body=body))

    def get(self, id: str) -> Schedule:
        """Reads a schedule with its next ten ticks and its last ten."""
        return Schedule.of(self._connection.json("GET", _path(id)))

    def list(self, *, limit: Optional[int] = None) -> "Pages[Schedule]":
        """Lists schedules by their ids."""

        def page(cursor: Optional[str]) -> "Page[Schedule]":
            raw = self._connection.json("GET", "/v1/schedules", query=[("limit", limit), ("cursor", cursor)])
            return Page(Schedule.each_of(raw["items"]), raw["nextCursor"])

        return Pages(page)

    def delete(self, id: str) -> None:
        """Removes a schedule. The tasks that it has made stay."""
        self._connection.json("DELETE", _path(id))

    def pause(self, id: str) -> Schedule:
        return Schedule.of(self._connection.json("POST", f"{_path(id)}/pause", repeatable=True))

    def resume(self, id: str) -> Schedule:
        return Schedule.of(self._connection.json("POST", f"{_path(id)}/resume", repeatable=True))

    def run(self, id: str) -> Task:
        """Runs a schedule's task now. After a broken connection it is not asked for again."""
        return Task.of(self._connection.json("POST", f"{_path(id)}/run"))


def _path(id: str) -> str:
    return f"/v1/schedules/{quote(id, safe='')}"
