"""Spark's errors, told to the user: short, in the words of the pipeline, at the place in the SQL as written.

`raised` takes an error apart, `kinds` says whose it is and whether it may pass. What it means is told by one module for
each thing that can be wrong: the SQL, the values, a table's log, a file, the storage, the machine. The words are those
of every engine (`odibi.engine.words`), so that a fault reads the same everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from odibi.engine import words
from odibi.engine.spark.data_problems import tell_data
from odibi.engine.spark.delta.problems import of_log
from odibi.engine.spark.formats.explain import explain as explain_file
from odibi.engine.spark.kinds import is_interrupt, is_out_of_touch, is_transient, spark_errors
from odibi.engine.spark.machine_problems import of_file, of_function, of_gone_file, of_machine
from odibi.engine.spark.platform import explain_refusal
from odibi.engine.spark.raised import LOG, OURS, Raised, clean, read, underlying
from odibi.engine.spark.sql_problems import tell_sql
from odibi.engine.spark.storage_problems import explain as explain_storage
from odibi.engine.words import joined
from odibi.errors import DataError, OdibiError, SqlError
from odibi.types import Column

__all__ = ["explain", "is_interrupt", "is_out_of_touch", "is_transient", "read", "spark_errors", "underlying"]

Place: TypeAlias = Callable[[Raised], "int | None"]
"""Gives the place in the user's text of what an error points to in the text as run."""


def explain(
    error: BaseException,
    written: str | None = None,
    inputs: Mapping[str, tuple[Column, ...] | None] | None = None,
    place: Place | None = None,
) -> OdibiError:
    """The error to raise from `error`.

    `written` is the user's SQL, None where the query is our own; `inputs` are the frames that it may name, with their
    columns; `place` finds the place in `written`. The JVM's trace goes to the log at level DEBUG, and nowhere else.
    """
    LOG.debug("Spark raised: %s", error)
    refused = explain_refusal(error)
    if refused is not None:
        return refused
    raised = read(error)
    told = tell_sql(raised, inputs or {})
    if told is not None:
        return SqlError(joined(*told), _offset(raised, told[0], written, place) if written is not None else None)
    found = (teller(raised) for teller in _TELLERS)
    return next((each for each in found if each is not None), None) or DataError(joined(*tell_data(raised)))


def _offset(raised: Raised, message: str, written: str, place: Place | None) -> int | None:
    """Where Spark points to, if that is one name; else where the name of the message stands, if it does so once."""
    offset = place(raised) if place is not None else None
    if offset is not None and re.fullmatch(r"[\w.`]+(?:\(.*\))?", raised.fragment, re.DOTALL):
        return offset
    named = re.match(r"(?:there is no \w+ |column |the struct has no field )'([^']+)'", message)
    found = words.find_name(named[1], written) if named is not None else None
    return offset if found is None else found


def _of_stored_file(raised: Raised) -> OdibiError | None:
    """What a file could not be read for, with its line where that can be told."""
    return explain_file(raised.whole)


def _of_our_own(raised: Raised) -> OdibiError | None:
    """What odibi's own readers and casts raise inside a job, as they say it."""
    if raised.main != "USER_RAISED_EXCEPTION":
        return None
    said = raised.parameters.get("errorMessage") or clean(raised)
    return DataError(said.removeprefix(OURS)) if said.startswith(OURS) else None


def _of_storage(raised: Raised) -> OdibiError | None:
    """What a cloud's storage refused; it is told from the whole trace."""
    return explain_storage(raised.whole)


_TELLERS: tuple[Callable[[Raised], OdibiError | None], ...] = (
    of_gone_file, of_log, _of_stored_file, of_function, _of_our_own, _of_storage, of_machine, of_file,
)  # fmt: skip
"""The first that knows an error tells it: what names a place comes before what knows the kind of fault alone."""
