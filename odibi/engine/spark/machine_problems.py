"""What a query needs beside its SQL and its rows, and what fails there: users' Python functions, files, memory, disks
and servers."""

from __future__ import annotations

import re
from pathlib import Path

from odibi.engine.delta_log import LOG
from odibi.engine.spark.raised import Raised, clean
from odibi.errors import AccessError, DataError, DataNotFoundError, OdibiError

_TRACE_LINE = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<name>\S+)', re.MULTILINE)
_PYSPARK = re.compile(r"[/\\]pyspark(?:\.zip)?[/\\]")
_OF_PYSPARK = re.compile(r"^pyspark\.errors\.[\w.]+: (?:\[[A-Z][A-Z_.]+\] )?")
_LIBRARIES = re.compile(r"[/\\](?:site-packages|dist-packages|pyspark|lib[/\\]python3[^/\\]*)[/\\]")


def of_function(raised: Raised) -> OdibiError | None:
    """An exception of a user's Python function that ran in a worker: the deepest line that is no library's."""
    trace = raised.parameters.get("traceback") or raised.text
    if raised.main != "PYTHON_EXCEPTION" and raised.kind != "PythonException" and "Traceback (most" not in trace:
        return None
    tail = trace[trace.rfind("Traceback (most") :]
    lines = list(_TRACE_LINE.finditer(tail))
    own = [line for line in lines if not _LIBRARIES.search(line["file"])]
    own = own or [line for line in lines if not _PYSPARK.search(line["file"])]
    said = tail[lines[-1].end() :] if lines else tail
    thrown = re.search(r"^(?P<kind>[A-Za-z_][\w.]*)(?:: (?P<text>.*))?$", said, re.MULTILINE | re.DOTALL)
    what = _OF_PYSPARK.sub("", " ".join(thrown[0].split()))[:400] if thrown else clean(raised)
    missing = re.search(r"ModuleNotFoundError: No module named '([\w.]+)'", said)
    inside = "; the module is not on the executors: import it at the top of the file, not inside the function"
    hint = f"{inside}, or install it there" if missing else ""
    if not own:
        return OdibiError(f"a Python function failed: {what}{hint}")
    return OdibiError(f"function {own[-1]['name']!r} failed: {what}{hint}\n  at {own[-1]['file']}:{own[-1]['line']}")


_GONE = re.compile(r"(?:reading file|Path does not exist:?|File)\s+(?P<path>\S+?)\.? File does not exist")


def of_gone_file(raised: Raised) -> OdibiError | None:
    """A data file that was there when the query was planned."""
    found = _GONE.search(raised.text)
    if found is None:
        return None
    path = re.sub(r"^file:/*(?=/|[A-Za-z]:)", "", found["path"])
    table = next((str(each) for each in Path(path).parents if (each / LOG).is_dir()), None)
    if table is not None:
        return DataNotFoundError(
            f"{table}: the log lists the data file {Path(path).name}, which is gone; restore the file from a copy"
        )
    return DataNotFoundError(f"{path!r} is gone: it was deleted or replaced while it was read; run it again")


_MORE_MEMORY = (
    "give Spark more memory (spark.driver.memory, spark.executor.memory), or run with fewer workers (--workers 1)"
)


def of_machine(raised: Raised) -> OdibiError | None:
    """Memory, disks, executors and servers."""
    if "Python worker exited unexpectedly" in raised.whole:
        return AccessError(
            "a Python process of Spark's ended in the middle of a function: it crashed, or was killed, often for want"
            " of memory; let the function take fewer rows at once, or leave it more of the machine's memory"
            " (spark.driver.memory, spark.executor.memory)"
        )
    text = f"{raised.kind} {raised.classes}: {raised.text} {raised.cause}"
    if re.search(r"OutOfMemoryError|UNABLE_TO_ACQUIRE_MEMORY|Container killed|exit (?:code|status) 137|\bOOM\b", text):
        return AccessError(f"out of memory: {_line(raised)}; {_MORE_MEMORY}")
    if re.search(r"No space left|disk (?:is )?full|DISK_FULL", text, re.IGNORECASE):
        return AccessError(f"no space left on the disk ({_line(raised)}); free some, or write elsewhere")
    if re.search(r"ExecutorLostFailure|ExecutorDeadException", text):
        return AccessError(f"Spark lost an executor: {_line(raised)}; run it again, or look at the cluster's log")
    if re.search(r"\bUNAVAILABLE\b|Py4JNetworkError|ConnectionRefused", text):
        return AccessError(f"the Spark server can not be reached: {_line(raised)}; is it running?")
    if re.search(r"cancell?ed", text, re.IGNORECASE) and re.search(r"Job|Stage|operation", text, re.IGNORECASE):
        return OdibiError(f"the Spark job was cancelled from outside: {_line(raised)}")
    return None


_READ_FILE = re.compile(
    r"(?:reading file|Path does not exist:?|File)\s+'?(?P<path>(?:[a-z]+:)?/\S+?)'?(?:\.?\s|\.?$| does not)"
)


def of_file(raised: Raised) -> OdibiError | None:
    """Files that are gone, damaged or closed to us."""
    text = f"{raised.kind} {raised.classes}: {raised.text} {raised.cause}"
    found = _READ_FILE.search(raised.text)
    found = found or re.search(r"(?P<path>(?:[a-z]+:)?/\S+) is not a Parquet file", text)
    path = raised.parameters.get("path") or (found["path"] if found else "")
    path = re.sub(r"^file:/*", "/", path)
    if re.search(r"PATH_NOT_FOUND|FILE_NOT_EXIST|FileNotFoundException|File does not exist|NoSuchFile", text):
        return DataNotFoundError(f"there is no file {path!r}" if path else _line(raised))
    if re.search(r"Permission denied|AccessControlException|AccessDenied|Mkdirs failed|Operation not permitted", text):
        return AccessError(f"no permission to open {path!r}" if path else f"no permission: {_line(raised)}")
    if re.search(r"is not a Parquet file|magic number|Could not read footer|too small to be a Parquet", text):
        hint = "it was cut off or is of another format; write it again"
        return DataError(f"{path!r} is not a whole Parquet file; {hint}")
    if raised.main == "FAILED_READ_FILE":
        return DataError(
            f"{path!r} is damaged ({raised.cause or clean(raised)}); restore it from a copy, or write it again"
        )
    return None


def _line(raised: Raised) -> str:
    """One line of what Spark says."""
    return clean(raised)[:300] or raised.kind
