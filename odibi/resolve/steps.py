"""Transform steps and validation of a node, and the columns that come out of them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from odibi import checks
from odibi.config.node import FunctionStep as FunctionConfig
from odibi.config.node import OperationStep as OperationConfig
from odibi.config.node import SqlStep as SqlConfig
from odibi.config.problems import Path, check, to_bool, to_float, to_int
from odibi.config.variables import Filled
from odibi.engine import words
from odibi.engine.base import Query, SqlAnalysis, SqlProblem
from odibi.errors import UnknownNameError, suggest
from odibi.plan import FunctionStep, OperationStep, SqlStep, Step
from odibi.resolve.ends import columns_of, partition_key
from odibi.resolve.scope import Columns, Draft, Scope
from odibi.transforms import OPERATIONS, find_function, signature_problems
from odibi.transforms.signature import annotation_of, own_parameters

_EXPRESSION = ("SELECT 1 FROM current WHERE (", "\n)")
"""What stands around an expression when it is checked: it is true or false for each single row."""


def resolve_steps(draft: Draft, inputs: Mapping[str, Columns], scope: Scope) -> None:
    """Fill in the draft's steps, checks and columns. `inputs` are the columns of the nodes it needs."""
    _Steps(draft, inputs, scope).resolve()


class _Steps:
    """The walk through the steps of one node. `current` are the columns of the step before, `has_current` whether
    there is one."""

    def __init__(self, draft: Draft, inputs: Mapping[str, Columns], scope: Scope) -> None:
        self.draft, self.inputs, self.scope, self.report = draft, inputs, scope, scope.report
        self.has_current = draft.config.read is not None or len(draft.needs) == 1
        self.current: Columns = None
        if draft.config.read is not None:
            self.current = columns_of(draft.source) if draft.source is not None else None
        elif len(draft.needs) == 1:
            self.current = inputs.get(draft.needs[0])
        damage = self.report.damage
        self.unsure = (
            draft.unsure
            or damage.lacks(*draft.path)
            or damage.is_broken(*draft.path, "depends_on")
            or damage.is_broken(*draft.path, "read")
        )

    def resolve(self) -> None:
        config = self.draft.config
        broken = self.report.damage.is_broken(*self.draft.path, "transform")
        if broken:
            self.has_current, self.current = True, None
        for index, step in enumerate(config.transform.steps if config.transform else ()):
            self.step(step, (*self.draft.path, "transform", "steps", index))
            self.has_current = True
        self.validation()
        self.target_columns()
        self.draft.columns = self.current

    def step(self, step: Any, path: Path) -> None:
        columns, self.current = self.current, None
        if self.report.damage.is_broken(*path):
            return
        if isinstance(step, FunctionConfig):
            self.function(step, path)
        elif isinstance(step, OperationConfig):
            self.operation(step, path, columns)
        else:
            text, place = (step.sql, (*path, "sql")) if isinstance(step, SqlConfig) else (str(step), path)
            if not self.report.damage.is_broken(*place):
                self.sql(text, place, columns)

    def keep(self, step: Step) -> None:
        self.draft.steps.append(step)

    # -- SQL -----------------------------------------------------------------------------------------------------------

    def sql(self, text: str, path: Path, columns: Columns) -> None:
        query = Query(text, self.scope.sql_dialect)
        visible = {**self.inputs, "current": columns} if self.has_current else dict(self.inputs)
        analysis = self.analyse(query, visible)
        for problem in analysis.problems:
            self.report.add(path, problem.message, problem.hint, offset=problem.offset)
        self.current = analysis.columns
        if analysis.columns is not None and all(column.type_name for column in analysis.columns):
            query = replace(query, columns=analysis.columns)
        self.keep(SqlStep(query, self.report.document.key_name(path), self.place(path), analysis.deterministic))

    def analyse(self, query: Query, visible: Mapping[str, Columns]) -> SqlAnalysis:
        """Judge a query; where names of inputs were wrong, any other name may be one of them."""
        analysis = self.scope.analyse(query, visible)
        if analysis.problems and self.unsure:
            known = {name.lower() for name in visible}
            more = {name: None for name in analysis.tables if name.lower() not in known}
            analysis = self.scope.analyse(query, {**visible, **more}) if more else analysis
        return analysis

    def place(self, path: Path) -> Any:
        return partial(self.report.document.locate, path)

    # -- functions and operations --------------------------------------------------------------------------------------

    def function(self, step: FunctionConfig, path: Path) -> None:
        report = self.report
        try:
            function = find_function(step.function)
        except UnknownNameError as error:
            if self.scope.functions_known:
                hint = suggest(error.name, error.known) if error.known else "list its file in `transforms:`"
                report.add(
                    (*path, "function"),
                    f"unknown {error.kind} {str(error.name)!r}",
                    f"{hint}; decorate it with @transform",
                )
            return
        if report.damage.is_broken(*path, "params") or report.damage.lacks(*path):
            return
        params = _typed(function, step.params)
        for key, message, hint in signature_problems(function, params):
            named = key is not None and key in step.params
            report.add((*path, "params", str(key)) if named else path, message, hint)
        self.keep(FunctionStep(step.function, function, params, report.document.key_name(path), self.place(path)))

    def operation(self, step: OperationConfig, path: Path, columns: Columns) -> None:
        report = self.report
        if step.operation not in OPERATIONS:
            report.unknown((*path, "operation"), "operation", step.operation, OPERATIONS)
            return
        if not self.has_current and not self.unsure:
            self.tell_no_current(step.operation, path)
        if report.damage.is_broken(*path, "params") or report.damage.lacks(*path):
            return
        operation = OPERATIONS[step.operation]()
        checked = check(operation.Params, step.params)
        base = (*path, "params")
        for finding in checked.findings:
            report.add_finding(finding, base if "params" in (report.value(path) or ()) else path)
        params = checked.value
        if params is None:
            return
        if columns is not None:
            problems = operation.problems(params, columns)
            for inside, message, hint in problems:
                report.add(report.path_of(base, inside), message, hint)
            self.current = None if problems else operation.output_columns(params, columns)
        self.keep(
            OperationStep(
                name=step.operation,
                operation=operation,
                params=params,
                key=report.document.key_name(path),
                place=self.place(path),
                deterministic=operation.is_deterministic(params),
            )
        )

    def tell_no_current(self, operation: str, path: Path) -> None:
        names = ", ".join(map(repr, self.draft.needs))
        why = f"the node has several inputs ({names})" if names else "the node has no input"
        way = f"put a step before it: SELECT * FROM {self.draft.needs[0]}" if names else "add read, or depends_on"
        self.report.add(path, f"operation {operation!r} works on `current`, which does not exist here: {why}", way)

    # -- validation ----------------------------------------------------------------------------------------------------

    def validation(self) -> None:
        config, base, report = self.draft.config.validation, (*self.draft.path, "validation"), self.report
        if config is None:
            return
        problems = checks.problems(config, self.current)
        for inside, message, hint in problems:
            path = report.path_of(base, inside)
            if not report.damage.lacks(*path):  # a misspelt limit is told as such
                report.add(path, message, hint)
        self.repeated_keys(base)
        for index, text in enumerate(config.expressions):
            self.expression(text, (*base, "expressions", index))
        if not problems:
            self.draft.checks = checks.compile_checks(config, self.scope.engine_dialect, self.scope.sql_dialect)

    def repeated_keys(self, base: Path) -> None:
        config = self.draft.config.validation
        seen: set[frozenset[str]] = set()
        for index, key in enumerate(checks.keys_of(config.unique) if config else ()):
            names = frozenset(name.lower() for name in key)
            path = (*base, "unique", index) if config and isinstance(config.unique[0], list) else (*base, "unique")
            if len(names) < len(key):
                self.report.add(path, "a column is named twice in one key", "name each column once")
            elif names in seen:
                self.report.add(path, "this key is there twice", "take one of them out")
            seen.add(names)

    def expression(self, text: str, path: Path) -> None:
        if not text.strip():
            self.report.add(path, "the expression is empty")
            return
        head, tail = _EXPRESSION
        query = Query(f"{head}{text}{tail}", self.scope.sql_dialect)
        for problem in self.analyse(query, {"current": self.current}).problems:
            offset = None if problem.offset is None else problem.offset - len(head)
            place = None if offset is None else min(max(offset, 0), len(text))
            self.report.add(path, *_about_expression(problem, offset, text), offset=place)

    def target_columns(self) -> None:
        """The columns that the write names must be there, under their names of today or repaired ones."""
        target = self.draft.target
        if target is None or self.current is None or target.options.get("normalize_names"):
            return
        names = [column.name for column in self.current]
        known = {name.lower() for name in names}
        path = (*self.draft.path, "write")
        among = partition_key(self.report.value((*path, "options")) or {})
        for index, column in enumerate(target.partition_by):
            if column.lower() not in known:
                place = (*path, "options", among) if among else (*path, "partition_by", index)
                self.report.unknown(place, "column", column, names)
        for column in target.schema:
            if column.lower() not in known:
                self.report.unknown((*path, "schema", column), "column", column, names)


def _about_expression(problem: SqlProblem, offset: int | None, text: str) -> tuple[str, str]:
    """(message, hint) of a problem without what stands around the expression."""
    if offset is not None and offset >= len(text.rstrip()):
        return "the expression is not complete", ""
    if problem.message.startswith("there is no input"):
        return problem.message, "an expression sees the columns of its node only"
    return words.of_expression(problem.message, problem.hint)


def _typed(function: Any, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters, with values of variables read as the types that the function is annotated with."""
    if not any(isinstance(value, Filled) for value in params.values()):
        return dict(params)
    accepted = own_parameters(inspect.signature(function))
    readers: dict[Any, Any] = {int: to_int, float: to_float, bool: to_bool}
    typed = dict(params)
    for key, value in params.items():
        if isinstance(value, Filled) and key in accepted:
            read = readers.get(annotation_of(function, accepted[key]), str)
            try:
                typed[key] = read(value)
            except ValueError:
                continue  # told as a value of the wrong type
    return typed
