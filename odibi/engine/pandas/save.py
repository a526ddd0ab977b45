"""The one way of a write: cast to the target's types, check, write aside, then commit."""

from __future__ import annotations

from odibi.engine.base import CheckResult, Checks, Target, WriteReport
from odibi.engine.pandas.cast import plan_cast
from odibi.engine.pandas.formats import FORMATS
from odibi.engine.pandas.run_checks import run_checks
from odibi.engine.pandas.session import DuckFrame, Session
from odibi.errors import CheckFailed, TargetExistsError
from odibi.files import files_for


def checked(session: Session, frame: DuckFrame, checks: Checks) -> tuple[CheckResult, ...]:
    """Run the checks; raises `CheckFailed`, with all results, when one with `on_fail: fail` does not hold."""
    results = run_checks(session, frame, checks)
    failed = [result for result in results if not result.passed]
    if failed and checks.on_fail == "fail":
        lines = "\n".join(f"  - {result.name}: {result.message}" for result in failed)
        raise CheckFailed(f"{len(failed)} of {len(results)} checks do not hold; nothing was written\n{lines}", results)
    return results
