"""Writes flows: each function gives a node as ``POST /v1/flows`` takes it, plain data."""

from typing import Any, Dict, Mapping, Optional, Sequence

from ._wire import ABSENT, TaskOptions, Unpack, options_of

Node = Dict[str, Any]


def task(name: str, input: Any = ABSENT, **options: Unpack[TaskOptions]) -> Node:
    """One task. Without an input it takes what it is passed; an input may hold ``previous()`` and ``from_node()``."""
    node: Node = {"task": name}
    if input is not ABSENT:
        node["input"] = input
    return _with_options(node, options)


def map_task(name: str, inputs: Sequence[Any], **options: Unpack[TaskOptions]) -> Node:
    """One task for each input, side by side; results in the list of their results, in order."""
    return {"map": _with_options({"task": name, "inputs": list(inputs)}, options)}


def chain(*nodes: Node) -> Node:
    """One after the other, each passed its predecessor's result."""
    return {"chain": list(nodes)}


def group(*nodes: Node) -> Node:
    """Side by side; results in the list of their results, in order."""
    return {"group": list(nodes)}


def chord(header: Sequence[Node], body: Node) -> Node:
    """Side by side, and then once the body, which is passed the list of their results."""
    return {"chord": {"header": list(header), "body": body}}


def dag(nodes: Mapping[str, Mapping[str, Any]]) -> Node:
    """A graph by names: ``{"b": {"node": task("x"), "needs": ["a"], "onFailure": "ignore"}}``; results in
    ``{name: result}`` of those that nobody needs."""
    return {"dag": {name: dict(entry) for name, entry in nodes.items()}}


def previous(path: Optional[str] = None) -> Dict[str, str]:
    """Stands for what the node is passed, or for the part of it at ``path``, a JSON pointer such as ``/rows/0``."""
    return from_node("previous", path)


def from_node(name: str, path: Optional[str] = None) -> Dict[str, str]:
    """Stands for the result of a node of the dag that this one needs, or for the part of it at ``path``."""
    return {"$from": name} if path is None else {"$from": name, "path": path}


def _with_options(node: Node, options: Mapping[str, Any]) -> Node:
    if options:
        node["options"] = options_of(options)
    return node
