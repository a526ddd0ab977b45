"""From a file to a project: what is found, where it is told, and that each mistake is told once."""

# ruff: noqa: E501 - messages stand here as users see them

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from odibi.errors import ConfigError
from odibi.plan import FunctionStep, OperationStep, SqlStep
from odibi.project import Project, load_project

HEAD = """
connections:
  lake: {type: local, base_path: ./data}
  same: {type: local, base_path: data/sub/..}
"""


class Folder:
    """A folder with a project file; `nodes` are those of one pipeline."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, text: str) -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return file

    def load(self, text: str, **arguments: Any) -> Project:
        arguments.setdefault("environ", {})
        return load_project(self.write("project.yaml", text), **arguments)

    def nodes(self, nodes: str, head: str = HEAD, **arguments: Any) -> Project:
        body = textwrap.indent(textwrap.dedent(nodes).strip("\n"), "      ")
        return self.load(f"{head}\npipelines:\n  - pipeline: p\n    nodes:\n{body}\n", **arguments)

    def problems(self, text: str, **arguments: Any) -> list[str]:
        """`key: message; hint` of each mistake."""
        return self._texts(self.load, text, **arguments)

    def node_problems(self, nodes: str, head: str = HEAD, **arguments: Any) -> list[str]:
        """As `problems`; the keys are told from the pipeline on."""
        texts = self._texts(self.nodes, nodes, head=head, **arguments)
        return [text.removeprefix("pipelines.p.nodes.") for text in texts]

    def _texts(self, load: Any, text: str, **arguments: Any) -> list[str]:
        with pytest.raises(ConfigError) as raised:
            load(text, **arguments)
        for problem in raised.value.problems:
            assert problem.position.line > 0 or problem.position.file is None
        return [str(problem).removeprefix(f"{problem.position}: ") for problem in raised.value.problems]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


# -- what a right file becomes -----------------------------------------------------------------------------------------


def test_a_project_holds_objects_for_every_name(folder: Folder):
    folder.write(
        "my.py", "from odibi import transform\n@transform\ndef twice(context, current=None, by=2): return current\n"
    )
    project = folder.load(
        """
        project: Sales
        version: "1.10"
        transforms: [my.py]
        connections: {lake: {type: local, base_path: ./data}}
        pipelines:
          - pipeline: bronze
            layer: raw
            nodes:
              - name: load
                read: {connection: lake, path: sales.csv, options: {sep: ";"}, schema: {id: bigint, amount: "decimal(12,2)"}}
              - name: clean
                depends_on: [load]
                cache: true
                transform:
                  steps:
                    - SELECT id, amount FROM load
                    - sql: SELECT * FROM current
                    - {function: twice, params: {by: 3}}
                    - {operation: sample, params: {rows: 3}}
                validation: {not_empty: true}
              - name: save
                write: {connection: lake, path: sales, mode: append, options: {partition_by: id}}
        """
    )
    assert (project.name, project.version, project.engine_name, project.sql_dialect) == (
        "Sales",
        "1.10",
        "pandas",
        "duckdb",
    )
    (pipeline,) = project.pipelines
    load, clean, save = pipeline.nodes
    assert load.source is not None
    assert load.source.options == {"delimiter": ";"}
    assert str(load.source.schema["amount"]) == "decimal(12,2)"
    assert load.source.connection is project.connections["lake"]
    assert load.position.line == 10
    sql, mapping_sql, function, operation = clean.steps
    assert isinstance(sql, SqlStep)
    assert isinstance(mapping_sql, SqlStep)
    assert sql.key == "pipelines.bronze.nodes.clean.transform.steps[0]"
    assert sql.place(7).column == sql.place(None).column + 7
    assert isinstance(function, FunctionStep)
    assert function.params == {"by": 3}
    assert isinstance(operation, OperationStep)
    assert clean.cache
    assert save.inputs == ("clean",)
    assert save.target is not None
    assert (save.target.format, save.target.mode, save.target.partition_by) == ("delta", "append", ("id",))
    assert save.target.options == {}


def test_a_file_without_pipelines_is_valid(folder: Folder):
    project = folder.load(HEAD)
    assert project.pipelines == ()
    assert project.name == "project"
    assert project.connections["lake"].name == "lake"


def test_paths_of_connections_start_at_their_file(folder: Folder):
    folder.write("shared/connections.yaml", "connections: {far: {type: local, base_path: data}}")
    project = folder.load("include: [shared/connections.yaml]\nconnections: {near: {type: local, base_path: data}}")
    assert Path(project.connections["far"].get_path("")) == folder.path / "shared" / "data"
    assert Path(project.connections["near"].get_path("")) == folder.path / "data"


def test_values_of_variables_take_the_types_of_fields_and_parameters(folder: Folder):
    folder.write("my.py", "from odibi import transform\n@transform\ndef f(context, n: int, t: str): ...\n")
    project = folder.load(
        """
        transforms: [my.py]
        retry: {max_attempts: "${N}"}
        pipelines:
          - pipeline: p
            nodes:
              - name: a
                transform: {steps: [{function: f, params: {n: "${N}", t: "${N}"}}]}
        """,
        overrides={"N": "7"},
    )
    assert project.retry.max_attempts == 7
    (step,) = project.pipelines[0].nodes[0].steps
    assert isinstance(step, FunctionStep)
    assert step.params == {"n": 7, "t": "7"}


def test_the_dialect_is_that_of_the_files_engine_whoever_runs_it(folder: Folder):
    project = folder.load("engine: spark", engine="pandas")
    assert (project.engine_name, project.engine_dialect, project.sql_dialect) == ("pandas", "duckdb", "spark")
    assert folder.load("sql_dialect: spark").sql_dialect == "spark"


def test_engines_that_do_not_exist(folder: Folder):
    assert folder.problems("engine: pandsa") == [
        "engine: unknown engine 'pandsa'; did you mean 'pandas'? known: pandas, spark"
    ]
    assert folder.problems("project: x", engine="pandsa")[0].startswith("engine: unknown engine 'pandsa'")
    (problem,) = folder.problems("sql_dialect: sprak")
    assert problem.startswith("sql_dialect: unknown SQL dialect 'sprak'; did you mean 'spark'?")


def test_all_mistakes_at_once_in_the_order_of_the_file(folder: Folder):
    texts = folder.problems(
        """
        versoin: "1"
        engine: ${NOT_SET}
        connections:
          lake: {type: local, base_pth: x}
          ok: {type: local, base_path: x}
        pipelines:
          - pipeline: p
            nodes:
              - name: a
                read: {connection: ok, path: x, formatt: csv}
              - name: b
                read: {connection: okk, path: x}
              - name: c
                depends_on: [bb]
                transform: {steps: [{operation: pivott}]}
        """
    )
    assert [text.split(": ", 1)[0] for text in texts] == [
        "versoin",
        "engine",
        "connections.lake.base_pth",
        "pipelines.p.nodes.a.read.formatt",
        "pipelines.p.nodes.b.read.connection",
        "pipelines.p.nodes.c.depends_on[0]",
        "pipelines.p.nodes.c.transform.steps[0].operation",
    ]


# -- connections -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ("{type: s3}", "x.type: unknown connection type 's3'; known: azure_adls, local, local_dbfs, unity_catalog"),
        (
            "{type: locl}",
            "x.type: unknown connection type 'locl'; did you mean 'local'? known: azure_adls, local, local_dbfs, unity_catalog",
        ),
        (
            "{base_path: a}",
            "x: the key 'type' is missing; add `type: …`; known: azure_adls, local, local_dbfs, unity_catalog",
        ),
        ("{tpye: local}", "x.tpye: unknown key 'tpye'; did you mean 'type'?"),
        (
            "{type: local, base_pth: a}",
            "x.base_pth: unknown key 'base_pth'; did you mean 'base_path'? known: type, base_path",
        ),
        ("{type: local, base_path: 5}", "x.base_path: expected text, found a number; write it in quotes"),
        ("5", "x: expected a mapping, found a number"),
        (
            "{type: 5}",
            "x.type: expected the name of a connection type; known: azure_adls, local, local_dbfs, unity_catalog",
        ),
    ],
)
def test_wrong_connections(folder: Folder, settings: str, problem: str):
    head = f"connections: {{x: {settings}}}"
    assert folder.problems(head) == [f"connections.{problem}"]
    node = "- name: a\n  read: {connection: x, path: b}\n- name: b\n  depends_on: [a]\n  transform: {steps: [SELECT * FROM a]}"
    with_uses = folder.node_problems(node, head=head)
    assert with_uses == [f"connections.{problem}"], "what uses a wrong connection is no second mistake"


def test_settings_are_never_shown(folder: Folder):
    (problem,) = folder.problems("connections: {x: {type: local, base_path: [hunter2]}}")
    assert "hunter2" not in problem


# -- modules -----------------------------------------------------------------------------------------------------------


USES_F = "pipelines: [{pipeline: p, nodes: [{name: a, transform: {steps: [{function: f}]}}]}]"


@pytest.mark.parametrize(
    ("entry", "text", "parts"),
    [
        ("mz.py", "", ["there is no file 'mz.py'", "did you mean 'my.py'?"]),
        ("no_such_package.mod", "", ["there is no module 'no_such_package.mod'"]),
        ("my.py", "def f(:\n", ["'my.py' is not Python", "my.py:1"]),
        ("my.py", "x = 1\nraise ValueError('boom')\n", ["raised ValueError: boom", "my.py:2"]),
        ("my.py", "import sys\nsys.exit(3)\n", ["raised SystemExit: 3", "my.py:2"]),
        ("my.py", "import no_such_thing\n", ["raised ModuleNotFoundError", "no_such_thing", "my.py:1"]),
        ("my", "raise KeyError('k')\n", ["importing 'my' raised KeyError", "my.py:1"]),
    ],
)
def test_modules_that_can_not_be_imported(folder: Folder, entry: str, text: str, parts: list[str]):
    sys.modules.pop("my", None)
    folder.write("my.py", text)
    (problem,) = folder.problems(f"transforms: [{entry}]\n{USES_F}")
    assert problem.startswith("transforms[0]: ")
    for part in parts:
        assert part in problem


def test_modules_beside_the_file_can_be_imported_and_leave_no_trace(folder: Folder):
    folder.write("odibi_test_pkg/__init__.py", "")
    folder.write("odibi_test_pkg/mod.py", "from odibi import transform\n@transform\ndef f(context): ...\n")
    before = list(sys.path)
    folder.load(f"transforms: [odibi_test_pkg.mod]\n{USES_F}")
    assert sys.path == before


def test_each_project_has_its_own_functions(tmp_path: Path):
    steps = []
    for number in (1, 2):
        folder = Folder(tmp_path / str(number))
        folder.write("odibi_test_own.py", f"from odibi import transform\n@transform\ndef f(context): return {number}\n")
        for entry in ("odibi_test_own.py", "odibi_test_own"):
            project = folder.load(f"transforms: [{entry}]\n{USES_F}")
            (step,) = project.pipelines[0].nodes[0].steps
            assert isinstance(step, FunctionStep)
            steps.append(step.function(None))
    assert steps == [1, 1, 2, 2]


def test_unknown_function_and_wrong_parameters(folder: Folder):
    folder.write(
        "my.py", "from odibi import transform\n@transform\ndef add_region(context, current=None, *, default): ...\n"
    )
    head = "transforms: [my.py]"
    (problem,) = folder.node_problems("- name: a\n  transform: {steps: [{function: add_regon}]}", head=head)
    assert "steps[0].function: unknown transform function 'add_regon'; did you mean 'add_region'?" in problem
    (problem,) = folder.node_problems("- name: a\n  transform: {steps: [{function: add_region}]}", head=head)
    assert problem.startswith("a.transform.steps[0]: function 'add_region' needs 'default'")
    step = "{function: add_region, params: {default: 1, defaul: 2}}"
    (problem,) = folder.node_problems(f"- name: a\n  transform: {{steps: [{step}]}}", head=head)
    assert problem.startswith("a.transform.steps[0].params.defaul: function 'add_region' has no parameter 'defaul'")


# -- names and dependencies --------------------------------------------------------------------------------------------


ONE = "SELECT 1 AS id"


@pytest.mark.parametrize(
    ("nodes", "problem"),
    [
        (
            "- name: a\n  description: nothing",
            "a: the node does nothing; add at least one of read, transform and write",
        ),
        (
            "- name: a\n  validation: {not_empty: true}",
            "a: the node does nothing; add at least one of read, transform and write",
        ),
        (
            f"- name: a\n  transform: {{steps: [{ONE}]}}\n- name: a\n  transform: {{steps: [{ONE}]}}",
            "a.name: the node name 'a' is used twice; the first is in line 9; rename one",
        ),
        (
            f"- name: a\n  transform: {{steps: [{ONE}]}}\n- name: A\n  transform: {{steps: [{ONE}]}}",
            "A.name: the node name 'A' is 'a' but for case, which SQL ignores; the first is in line 9; rename one",
        ),
        (
            f"- name: Current\n  transform: {{steps: [{ONE}]}}",
            "Current.name: a node can not be named 'Current'; in SQL `current` is the result of the step before",
        ),
        (
            f"- name: ''\n  transform: {{steps: [{ONE}]}}",
            "pipelines.p.nodes[0].name: the name is empty; give the node a name",
        ),
        (
            f"- name: load\n  transform: {{steps: [{ONE}]}}\n- name: b\n  depends_on: [laod]\n  transform: {{steps: [SELECT * FROM laod]}}",
            "b.depends_on[0]: unknown node 'laod'; did you mean 'load'? known: load",
        ),
        (
            f"- name: load\n  transform: {{steps: [{ONE}]}}\n- name: b\n  depends_on: [load, load]\n  write: {{connection: lake, path: o}}",
            "b.depends_on[1]: node 'load' is listed twice; take one of them out",
        ),
        (
            "- name: a\n  depends_on: [a]\n  transform: {steps: [SELECT 1 FROM a]}",
            "a.depends_on[0]: node 'a' depends on itself; take it out of depends_on",
        ),
        (
            "\n".join(
                f"- name: {name}\n  depends_on: [{need}]\n  transform: {{steps: [SELECT 1 FROM {need}]}}"
                for name, need in (("a", "b"), ("b", "c"), ("c", "a"))
            ),
            "a.depends_on[0]: a cycle of dependencies: a -> b -> c -> a; take one of them out",
        ),
        (
            "- name: a\n  write: {connection: lake, path: x}",
            "a: there is nothing to write; add read or transform, or depends_on: [the node to write]",
        ),
        (
            f"- name: a\n  transform: {{steps: [{ONE}]}}\n- name: b\n  transform: {{steps: [{ONE}]}}\n- name: c\n  depends_on: [a, b]\n  write: {{connection: lake, path: x}}",
            "c.depends_on: several inputs ('a', 'b') and only `write`; leave the one to write in depends_on, or add a transform",
        ),
    ],
)  # fmt: skip
def test_wrong_graphs(folder: Folder, nodes: str, problem: str):
    assert folder.node_problems(nodes) == [problem]


def test_nodes_of_other_pipelines_can_not_be_depended_on(folder: Folder):
    (problem,) = folder.problems(
        """
        pipelines:
          - {pipeline: p, nodes: [{name: a, transform: {steps: [SELECT 1 AS x]}}]}
          - {pipeline: q, nodes: [{name: b, depends_on: [a], transform: {steps: [SELECT * FROM a]}}]}
        """
    )
    assert "pipelines.q.nodes.b.depends_on[0]: node 'a' is in pipeline 'p'" in problem
    assert "shared through tables, not across pipelines" in problem


def test_pipelines_have_different_names(folder: Folder):
    (problem,) = folder.problems("pipelines: [{pipeline: p, nodes: []}, {pipeline: p, nodes: []}]")
    assert "the pipeline name 'p' is used twice" in problem


def test_two_cycles_are_two_mistakes(folder: Folder):
    nodes = "\n".join(
        f"- {{name: {name}, depends_on: [{need}], transform: {{steps: [SELECT 1 FROM {need}]}}}}"
        for name, need in (("a", "b"), ("b", "a"), ("c", "d"), ("d", "c"))
    )
    assert [text.split(":")[0] for text in folder.node_problems(nodes)] == ["a.depends_on[0]", "c.depends_on[0]"]


# -- reads and writes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("read", "problem"),
    [
        ("{connection: lak, path: a}", "connection: unknown connection 'lak'; did you mean 'lake'? known: lake, same"),
        ("{connection: lake}", ": the key 'path' is missing; add `path: …`, relative to the connection"),
        ("{connection: lake, table: t}", "table: connection 'lake' (local) has no catalog, so `table` names nothing in it; use `path`"),
        ("{connection: lake, path: a, table: t}", "table: both `path` and `table` are given; keep one of them"),
        ("{connection: lake, path: ../a}", "path: path '../a' of connection 'lake' leaves the connection; paths can not contain '..'"),
        ("{connection: lake, path: a, format: cvs}", "format: unknown format 'cvs'; did you mean 'csv'? known: avro, csv, delta, excel, json, parquet"),
        ("{connection: lake, path: a, schema: {x: int, X: int}}", "schema.X: column 'X' differs from 'x' in case only; tables ignore case"),
        ("{connection: lake, path: a, options: {versionAsOf: 1, timestampAsOf: '2024-01-01'}}",
         "options.timestampAsOf: 'versionAsOf' and 'timestampAsOf' exclude each other; keep one of them"),
    ],
)  # fmt: skip
def test_wrong_reads(folder: Folder, read: str, problem: str):
    nodes = f"- name: a\n  read: {read}\n- name: b\n  depends_on: [a]\n  transform: {{steps: [SELECT q FROM a]}}"
    assert folder.node_problems(nodes) == [f"a.read{problem}" if problem.startswith(":") else f"a.read.{problem}"]


def test_wrong_types_and_options_at_their_place(folder: Folder):
    nodes = """
    - name: a
      read: {connection: lake, path: a.csv, options: {delimeter: ","}, schema: {x: bigin}}
    """
    option, type_ = folder.node_problems(nodes)
    assert option.startswith(
        "a.read.options.delimeter: unknown option 'delimeter' for reading csv; did you mean 'delimiter'?"
    )
    assert type_.startswith("a.read.schema.x: 'bigin' is not a type")


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_that_leave_the_connection(folder: Folder):
    (folder.path / "data").mkdir()
    (folder.path / "data" / "out").symlink_to(folder.path.parent)
    (problem,) = folder.node_problems("- name: a\n  read: {connection: lake, path: out/a.csv}")
    assert "leaves it through a symbolic link" in problem


WRITE = f"- name: a\n  transform: {{steps: [{ONE}]}}\n  write: "


@pytest.mark.parametrize(
    ("write", "problem"),
    [
        ("{connection: lake, path: x, mode: apend}", "mode: unknown mode 'apend'; did you mean 'append'? known: overwrite, append, error, ignore"),
        ("{connection: lake, path: x/*.csv}", "path: a pattern can be read, not written; name one file, folder or table"),
        ("{connection: lake, path: x, partition_by: [idd]}", "partition_by[0]: unknown column 'idd'; did you mean 'id'? known: id"),
        ("{connection: lake, path: x, options: {partition_by: [idd]}}", "options.partition_by: unknown column 'idd'; did you mean 'id'? known: id"),
        ("{connection: lake, path: x, schema: {idd: bigint, ID: int}}", "schema.idd: unknown column 'idd'; did you mean 'id'? known: id"),
        ("{connection: lake, path: x, partition_by: [id, ID]}", "partition_by: a column is named twice; name each column once"),
        ("{connection: lake, path: x, partition_by: [id], options: {partitionBy: id}}",
         "options.partitionBy: `partition_by` is given twice; keep the one beside `options`"),
    ],
)  # fmt: skip
def test_wrong_writes(folder: Folder, write: str, problem: str):
    assert folder.node_problems(WRITE + write) == [f"a.write.{problem}"]


def test_a_target_inside_of_another_is_refused(folder: Folder):
    nodes = f"""
    - {{name: a, transform: {{steps: [{ONE}]}}, write: {{connection: lake, path: sales}}}}
    - {{name: b, depends_on: [a], write: {{connection: same, path: sales/by/day}}}}
    - {{name: c, depends_on: [a], write: {{connection: lake, path: sales_too}}}}
    """
    (problem,) = folder.node_problems(nodes)
    assert problem.startswith("b.write.path: this lies inside of what node 'a' (line 9) writes")


def test_a_write_that_repairs_names_may_name_the_repaired_ones(folder: Folder):
    write = "{connection: lake, path: x, partition_by: [id_x], schema: {id x: int}, options: {normalize_names: true}}"
    made = folder.nodes(f"- name: a\n  transform: {{steps: ['SELECT 1 AS \"id x\", 2 AS v']}}\n  write: {write}")
    assert made.pipelines[0].nodes[0].target.partition_by == ("id_x",)


@pytest.mark.parametrize("where", ["partition_by: [id]", "options: {partition_by: [id]}"])
def test_formats_that_can_not_be_partitioned(folder: Folder, where: str):
    (problem,) = folder.node_problems(f"{WRITE}{{connection: lake, path: x.xlsx, {where}}}")
    assert "partition_by: the format 'excel' can not be partitioned; formats that can: " in problem


def test_two_nodes_that_write_one_target(folder: Folder):
    nodes = f"{WRITE}{{connection: lake, path: x}}\n- name: b\n  transform: {{steps: [{ONE}]}}\n  write: {{connection: same, path: ./y/../x}}"
    assert "leaves" in folder.node_problems(nodes)[0]
    nodes = nodes.replace("./y/../x", ".//x/")
    (problem,) = folder.node_problems(nodes)
    assert problem.startswith("b.write.path: node 'a' (line 11) writes this target too")


def test_two_pipelines_that_write_one_target(folder: Folder):
    node = "transform: {steps: [SELECT 1 AS x]}, write: {connection: lake, path: t}"
    (problem,) = folder.problems(
        f"{HEAD}\npipelines:\n  - {{pipeline: p, nodes: [{{name: a, {node}}}]}}\n  - {{pipeline: q, nodes: [{{name: b, {node}}}]}}"
    )
    assert "pipelines.q.nodes.b.write.path: node 'a' of pipeline 'p'" in problem


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("t", "{connection: same, path: t}"),
        ("d/a.csv", "{connection: lake, path: d, format: csv}"),
        ("d/a.csv", "{connection: lake, path: 'd/*.csv'}"),
        ("d/a.csv", "{connection: lake, path: '**/*.csv'}"),
        ("d", "{connection: lake, path: d/part.parquet}"),
    ],
)
def test_who_reads_what_another_writes_depends_on_it(folder: Folder, written: str, read: str):
    writer = f"{WRITE}{{connection: lake, path: {written}}}\n"
    middle = f"- name: m\n  depends_on: [a]\n  transform: {{steps: [{ONE}]}}\n"
    (problem,) = folder.node_problems(f"{writer}- name: b\n  read: {read}")
    assert problem == ("b.read: node 'a' writes what this reads, and this does not depend on it; add 'a' to depends_on")
    folder.nodes(f"{writer}- name: b\n  depends_on: [a]\n  read: {read}")
    folder.nodes(f"{writer}{middle}- name: b\n  depends_on: [m]\n  read: {read}")


@pytest.mark.parametrize(
    ("written", "read"), [("d/a.csv", "d/*.parquet"), ("d/a.csv", "e"), ("d/a.csv", "d"), ("ab", "a")]
)
def test_reads_that_do_not_meet_a_write(folder: Folder, written: str, read: str):
    folder.nodes(
        f"{WRITE}{{connection: lake, path: {written}}}\n- name: b\n  read: {{connection: lake, path: '{read}'}}"
    )


def test_a_node_may_read_what_it_writes(folder: Folder):
    folder.nodes("- name: a\n  read: {connection: lake, path: t}\n  write: {connection: lake, path: t, mode: append}")


def test_a_read_before_a_write_of_another_node(folder: Folder):
    nodes = """
    - name: a
      read: {connection: lake, path: t}
    - name: b
      depends_on: [a]
      write: {connection: lake, path: t}
    """
    (problem,) = folder.node_problems(nodes)
    assert "move this read into node 'b'" in problem


def test_pipelines_know_whose_targets_they_read(folder: Folder):
    template = """
    connections: {{lake: {{type: local, base_path: data}}}}
    pipelines:
      - {{pipeline: {0}, nodes: [{{name: a, transform: {{steps: [SELECT 1 AS x]}}, write: {{connection: lake, path: {1}}}}}]}}
      - {{pipeline: {2}, nodes: [{{name: a, read: {{connection: lake, path: t}}, write: {{connection: lake, path: u}}}}]}}
      - {{pipeline: last, nodes: [{{name: w, transform: {{steps: [SELECT 1 AS x]}}, write: {{connection: lake, path: {3}}}}}]}}
    """
    project = folder.load(template.format("first", "t", "second", "v"))
    assert [pipeline.after for pipeline in project.pipelines] == [(), ("first",), ()]
    assert project.warnings == ()
    project = folder.load(template.format("first", "v", "second", "t"))
    assert [pipeline.after for pipeline in project.pipelines] == [(), (), ()]
    (warning,) = project.warnings
    assert "pipelines.second.nodes.a.read: reads what pipeline 'last' writes later" in warning


def test_production_warns_of_plain_files(folder: Folder):
    nodes = (
        WRITE + "{connection: lake, path: a.csv}\n- name: b\n  depends_on: [a]\n  write: {connection: lake, path: b}"
    )
    assert folder.nodes(nodes).warnings == ()
    assert folder.nodes(nodes, environ={"ODIBI_ENV": "staging"}).warnings == ()
    (warning,) = folder.nodes(nodes, environ={"ODIBI_ENV": "production"}).warnings
    assert "pipelines.p.nodes.a.write" in warning
    assert "Delta" in warning


def test_stories(folder: Folder):
    (problem,) = folder.problems(f"{HEAD}\nstory: {{connection: lak}}")
    assert problem.startswith("story.connection: unknown connection 'lak'; did you mean 'lake'?")
    (problem,) = folder.problems(f"{HEAD}\nstory: {{connection: lake, path: ../out}}")
    assert problem.startswith("story.path: ")


# -- SQL, operations, validation: columns are followed -----------------------------------------------------------------


def test_sql_positions_inside_the_file(folder: Folder):
    text = """
    pipelines:
      - pipeline: p
        nodes:
          - name: a
            transform:
              steps:
                - |
                  SELECT 1 AS id,
                    nope
                - SELECT id, idd FROM current
    """
    with pytest.raises(ConfigError) as raised:
        folder.load(textwrap.dedent(text))
    lines = [(each.position.line, each.position.column) for each in raised.value.problems]
    assert lines[0] == (10, 17)


def test_unknown_columns_through_reads_steps_and_nodes(folder: Folder):
    nodes = """
    - name: load
      read: {connection: lake, path: a.csv, schema: {id: bigint, amount: double}}
    - name: clean
      depends_on: [load]
      transform:
        steps:
          - SELECT id, amount * 2 AS twice FROM load
          - operation: rename
            params: {columns: {id: key}}
    - name: last
      depends_on: [clean]
      transform: {steps: ["SELECT key, id FROM clean"]}
    """
    (problem,) = folder.node_problems(nodes)
    assert problem.startswith("last.transform.steps[0]: ")
    assert "'id'" in problem
    assert "key, twice" in problem


def test_one_wrong_sql_is_one_mistake(folder: Folder):
    nodes = """
    - name: a
      transform: {steps: [SELECT FROM WHERE, SELECT * FROM current]}
      validation: {no_nulls: [nope], expressions: ["nope > 1"]}
    - name: b
      depends_on: [a]
      transform: {steps: [SELECT whatever FROM a]}
    """
    (problem,) = folder.node_problems(nodes)
    assert problem.startswith("a.transform.steps[0]: ")


def test_tables_that_are_not_in_depends_on(folder: Folder):
    nodes = f"""
    - name: a
      transform: {{steps: [{ONE}]}}
    - name: b
      transform: {{steps: [SELECT * FROM a]}}
    """
    (problem,) = folder.node_problems(nodes)
    assert problem.startswith("b.transform.steps[0]: ")
    assert "depends_on" in problem


@pytest.mark.parametrize(
    "wrong",
    ["depend_on: [a]", "depends_on: a", "depends_on: [${NOT_SET}]", "depends_on: [aa]", "depends_on: [5]"],
)
def test_wrong_dependencies_are_no_second_mistake_in_sql(folder: Folder, wrong: str):
    quoted = wrong.replace("${NOT_SET}", '"${NOT_SET}"')
    nodes = f"""
    - name: a
      transform: {{steps: [{ONE}]}}
    - name: b
      {quoted}
      transform: {{steps: [SELECT * FROM a, {{operation: sample, params: {{rows: 1}}}}]}}
      validation: {{expressions: ["x > 1"]}}
    - name: c
      {quoted}
      write: {{connection: lake, path: x}}
    """
    problems = folder.node_problems(nodes)
    assert [text.split(".")[0] for text in problems] == ["b", "c"]
    assert all("depend" in text for text in problems)


def test_current_needs_one_input(folder: Folder):
    nodes = f"""
    - name: a
      transform: {{steps: [{ONE}]}}
    - name: b
      transform: {{steps: [{ONE}]}}
    - name: c
      depends_on: [a, b]
      transform: {{steps: [SELECT * FROM current]}}
    - name: d
      depends_on: [a, b]
      transform: {{steps: [{{operation: sample, params: {{rows: 1}}}}]}}
    - name: fine
      depends_on: [a, b]
      transform: {{steps: [SELECT * FROM a, SELECT * FROM current]}}
    - name: own_read
      depends_on: [a]
      read: {{connection: lake, path: x.csv, schema: {{q: int}}}}
      transform: {{steps: [SELECT q FROM current]}}
    """
    sql, operation = folder.node_problems(nodes)
    assert sql.startswith("c.transform.steps[0]: `current` does not exist here")
    assert operation.startswith(
        "d.transform.steps[0]: operation 'sample' works on `current`, which does not exist here"
    )


def test_operations_are_checked_by_their_models_and_columns(folder: Folder):
    nodes = f"""
    - name: a
      transform:
        steps:
          - {ONE}
          - {{operation: rename, params: {{colums: {{id: x}}}}}}
    - name: b
      transform:
        steps:
          - {ONE}
          - {{operation: rename, params: {{columns: {{idd: x}}}}}}
    - name: c
      transform: {{steps: [{ONE}, {{operation: pivot}}]}}
    """
    unknown_key, unknown_column, *missing = folder.node_problems(nodes)
    assert unknown_key.startswith("a.transform.steps[1].params.colums: unknown key 'colums'; did you mean 'columns'?")
    assert unknown_column.startswith("b.transform.steps[1].params.columns")
    assert "'idd'" in unknown_column
    assert all(text.startswith("c.transform.steps[1]: the key ") for text in missing)


@pytest.mark.parametrize(
    ("validation", "problem"),
    [
        ("{no_nulls: [idd]}", "no_nulls[0]: unknown column 'idd'; did you mean 'id'? known: id"),
        ("{unique: [[id], [ID]]}", "unique[1]: this key is there twice; take one of them out"),
        ("{unique: [id, id]}", "unique: a column is named twice in one key; name each column once"),
        ("{ranges: {id: {mn: 5}}}", "ranges.id.mn: unknown key 'mn'; did you mean 'min'? known: min, max"),
        ("{ranges: {id: {min: 5, max: 1}}}", "ranges.id: min 5 is above max 1; no row could pass; exchange them"),
        ("{schema: {types: {id: inte}}}", "schema.types.id: 'inte' is not a type"),
        ('{expressions: ["idd > 1"]}', "expressions[0]: there is no column 'idd'"),
        ('{expressions: ["id >"]}', "expressions[0]: the expression is not complete"),
        ('{expressions: ["sum(id) > 1"]}', "expressions[0]: an expression cannot contain aggregates; it is checked row by row"),
        ('{expressions: [""]}', "expressions[0]: the expression is empty"),
        ("{not_emty: true}", "not_emty: unknown key 'not_emty'; did you mean 'not_empty'?"),
    ],
)  # fmt: skip
def test_wrong_validation(folder: Folder, validation: str, problem: str):
    (told,) = folder.node_problems(f"- name: a\n  transform: {{steps: [{ONE}]}}\n  validation: {validation}")
    assert told.startswith(f"a.validation.{problem}")


# -- cost --------------------------------------------------------------------------------------------------------------


def test_sql_needs_no_library_but_duckdb(tmp_path: Path):
    file = Folder(tmp_path).write(
        "p.yaml", f"pipelines: [{{pipeline: p, nodes: [{{name: a, transform: {{steps: [{ONE}]}}}}]}}]"
    )
    code = f"""
import sys
from odibi.project import load_project
heavy = {{"pandas", "numpy", "pyarrow", "sqlglot", "narwhals", "rich", "deltalake"}}
assert not (heavy | {{"duckdb"}}) & set(sys.modules), (heavy | {{"duckdb"}}) & set(sys.modules)
load_project({str(file)!r})
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("block", ["read", "transform", "validation", "write"])
def test_a_block_with_nothing_behind_it_is_told(tmp_path, block):
    file = tmp_path / "p.yaml"
    text = "pipelines:\n  - pipeline: p\n    nodes:\n      - name: a\n"
    more = "        transform: {steps: [SELECT 1 AS a]}\n" if block != "transform" else ""
    file.write_text(f"{text}{more}        {block}:\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"p.nodes.a.{block}: nothing stands behind it"):
        load_project(file)


def test_pipelines_that_differ_only_in_case_would_share_their_stories_folder(tmp_path):
    file = tmp_path / "p.yaml"
    nodes = "nodes: [{name: a, transform: {steps: [SELECT 1 AS a]}}]"
    file.write_text(f"pipelines:\n  - {{pipeline: p, {nodes}}}\n  - {{pipeline: P, {nodes}}}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="'p' and 'P' differ only in case"):
        load_project(file)
