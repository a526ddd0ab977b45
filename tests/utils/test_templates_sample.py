"""Connections as a notebook holds them: shown as YAML, built, and tried with a small pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from odibi.connections import AzureADLS, LocalConnection
from odibi.errors import RunFailed
from odibi.secrets import forget
from odibi.utils import print_connection_templates, run_sample_pipeline
from odibi.utils.building import build
from odibi.utils.templates import without_secrets

KEY = "c2VjcmV0LW9mLXRoZS1hY2NvdW50"


@pytest.fixture(autouse=True)
def _forget() -> Any:
    yield
    forget()


def vault_settings(**more: Any) -> dict[str, Any]:
    return {"type": "azure_adls", "account": "bronzeacct", "secret_name": "bronze-key", **more}


# -- templates ---------------------------------------------------------------------------------------------------------


def test_what_is_printed_is_the_block_of_a_project_file(capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"bronze": vault_settings(key_vault_name="company-kv", service_credential=None)}
    print_connection_templates(settings)
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed == {"connections": {"bronze": vault_settings(key_vault_name="company-kv")}}


@pytest.mark.parametrize("key", ["account_key", "client_secret", "sas_token"])
def test_a_secret_becomes_a_variable(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"dev-1": {"type": "azure_adls", "account": "devacct", key: KEY}}
    print_connection_templates(settings)
    out = capsys.readouterr().out
    assert KEY not in out
    assert f"{key}: ${{DEV_1_{key.upper()}}}" in out
    assert without_secrets(settings)[1] == {f"DEV_1_{key.upper()}": KEY}


@pytest.mark.parametrize("key", ["key", "access_key", "sas", "storage_account_key", "acount_key", "connection_string"])
def test_a_secret_by_another_name_is_not_printed_either(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_connection_templates({"dev": {"type": "azure_adls", "account": "devacct", key: KEY}})
    assert KEY not in capsys.readouterr().out


def test_a_path_is_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    path = "/Workspace/Shared/Sales2024/lake"
    print_connection_templates({"here": {"type": "local", "base_path": path}})
    assert f"base_path: {path}" in capsys.readouterr().out


def test_what_is_wrong_with_settings_shows_no_secret_of_others() -> None:
    direct = {"type": "azure_adls", "account": "devacct", "auth_mode": "direct_key", "account_key": KEY}
    _, wrong = build({"dev": direct, "odd": {"type": KEY}})
    assert KEY not in wrong["odd"]


def test_a_variable_stays_one(capsys: pytest.CaptureFixture[str]) -> None:
    print_connection_templates({"dev": {"type": "azure_adls", "account": "devacct", "account_key": "${DEV_KEY}"}})
    assert "account_key: ${DEV_KEY}" in capsys.readouterr().out


# -- building ----------------------------------------------------------------------------------------------------------


def test_settings_become_connections_and_connections_stay(tmp_path: Path) -> None:
    lake = LocalConnection(tmp_path)
    made, wrong = build({"lake": lake, "bronze": vault_settings(key_vault_name="company-kv")})
    assert wrong == {}
    assert made["lake"] is lake
    assert isinstance(made["bronze"], AzureADLS)
    assert [each.name for each in made.values()] == ["lake", "bronze"]


def test_the_only_vault_is_taken() -> None:
    made, wrong = build({"raw": vault_settings(key_vault_name="company-kv"), "gold": vault_settings()})
    assert wrong == {}
    assert made["gold"].key_vault_name == "company-kv"  # type: ignore[attr-defined]
    two = {"raw": vault_settings(key_vault_name="one-kv"), "gold": vault_settings(key_vault_name="two-kv")}
    assert list(build({**two, "silver": vault_settings()})[1]) == ["silver"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"account": "a"}, "the key 'type' is missing"),
        ({"type": "azure_adsl"}, "did you mean 'azure_adls'"),
        ({"type": "azure_adls", "account": "bronzeacct", "acount_key": KEY, "auth_mode": "direct_key"}, "acount_key"),
        ("bronzeacct", "neither a connection nor settings"),
        (vault_settings(), "key_vault_name"),
    ],
)
def test_what_is_wrong_is_told_and_the_others_are_built(settings: Any, message: str, tmp_path: Path) -> None:
    made, wrong = build({"good": {"type": "local", "base_path": str(tmp_path)}, "bad": settings})
    assert list(made) == ["good"]
    assert message in wrong["bad"]
    assert KEY not in wrong["bad"]


# -- the sample --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_the_sample_goes_through_every_connection(
    count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {f"c{number}": {"type": "local", "base_path": str(tmp_path / str(number))} for number in range(count)}
    result = run_sample_pipeline(places)
    assert result.ok
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("orders*"))
    between = [f"{number}/odibi_setup_sample/orders.parquet" for number in range(1, count - 1)]
    assert files == [
        "0/odibi_setup_sample/orders.csv",
        *([] if count > 1 else ["0/odibi_setup_sample/orders_by_region"]),
        *between,
        *([f"{count - 1}/odibi_setup_sample/orders_by_region"] if count > 1 else []),
    ]
    out = capsys.readouterr().out
    assert out.count("✓") == max(count, 2)


def test_the_sample_is_silent_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_sample_pipeline({"sample": {"type": "local", "base_path": str(tmp_path)}}, verbose=False)
    assert capsys.readouterr().out == ""


def test_a_sample_that_fails_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFailed, match=r"sample\.to_lake"):
        run_sample_pipeline({"lake": {"type": "local", "base_path": str(tmp_path / "file")}}, verbose=False)


def test_a_sample_without_connections_says_so() -> None:
    with pytest.raises(ValueError, match="at least one"):
        run_sample_pipeline({})
