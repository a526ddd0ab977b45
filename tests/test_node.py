"""One node: what it records, and what a failure tells."""

from __future__ import annotations

from odibi.testing import TestRun, run_project

HEAD = """
connections: {lake: {type: local, base_path: lake}}
pipelines:
  - pipeline: p
    nodes:
"""
ORDERS = {"lake/orders.csv": [{"id": 1, "price": 2.5}, {"id": 2, "price": None}]}


def run(*nodes: str) -> TestRun:
    return run_project(HEAD + "".join(f"      - {{{node}}}\n" for node in nodes), ORDERS)


READ = "name: load, read: {connection: lake, path: orders.csv}"


def test_the_record_of_a_node_holds_what_it_did() -> None:
    steps = "[SELECT * FROM current WHERE id > 0, {operation: rename, params: {columns: {price: cost}}}]"
    rest = "validation: {not_empty: true}, write: {connection: lake, path: out}"
    node = run(f"{READ}, transform: {{steps: {steps}}}, {rest}").node("load")
    assert (node.status, node.rows, node.retries) == ("completed", 2, 0)
    assert node.schema == {"id": "bigint", "cost": "double"}
    assert node.read is not None
    assert (node.read.place, node.read.format) == ("lake:orders.csv", "csv")
    assert [step.kind for step in node.steps] == ["sql", "operation"]
    assert [check.status for check in node.checks] == ["passed"]
    assert node.write is not None
    assert (node.write.place, node.write.rows, node.write.version_after) == ("lake:out", 2, 0)
    assert node.duration > 0


def test_a_failed_check_without_a_write_fails_the_node() -> None:
    save = "name: next, depends_on: [load], write: {connection: lake, path: t}"
    result = run(f"{READ}, validation: {{no_nulls: [price]}}", save)
    assert result.node("load").status == "failed"
    assert result.node("next").status == "skipped"
    check = result.node("load").checks[0]
    assert (check.status, check.failing_rows, check.total_rows) == ("failed", 1, 2)


def test_a_check_that_warns_goes_on() -> None:
    result = run(f"{READ}, validation: {{no_nulls: [price], on_fail: warn}}, write: {{connection: lake, path: t}}")
    assert result.ok
    assert result.node("load").checks[0].status == "warned"
    assert any("no_nulls(price)" in text for text in result.node("load").warnings)


def test_an_error_names_step_place_and_input() -> None:
    steps = "[SELECT * FROM load, SELECT prize FROM current]"
    result = run(READ, f"name: bad, depends_on: [load], transform: {{steps: {steps}}}")
    error = result.node("bad").error
    assert error is not None
    assert error.step == "steps[1]"
    assert error.type == "TransformError"
    assert error.position.rpartition("odibi.yaml:")[2].startswith("7:")
    assert "there is no column 'prize'" in error.message
    assert "input: load (id bigint, price double)" in error.message


def test_a_node_that_nobody_uses_is_computed_all_the_same() -> None:
    result = run(f"{READ}, transform: {{steps: ['SELECT 1 / (id - id) AS x FROM current']}}")
    assert "division by zero" in result.errors["load"]


def test_rows_that_stream_into_a_file_are_counted_by_the_write() -> None:
    node = run(f"{READ}, write: {{connection: lake, path: out.csv}}").node("load")
    assert (node.rows, node.streamed) == (2, False)
