"""The verbs on groups of errors."""

from datetime import datetime
from typing import Any, Dict, Optional, Union
from urllib.parse import quote

from ._connection import Connection
from ._pages import Page, Pages
from ._wire import present, wire

Since = Union[str, datetime]


class ErrorVerbs:
    """What tasks fail with, grouped. A group's id is also a value of the filter ``error``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(
        self,
        *,
        state: Optional[str] = None,
        task: Optional[str] = None,
        since: Optional[Since] = None,
        new_since: Optional[Since] = None,
        limit: Optional[int] = None,
    ) -> "Pages[Dict[str, Any]]":
        """Lists the errors that tasks fail with, the latest first.

        ``since``: failed at this time or later; ``new_since``: and never before.
        """
        query = [
            ("state", state),
            ("task", task),
            ("since", wire(since)),
            ("newSince", wire(new_since)),
            ("limit", limit),
        ]

        def page(cursor: Optional[str]) -> "Page[Dict[str, Any]]":
            raw = self._connection.json("GET", "/v1/errors", query=[*query, ("cursor", cursor)])
            return Page(raw["items"], raw["nextCursor"])

        return Pages(page)

    def resolve(self, id: str) -> Dict[str, Any]:
        """Says that an error is mended: the next task that fails with it opens it again."""
        return self._mark(id, "resolve", {})

    def ignore(self, id: str, *, until_count: Optional[int] = None) -> Dict[str, Any]:
        """Ignores an error; with ``until_count``, until so many tasks in all have failed with it."""
        return self._mark(id, "ignore", present(until_count=until_count))

    def _mark(self, id: str, verb: str, body: Dict[str, Any]) -> Dict[str, Any]:
        path = f"/v1/errors/{quote(id, safe='')}/{verb}"
        return self._connection.json("POST", path, body=body, repeatable=True)  # type: ignore[no-any-return]
