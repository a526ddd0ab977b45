"""Places for the nodes of a graph, in layers from left to right. Near-linear in nodes and edges.

The usual three steps: layers by longest path; order inside a layer by the mean place of neighbours (barycentre), in a
few sweeps; then heights as close to the neighbours' as the order allows. An edge over several layers is led through a
narrow place in each of them, so that it does not cross nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

SWEEPS = 4
MAX_BENDS = 4
"""Places for long edges, as a multiple of the number of nodes; beyond it, long edges are drawn straight."""


class Layout(NamedTuple):
    """`x` is a node's layer, `y` its height (1 is a node's own). `bends` are the places an edge passes on its way.
    Both axes start at 0; `layers` and `height` are the extent."""

    x: Mapping[str, int]
    y: Mapping[str, float]
    bends: Mapping[tuple[str, str], Sequence[tuple[int, float]]]
    layers: int
    height: float


class _Grid(NamedTuple):
    """Everything that takes a place: nodes by index, then the bends of long edges. `thickness` is 1 or less."""

    layer: list[int]
    thickness: list[float]
    left: list[list[int]]
    right: list[list[int]]
    rows: list[list[int]]
    y: list[float]


def layout(needs: Mapping[str, Iterable[str]]) -> Layout:
    """Places for all nodes; `needs` maps a node to those it depends on (unknown ones are ignored)."""
    names = list(needs)
    index = {name: i for i, name in enumerate(names)}
    sources = [[index[need] for need in dict.fromkeys(needs[name]) if need in index] for name in names]
    layers = _layers(sources)
    grid, chains = _grid(layers, sources)
    _order(grid)
    _place(grid)
    x = {name: layers[i] for name, i in index.items()}
    y = {name: grid.y[i] for name, i in index.items()}
    bends = {(names[a], names[b]): [(grid.layer[i], grid.y[i]) for i in chain] for (a, b), chain in chains.items()}
    height = max((grid.y[i] + grid.thickness[i] for i in range(len(grid.y))), default=0.0)
    return Layout(x, y, bends, max(layers, default=-1) + 1, height)


def _layers(sources: Sequence[Sequence[int]]) -> list[int]:
    """Layer by longest path; then sources move right, next to their first user. A cycle's nodes stay in layer 0."""
    users: list[list[int]] = [[] for _ in sources]
    for node, needs in enumerate(sources):
        for need in needs:
            users[need].append(node)
    waiting = [len(needs) for needs in sources]
    order = [node for node, missing in enumerate(waiting) if not missing]
    layer = [0] * len(sources)
    for node in order:  # grows while it is walked
        for user in users[node]:
            layer[user] = max(layer[user], layer[node] + 1)
            waiting[user] -= 1
            if not waiting[user]:
                order.append(user)
    for node in order:
        if not sources[node] and users[node]:
            layer[node] = max(0, min(layer[user] for user in users[node]) - 1)
    return layer


def _grid(layers: list[int], sources: Sequence[Sequence[int]]) -> tuple[_Grid, dict[tuple[int, int], list[int]]]:
    size = len(layers)
    layer = list(layers)
    left: list[list[int]] = [[] for _ in layers]
    right: list[list[int]] = [[] for _ in layers]
    chains: dict[tuple[int, int], list[int]] = {}
    spans = sum(max(0, layers[node] - layers[need] - 1) for node, needs in enumerate(sources) for need in needs)
    bend = spans <= MAX_BENDS * size + 100
    for node, needs in enumerate(sources):
        for need in needs:
            chain = []
            for between in range(layers[need] + 1, layers[node]) if bend else ():
                chain.append(len(layer))
                layer.append(between)
                left.append([])
                right.append([])
            chains[need, node] = chain
            for a, b in zip([need, *chain], [*chain, node], strict=True):
                right[a].append(b)
                left[b].append(a)
    rows: list[list[int]] = [[] for _ in range(max(layer, default=-1) + 1)]
    for i, column in enumerate(layer):
        rows[column].append(i)
    thickness = [1.0 if i < size else 0.3 for i in range(len(layer))]
    return _Grid(layer, thickness, left, right, rows, [0.0] * len(layer)), chains


def _order(grid: _Grid) -> None:
    """Sort each layer by the mean rank of neighbours, rightwards and leftwards in turn."""
    rank = [0.0] * len(grid.layer)
    _rank(grid.rows, rank)
    for sweep in range(SWEEPS):
        neighbours = grid.right if sweep % 2 else grid.left
        for row in reversed(grid.rows) if sweep % 2 else grid.rows:
            if len(row) > 1:
                row.sort(key=lambda i: _mean(rank, neighbours[i], rank[i]))
                _rank([row], rank)


def _rank(rows: Iterable[Sequence[int]], rank: list[float]) -> None:
    """Ranks from 0 to 1, so that layers of different sizes can be compared."""
    for row in rows:
        for place, i in enumerate(row):
            rank[i] = (place + 0.5) / len(row)


def _mean(values: Sequence[float], chosen: Sequence[int], nothing: float) -> float:
    return sum([values[i] for i in chosen]) / len(chosen) if chosen else nothing


def _place(grid: _Grid) -> None:
    """Heights: each layer as near to the middle of its neighbours as order and thickness allow."""
    for row in grid.rows:
        _spread(row, [0.0] * len(row), grid)
    for sweep in range(SWEEPS + 1):  # the last one rightwards: users stand beside what they use
        chosen = (grid.left, grid.right)[sweep % 2]
        for row in reversed(grid.rows) if sweep % 2 else grid.rows:
            middle = [grid.y[i] + grid.thickness[i] / 2 for i in row]
            wanted = [_middle(grid, chosen[i], at) for i, at in zip(row, middle, strict=True)]
            _spread(row, wanted, grid)
    top = min(grid.y, default=0.0)
    grid.y[:] = [y - top for y in grid.y]


def _middle(grid: _Grid, neighbours: Sequence[int], nothing: float) -> float:
    if not neighbours:
        return nothing
    return sum([grid.y[i] + grid.thickness[i] / 2 for i in neighbours]) / len(neighbours)


def _spread(row: Sequence[int], wanted: Sequence[float], grid: _Grid) -> None:
    """Middles nearest to `wanted` (least squares) that keep the order without overlap: pool adjacent violators."""
    offsets, offset = [], 0.0
    for i in row:
        offsets.append(offset + grid.thickness[i] / 2)
        offset += grid.thickness[i]
    blocks: list[tuple[float, int]] = []
    for want, at in zip(wanted, offsets, strict=True):
        total, size = want - at, 1
        while blocks and blocks[-1][0] / blocks[-1][1] >= total / size:
            before, many = blocks.pop()
            total, size = total + before, size + many
        blocks.append((total, size))
    starts = [total / size for total, size in blocks for _ in range(size)]
    for i, start, at in zip(row, starts, offsets, strict=True):
        grid.y[i] = start + at - grid.thickness[i] / 2
