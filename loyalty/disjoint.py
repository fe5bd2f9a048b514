"""Disjoint sets over any hashable: who belongs with whom, decided by unions alone."""

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

N = TypeVar("N", bound=Hashable)


class Disjoint(Generic[N]):
    """Mutable while a partition is computed, never kept."""

    __slots__ = ("_parent",)

    def __init__(self, nodes: Iterable[N] = ()) -> None:
        self._parent: dict[N, N] = {node: node for node in nodes}

    def find(self, node: N) -> N:
        """Return the representative of `node`'s set; an unknown node is a set of its own."""
        parent = self._parent
        root = parent.setdefault(node, node)
        while parent[root] != root:
            root = parent[root]
        while parent[node] != root:
            parent[node], node = root, parent[node]
        return root

    def unite(self, a: N, b: N) -> N:
        """Join the sets of `a` and `b`; return the representative (that of `a`)."""
        root, other = self.find(a), self.find(b)
        self._parent[other] = root
        return root

    def __contains__(self, node: N) -> bool:
        return node in self._parent
