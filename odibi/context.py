"""The context: results of earlier nodes, by name. It is all that a transform function sees."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from odibi.errors import UnknownNameError

if TYPE_CHECKING:
    from odibi.engine.base import Engine, Frame

__all__ = ["Context", "PandasContext", "SparkContext"]


class FrameContext:
    """Frames by name, as a transform function uses them. A test puts them in by hand; no engine is needed.

    >>> context = PandasContext()
    >>> context.register("orders", [1, 2])
    >>> context.list_names(), context.has("orders"), context.get("orders")
    (['orders'], True, [1, 2])
    """

    def __init__(self) -> None:
        self._native: dict[str, Any] = {}
        self._lock = threading.Lock()

    def register(self, name: str, df: Any) -> None:
        """Put a frame in under a name, in place of one that has the name."""
        if not isinstance(name, str) or not name:
            raise TypeError(f"a frame is registered under its name as text, not {name!r}")
        with self._lock:
            self._native[name] = df

    def get(self, name: str) -> Any:
        """The native frame of that name. Raises `UnknownNameError`, a `LookupError`, which lists the names."""
        with self._lock:
            if name in self._native:
                return self._native[name]
        return self._missing(name)

    def has(self, name: str) -> bool:
        """True where `get` finds the name."""
        return name in self.list_names()

    def list_names(self) -> list[str]:
        """All names, sorted."""
        with self._lock:
            return sorted(self._native)

    def clear(self) -> None:
        """Forget all frames."""
        with self._lock:
            self._native.clear()

    def _missing(self, name: str) -> Any:
        raise UnknownNameError("frame", name, self.list_names())


class PandasContext(FrameContext):
    """Frames of the pandas engine: pandas DataFrames.

    >>> import pandas as pd
    >>> context = PandasContext()
    >>> context.register("orders", pd.DataFrame({"id": [1, 2]}))
    >>> context.get("orders")["id"].tolist()
    [1, 2]
    """


class SparkContext(FrameContext):
    """Frames of the Spark engine: Spark DataFrames. (pyspark's own class of this name is another thing.)

    >>> context = SparkContext()
    >>> context.list_names()
    []
    """


class Context(FrameContext):
    """The context of a step in a run: the frames of the nodes in `depends_on`, made native when first asked for, once
    per frame. Safe under threads."""

    def __init__(self, engine: Engine, frames: Mapping[str, Frame]) -> None:
        super().__init__()
        self._engine, self._frames = engine, dict(frames)
        self._converting = threading.RLock()

    @property
    def frames(self) -> Mapping[str, Frame]:
        """The engine's own frames."""
        return self._frames

    def list_names(self) -> list[str]:
        """All names, sorted."""
        return sorted({*self._frames, *super().list_names()})

    def clear(self) -> None:
        """Forget all frames."""
        super().clear()
        self._frames.clear()

    def _missing(self, name: str) -> Any:
        if name not in self._frames:
            raise UnknownNameError(
                "frame", name, self.list_names(), "a node sees the nodes in its depends_on; add it there"
            )
        with self._converting:
            with self._lock:
                if name in self._native:
                    return self._native[name]
            native = self._engine.native(self._frames[name])
            self.register(name, native)
            return native
