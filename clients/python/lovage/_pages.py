"""Lists that come in pages."""

from dataclasses import dataclass
from typing import Callable, Generic, Iterator, List, Optional, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Page(Generic[Item]):
    """One page of a list. ``next_cursor`` is None on the last one."""

    items: List[Item]
    next_cursor: Optional[str]


class Pages(Generic[Item]):
    """A list: iterate over all of its items, or read it page by page. Nothing is asked for before that."""

    def __init__(self, page: Callable[[Optional[str]], Page[Item]]) -> None:
        self._page = page

    def page(self, cursor: Optional[str] = None) -> Page[Item]:
        """The first page, or the one at this cursor."""
        return self._page(cursor)

    def __iter__(self) -> Iterator[Item]:
        cursor: Optional[str] = None
        while True:
            page = self._page(cursor)
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return
