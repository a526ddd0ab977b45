"""Which errors are Spark's, and of what kind: stopped by us, passing, or a server that no longer answers.

Asked also where pyspark is not installed: nothing of it is imported here.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator


def spark_errors() -> tuple[type[BaseException], ...]:
    """The classes of what Spark raises."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    grpc = sys.modules.get("grpc")
    return (PySparkException, Py4JError, *((grpc.RpcError,) if grpc is not None else ()))


def is_interrupt(error: BaseException) -> bool:
    """True for the error by which work of ours ends that was cancelled, or whose JVM Ctrl-C took away."""
    for each in _causes(error):
        kind = type(each).__name__
        if kind == "Py4JNetworkError":
            return True
        if kind.startswith("Py4J") or is_pyspark(each):
            text = str(each)
            if "OPERATION_CANCELED" in text or "OPERATION_ABANDONED" in text:
                return True
            if re.search(r"cancell?ed", text, re.IGNORECASE) and re.search(
                r"\bodibi-\d+-\d+|SparkContext was shut down", text
            ):
                return True
    return False


# What may be gone a moment later; an analysis that failed never is.
_PASSING = re.compile(
    r"ExecutorLostFailure|FetchFailed|executor \S+ (?:exited|lost)|ExecutorDeadException"
    r"|BlockManager \S+ (?:lost|not found)"
    r"|StatusCode\.UNAVAILABLE|\bUNAVAILABLE\b:|SocketTimeoutException|ConnectException|UnknownHostException"
    r"|SocketException|NoRouteToHostException|Connection (?:reset|refused|timed out)|Read timed out|Broken pipe"
    r"|status code: (?:408|429|5\d\d)|,\s*(?:429|500|502|503|504),|TooManyRequests|ServerBusy|OperationTimedOut"
    r"|INTERNAL_ERROR_NETWORK|temporarily unavailable|Slow ?Down",
    re.IGNORECASE,
)


def is_transient(error: BaseException) -> bool:
    """True for an I/O error, a lost executor or an unreachable server, which may be gone at the next try."""
    return any(
        (type(each).__name__.startswith("Py4J") or is_pyspark(each) or _is_rpc(each))
        and not _is_analysis(each)
        and _PASSING.search(str(each))
        for each in _causes(error)
    )


def is_out_of_touch(error: BaseException) -> bool:
    """True where a server of Spark Connect no longer answers: what it was to do it may still do."""
    return any(
        (_is_rpc(each) or type(each).__name__ in ("SparkConnectGrpcException", "RetriesExceeded"))
        and _PASSING.search(str(each))
        for each in _causes(error)
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def is_pyspark(error: BaseException) -> bool:
    """True for a class of pyspark's own, classic or Connect."""
    return type(error).__module__.startswith("pyspark.errors")


def _is_rpc(error: BaseException) -> bool:
    return type(error).__module__.startswith("grpc")


def _is_analysis(error: BaseException) -> bool:
    return any(kind.__name__ == "AnalysisException" for kind in type(error).__mro__)
