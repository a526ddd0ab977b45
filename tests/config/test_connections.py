"""Connections of a file: each mistake once, at its key; what the project says for all; what is odd and no mistake."""

# ruff: noqa: E501 - messages stand here as users see them

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from odibi.config.project import ProjectConfig
from odibi.connections import AzureADLS
from odibi.errors import ConfigError
from odibi.project import Project, load_project


class File:
    """A project file; positions in it are told without the path."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "p.yaml"

    def load(self, text: str, **environ: str) -> Project:
        self.path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return load_project(self.path, environ=environ)

    def lake(self, text: str, name: str = "lake", **environ: str) -> AzureADLS:
        found = self.load(text, **environ).connections[name]
        assert isinstance(found, AzureADLS)
        return found

    def problems(self, text: str, **environ: str) -> list[str]:
        """`line:column: key: message; hint`."""
        with pytest.raises(ConfigError) as raised:
            self.load(text, **environ)
        return [str(problem).removeprefix(f"{self.path}:") for problem in raised.value.problems]


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path)


# -- where a mistake is told ---------------------------------------------------------------------------------------------


def test_each_mistake_once_and_at_its_key(file: File) -> None:
    assert file.problems(
        """
        connections:
          bronze:
            type: azure_adls
            account: account1.dfs.core.windows.net
            container: Bronze
            path_prefix: ../raw
            auth_mode: direct_key
            secret_name: bronze-key
            account_key: 12345
            endpoint_suffix: dfs.core.windows.net
          silver: {type: azure_adls, account: account1, auth_mode: keyvault}
          gold: {type: azure_adls, account: account1, secret_name: gold_key}
        """
    ) == [
        "4:14: connections.bronze.account: 'account1.dfs.core.windows.net' is no name of a storage account; give its name alone: 'account1'",
        "5:16: connections.bronze.container: 'Bronze' is no name of a container; one has 3 to 63 lower-case letters, digits and single hyphens",
        "6:18: connections.bronze.path_prefix: '../raw' leaves the connection; it is a folder inside of the container, without '..' and a leading '/'",
        "8:18: connections.bronze.secret_name: 'secret_name' belongs to auth_mode key_vault, and this is direct_key; take it out",
        "9:18: connections.bronze.account_key: expected text, found a number; write it in quotes",
        "10:22: connections.bronze.endpoint_suffix: 'dfs.core.windows.net' is no DNS suffix of a cloud; write 'core.windows.net'",
        "11:60: connections.silver.auth_mode: unknown auth_mode 'keyvault'; did you mean 'key_vault'? known: key_vault, direct_key, managed_identity, service_principal, sas, default, unity_catalog",
        "12:9: connections.gold: key_vault mode requires 'key_vault_name'; add `key_vault_name: …`, the name of the vault, here or for the whole project",
        "12:60: connections.gold.secret_name: 'gold_key' is no name of a secret; one has letters, digits and hyphens",
    ]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("auth_mode: direct_key, acount_key: k", "unknown key 'acount_key'; did you mean 'account_key'?"),
        ("auth_mode: direct_key, key: k", "unknown key 'key'; did you mean 'account_key'?"),
        ("auth_mod: direct_key, account_key: k", "unknown key 'auth_mod'; did you mean 'auth_mode'?"),
        ("vault: company-kv, secret_name: s", "unknown key 'vault'; did you mean 'key_vault_name'?"),
        ("account_key: k", "'account_key' belongs to auth_mode direct_key, and the default is key_vault; add `auth_mode: direct_key`"),
        ("sas_token: sig=k", "'sas_token' belongs to auth_mode sas, and the default is key_vault; add `auth_mode: sas`"),
        ("auth_mode: direct_key, account_key: null", "direct_key mode requires 'account_key'; it is empty: add"),
        ('auth_mode: direct_key, account_key: "${KEY:-}"', "direct_key mode requires 'account_key'; it is empty: add"),
        ('auth_mode: direct_key, account_key: "${KEY}"', "variable 'KEY' is not set"),
        ("auth_mode: null", "expected one of key_vault, direct_key"),
    ],
)  # fmt: skip
def test_one_mistake_gives_one_message(file: File, settings: str, told: str) -> None:
    problems = file.problems(f"connections: {{lake: {{type: azure_adls, account: account1, {settings}}}}}")
    assert len(problems) == 1
    assert told in problems[0]


def test_a_name_that_can_not_be_a_container_needs_one(file: File) -> None:
    (problem,) = file.problems("connections: {Raw_Data: {type: azure_adls, account: account1, auth_mode: default}}")
    assert (
        "the container is that of the connection's name, and 'Raw_Data' is no name of a container; add `container: …`"
        in problem
    )
    lake = file.lake("connections: {raw-data: {type: azure_adls, account: account1, auth_mode: default}}", "raw-data")
    assert lake.container == "raw-data"


def test_no_message_shows_a_value_of_a_secret(file: File) -> None:
    text = """
        connections:
          a: {type: azure_adls, account: account1, container: abc, auth_mode: sas, account_key: tell-nobody, sas_token: tell-nobody}
          b: {type: azure_adls, account: account1, container: abc, auth_mode: direct_key, account_key: [tell-nobody]}
          c: {type: azure_adls, account: account1, container: abc, client_secret: tell-nobody, kee: tell-nobody}
        """
    problems = file.problems(text)
    assert len(problems) == 5
    assert "tell-nobody" not in "".join(problems)


def test_validation_can_be_left_out(file: File) -> None:
    for value in ("false", '"${NO}"'):
        lake = file.lake(f"connections: {{lake: {{type: azure_adls, account: A, validate: {value}}}}}", NO="false")
        assert lake.account == "A"


# -- what the project says for all ---------------------------------------------------------------------------------------


def vault_of(file: File, head: str, **others: str) -> str | None:
    more = "".join(f"\n  {name}: {{type: azure_adls, account: account1, {text}}}" for name, text in others.items())
    lake = file.lake(f"{head}\nconnections:\n  lake: {{type: azure_adls, account: account1, secret_name: s}}{more}")
    return lake.key_vault_name


def test_the_vault_of_a_connection_that_names_none(file: File) -> None:
    other = "secret_name: t, key_vault_name: other-kv"
    assert vault_of(file, "key_vault_name: company-kv") == "company-kv"
    assert vault_of(file, "key_vault_name: company-kv", second=other) == "company-kv"
    assert vault_of(file, "", second=other) == "other-kv"
    assert vault_of(file, 'key_vault_name: "${KV:-}"', second=other, third=other.upper().replace("KEY_VAULT_NAME", "key_vault_name").replace("SECRET_NAME", "secret_name")) == "other-kv"  # fmt: skip


def test_a_vault_of_its_own_wins(file: File) -> None:
    text = "connections: {lake: {type: azure_adls, account: account1, secret_name: s, key_vault_name: own-kv}}"
    assert file.lake(f"key_vault_name: company-kv\n{text}").key_vault_name == "own-kv"


def test_the_single_vault_may_be_named_in_an_included_file(file: File) -> None:
    named = "connections: {silver: {type: azure_adls, account: account2, secret_name: s, key_vault_name: company-kv}}"
    (file.path.parent / "more.yaml").write_text(named, encoding="utf-8")
    text = "include: [more.yaml]\nconnections: {lake: {type: azure_adls, account: account1, secret_name: s}}"
    assert file.lake(text).key_vault_name == "company-kv"


def test_several_vaults_are_listed(file: File) -> None:
    (problem,) = file.problems(
        """
        connections:
          lake: {type: azure_adls, account: account1, secret_name: s}
          silver: {type: azure_adls, account: account1, secret_name: s, key_vault_name: one-kv}
          gold: {type: azure_adls, account: account1, secret_name: s, key_vault_name: two-kv}
        """
    )
    assert problem.startswith("2:9: connections.lake: key_vault mode requires 'key_vault_name'; add ")
    assert problem.endswith("; several are named in the file: one-kv, two-kv")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("key_vault_name: 12", "1:17: key_vault_name: expected text, found a number; write it in quotes"),
        ("key_vault: company-kv", "1:1: key_vault: unknown key 'key_vault'; did you mean 'key_vault_name'? known: "),
        ('key_vault_name: "${KV}"', "1:18: key_vault_name: variable 'KV' is not set; "),
    ],
)
def test_a_vault_of_the_project_that_can_not_be_read_is_not_missing_as_well(file: File, line: str, told: str) -> None:
    lakes = "{a: {type: azure_adls, account: account1, container: raw, secret_name: s}, "
    lakes += "b: {type: azure_adls, account: account2, container: raw, secret_name: s}}"
    (problem,) = file.problems(f"{line}\nconnections: {lakes}")
    assert problem.startswith(told)


def test_a_wrong_vault_of_the_project_is_told_once_and_there(file: File) -> None:
    assert file.problems(
        """
        key_vault_name: https://company-kv.vault.azure.net
        connections:
          lake: {type: azure_adls, account: account1, secret_name: s}
          silver: {type: azure_adls, account: account1, secret_name: t}
        """
    ) == [
        "1:17: key_vault_name: 'https://company-kv.vault.azure.net' is no name of a key vault; give its name alone: 'company-kv'"
    ]


def test_defaults_go_only_where_they_belong(file: File) -> None:
    project = file.load(
        """
        key_vault_name: company-kv
        service_credential: kv-reader
        connections:
          vaulted: {type: azure_adls, account: account1, secret_name: s}
          own: {type: azure_adls, account: account1, secret_name: s, service_credential: mine}
          direct: {type: azure_adls, account: account1, auth_mode: direct_key, account_key: k}
          chain: {type: azure_adls, account: account1, auth_mode: default}
          here: {type: local, base_path: data}
        """
    )
    found: dict[str, Any] = {
        name: (each.key_vault_name, each.service_credential)
        for name, each in project.connections.items()
        if isinstance(each, AzureADLS)
    }
    assert found == {
        "vaulted": ("company-kv", "kv-reader"),
        "own": ("company-kv", "mine"),
        "direct": (None, None),
        "chain": (None, "kv-reader"),
    }


# -- what is odd ---------------------------------------------------------------------------------------------------------


def test_keys_in_production_are_warned_of_once(file: File, recwarn: pytest.WarningsRecorder) -> None:
    text = """
        connections:
          lake: {type: azure_adls, account: account1, auth_mode: direct_key, account_key: k}
          safe: {type: azure_adls, account: account1, auth_mode: managed_identity}
        """
    (warning,) = file.load(text, ODIBI_ENV="production").warnings
    assert (
        warning
        == f"{file.path}:2:9: connections.lake: direct_key in production: the account key is in the file or its variables; use key_vault, managed_identity or unity_catalog"
    )
    assert file.load(text).warnings == ()
    assert not recwarn.list


def test_what_only_spark_reaches_is_refused_for_other_engines(file: File) -> None:
    text = """
        connections:
          landing: {type: azure_adls, account: account1, auth_mode: unity_catalog}
          unused: {type: azure_adls, account: account1, auth_mode: unity_catalog}
        story: {connection: landing}
        pipelines:
          - pipeline: p
            nodes:
              - {name: a, read: {connection: landing, path: a.csv}, write: {connection: landing, path: b}}
        """
    why = "connection 'landing' has auth_mode unity_catalog, which works with Spark on Databricks only; elsewhere use key_vault, managed_identity, service_principal or sas"
    assert file.problems(text) == [
        f"4:21: story.connection: no story can be written there: {why}",
        f"8:38: pipelines.p.nodes.a.read.connection: {why}",
        f"8:81: pipelines.p.nodes.a.write.connection: {why}",
    ]


def test_two_ways_into_one_account_are_refused_for_spark_where_a_pipeline_uses_both(file: File) -> None:
    text = """
        engine: {engine}
        connections:
          raw: {type: azure_adls, account: account1, auth_mode: direct_key, account_key: a2V5}
          more: {type: azure_adls, account: account1, key_vault_name: company-kv, secret_name: s}
          gold: {type: azure_adls, account: account1, auth_mode: managed_identity}
          unused: {type: azure_adls, account: account1, auth_mode: sas, sas_token: "sv=1&sig=abc&sp=r"}
        story: {auto_generate: false}
        pipelines:
          - pipeline: p
            nodes:
              - {name: a, read: {connection: raw, path: a.csv}, write: {connection: gold, path: b}}
              - {name: b, read: {connection: more, path: a.csv}, write: {connection: gold, path: c}}
          - pipeline: q
            nodes:
              - {name: c, read: {connection: gold, path: a.csv}, write: {connection: gold, path: d}}
        """
    why = (
        "open one storage account in different ways, and Spark has one way for each account; give both the same"
        " auth_mode and credential"
    )
    assert file.problems(text.replace("{engine}", "spark")) == [
        f"11:77: pipelines.p.nodes.a.write.connection: connection 'raw' and connection 'gold' {why}",
        f"12:38: pipelines.p.nodes.b.read.connection: connection 'gold' and connection 'more' {why}",
    ]
    file.load(text.replace("{engine}", "pandas"))


def test_the_model_of_a_project_shows_nothing_of_its_connections() -> None:
    connections = {"lake": {"type": "azure_adls", "account": "account1", "account_key": "tell-nobody"}}
    assert "tell-nobody" not in repr(ProjectConfig.model_validate({"connections": connections}))
    with pytest.raises(ValueError, match="validation error") as raised:
        ProjectConfig.model_validate({"connections": {"lake": "AccountKey=tell-nobody"}})
    assert "tell-nobody" not in str(raised.value)
