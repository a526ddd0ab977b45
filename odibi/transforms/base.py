"""The contract of a built-in operation. To add one: a file here with a `Params` model and an `Operation`, and one line
in `odibi/transforms/__init__.py`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from odibi.errors import DataError, suggest
from odibi.model import Model
from odibi.transforms.dialect import Dialect
from odibi.types import Column, DataType

MAX_DISTINCT = 1000
"""Values of a column that become columns, at most."""

P = TypeVar("P", bound=Model)
Columns = Sequence[Column]
Finding = tuple[str, str, str]
"""(path inside params, message, hint)."""


class Operation(ABC, Generic[P]):
    """A built-in transform step, written once as SQL over the table `current`. It holds no state.

    `Params` is the model of its parameters. An engine that can do better than the SQL has a variant in its own folder.
    """

    name: ClassVar[str]
    Params: ClassVar[type[Model]]

    @abstractmethod
    def sql(self, params: P, columns: Columns, dialect: Dialect) -> str:
        """One SELECT over `current`, whose columns are given."""

    @abstractmethod
    def output_columns(self, params: P, columns: Columns) -> tuple[Column, ...] | None:
        """The columns of the result, None where they depend on the data."""

    @abstractmethod
    def problems(self, params: P, columns: Columns) -> list[Finding]:
        """What does not fit these input columns: (path inside params, message, hint)."""

    def is_deterministic(self, params: P) -> bool:
        """False where the same input may give different rows."""
        return True

    def distinct(self, params: P) -> str | None:
        """The column whose distinct values must be known before the SQL can be written, None where none is.

        The engine asks `distinct_sql` and hands the values to `with_values`.
        """
        return None

    def with_values(self, params: P, values: Sequence[Any]) -> P:
        """The parameters with the values of the `distinct` column filled in."""
        return params


def refuse(operation: Operation[Any], params: Any, columns: Columns) -> None:
    """Raise DataError with all that does not fit these columns."""
    found = operation.problems(params, columns)
    if found:
        lines = [f"{path}: {message}" + (f"; {hint}" if hint else "") for path, message, hint in found]
        raise DataError(f"{operation.name}: " + "\n".join(lines))


def completed(
    operation: Operation[Any], params: Any, columns: Columns, values_of: Callable[[Column], Sequence[Any]]
) -> Any:
    """The parameters with what has to be looked up in the data: `values_of` runs `distinct_sql` of a column."""
    column = operation.distinct(params)
    if column is None:
        return params
    return operation.with_values(params, values_of(find(column, columns) or Column(column, None)))


def distinct_sql(column: Column, dialect: Dialect) -> str:
    """The helper query for `Operation.distinct`: the values in order and as text, NULL last; one more than may
    become columns."""
    values = (
        f"SELECT DISTINCT {dialect.quote(column.name)} AS v FROM current ORDER BY v NULLS LAST LIMIT {MAX_DISTINCT + 1}"
    )
    text = dialect.convert("v", column.type, DataType("string"))
    return f"SELECT {text} AS written FROM ({values}) AS listed ORDER BY v NULLS LAST"


def check_distinct(operation: str, column: str, values: Sequence[Any]) -> None:
    """Raise DataError where a column has more values than may become columns."""
    if len(values) > MAX_DISTINCT:
        raise DataError(
            f"{operation}: column {column!r} has more than {MAX_DISTINCT:,} distinct values, each would be a column; "
            "name the ones wanted in `values`, or pivot a column with fewer"
        )


def find(name: str, columns: Iterable[Column]) -> Column | None:
    """The column of that name; case is ignored where no other column differs by case only."""
    known = list(columns)
    exact = [column for column in known if column.name == name]
    similar = exact or [column for column in known if column.name.lower() == name.lower()]
    return similar[0] if similar else None


def resolved(names: Iterable[str], columns: Columns) -> list[str]:
    """The names as the columns spell them; names that no column has stay as they are."""
    return [column.name if (column := find(name, columns)) else name for name in names]


def unknown(path: str, names: Iterable[str], columns: Columns) -> list[Finding]:
    """A finding for each name that no column has."""
    known = [column.name for column in columns]
    return [(path, f"unknown column {name!r}", suggest(name, known)) for name in names if find(name, columns) is None]


def repeated(path: str, names: Sequence[str]) -> list[Finding]:
    """A finding for each name that occurs twice (case is ignored, as tables do)."""
    seen: set[str] = set()
    found: list[Finding] = []
    for name in names:
        if name.lower() in seen:
            found.append((path, f"column {name!r} would exist twice", "column names must differ by more than case"))
        seen.add(name.lower())
    return found
