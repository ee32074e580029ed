"""Sums of regression trees as plain numbers, evaluated for many rows at once by numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Trees:
    """Regression trees, one after another in flat lists."""

    base: float
    """What the trees correct."""
    roots: tuple[int, ...]
    """Position of each tree's first node."""
    feature: tuple[int, ...]
    """Position of the feature that a node looks at; -1 for a leaf."""
    value: tuple[float, ...]
    """The threshold: up to it a call goes left. Of a leaf what it adds."""
    left: tuple[int, ...]
    """Position of the left child; 0 for a leaf."""
    right: tuple[int, ...]

    def is_sound(self, features: int) -> bool:
        """Whether evaluation ends: children come after their parents, and features exist."""
        size = len(self.feature)
        if not size == len(self.value) == len(self.left) == len(self.right):
            return False
        if any(not 0 <= root < size for root in self.roots):
            return False
        return all(
            feature == -1
            or (-1 < feature < features and place < left < size and place < right < size)
            for place, (feature, left, right) in enumerate(
                zip(self.feature, self.left, self.right, strict=True)
            )
        )

    def evaluate(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """A number for each row of features, which are compared in single precision, as
        scikit-learn does."""
        import numpy as np

        feature, value = np.asarray(self.feature), np.asarray(self.value)
        children = np.stack([np.asarray(self.right), np.asarray(self.left)])
        # All trees at once: a matrix of positions, a row of it per call.
        at = np.broadcast_to(np.asarray(self.roots, np.int64), (len(rows), len(self.roots))).copy()
        rows = rows.astype(np.float32)
        lines = np.arange(len(rows))[:, None]
        while True:
            looked = feature[at]
            inner = looked >= 0
            if not inner.any():
                break
            goes_left = rows[lines, np.where(inner, looked, 0)] <= value[at]
            at = np.where(inner, children[goes_left.astype(np.int64), at], at)
        found: NDArray[np.float64] = self.base + value[at].sum(axis=1)
        return found
