"""What is told of checks, whoever counted: the texts of the results, and which columns show an offender."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from odibi import checks as rules
from odibi.engine.base import Check, CheckResult, Checks, NotEmptyCheck, RowCheck, SchemaCheck, UniqueCheck
from odibi.types import Column


def result(
    check: Check, failing: int | None, total: int | None, examples: Sequence[Mapping[str, Any]] = ()
) -> CheckResult:
    """The result of a check that was computed: `failing` rows of `total`."""
    if isinstance(check, SchemaCheck):
        return CheckResult(check.name, True)
    if isinstance(check, NotEmptyCheck):
        return CheckResult(check.name, bool(total), None, total, "" if total else "there are no rows")
    if not failing:
        return CheckResult(check.name, True, 0, total)
    what = " share their key with another" if isinstance(check, UniqueCheck) else ""
    of = f" of {total:,}" if total is not None else ""
    return CheckResult(check.name, False, failing, total, f"{failing:,}{of} rows{what}", examples)


def shown_columns(check: RowCheck | UniqueCheck, checks: Checks, columns: Sequence[Column]) -> list[Column]:
    """The columns that show an offender: those of the check, and of the node's keys."""
    if isinstance(check, UniqueCheck):
        named = list(check.columns)
    else:
        keys = [name for each in checks.items if isinstance(each, UniqueCheck) for name in each.columns]
        named = [*keys, *(check.columns or rules.words_of(check.violation))]
    found = (rules.find_column(name, columns) for name in named)
    return list(dict.fromkeys(column for column in found if column is not None)) or list(columns)
