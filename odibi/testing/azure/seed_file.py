"""Seeds that users write: a folder `<account>/<container>/<path>`, or a YAML file."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from odibi.config.loader import load_document
from odibi.config.problems import check
from odibi.errors import ConfigError, DataNotFoundError, Position, Problem
from odibi.model import Model, no_keys
from odibi.resolve.report import Report
from odibi.testing.azure.seed import Blob, Seed, SeedSecret

SUFFIXES = (".yaml", ".yml")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_CONTAINER = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(?:-[a-z0-9]+)*|\$(?:web|root|logs)")
_VAULT = re.compile(r"(?=.{3,24}\Z)[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*")
_SECRET = re.compile(r"[A-Za-z0-9-]{1,127}")
_RULES = {
    "storage account": (_ACCOUNT, "3 to 24 lower-case letters and digits"),
    "container": (_CONTAINER, "3 to 63 lower-case letters, digits and single hyphens"),
    "key vault": (_VAULT, "3 to 24 letters, digits and single hyphens, a letter first"),
    "secret": (_SECRET, "up to 127 letters, digits and hyphens"),
}
"""What has a name, and what Azure allows there."""


class SecretSeed(Model):
    """A secret of a seed file: a value or the key of an account."""

    value: str | None = Field(default=None, repr=False, description="The secret's value")
    account_key_of: str | None = Field(default=None, description="A storage account, whose key is the value")
    enabled: bool = Field(default=True, description="false: the secret is disabled")


def _shape(given: Any) -> str:
    """Which of the two a secret is written as: mistakes in a mapping are then told at its keys."""
    return "mapping" if isinstance(given, (Mapping, SecretSeed)) else "text"


_Secret = Annotated[Annotated[str, Tag("text")] | Annotated[SecretSeed, Tag("mapping")], Discriminator(_shape)]


class SeedConfig(Model):
    """A seed file."""

    accounts: dict[str, dict[str, str | dict[str, str] | None]] = Field(
        default_factory=no_keys,
        description="Storage account to its containers; each a folder beside this file, or path to text",
    )
    keys: dict[str, str] = Field(
        default_factory=no_keys, repr=False, description="Storage account to its key (base64); default: one is made"
    )
    vaults: dict[str, dict[str, _Secret]] = Field(
        default_factory=no_keys, description="Key vault to its secrets; each a value, or {account_key_of: account}"
    )


def read_seed(path: Path, known: Iterable[str] = ()) -> Seed:
    """The seed of a folder or a YAML file. `known` are accounts that exist without it. Raises `ConfigError` with all
    mistakes, `DataNotFoundError` when there is no such path."""
    if path.is_dir():
        return _read_folder(path)
    if not path.exists():
        raise DataNotFoundError(
            f"the seed {path} does not exist; name a folder <account>/<container>/…, or a YAML file"
        )
    if path.suffix.lower() not in SUFFIXES:
        text = f"the seed {path} is neither a folder nor a YAML file; name one of them"
        raise ConfigError([Problem(Position(path), "", text)])
    return _read_yaml(path, frozenset(known))


def name_mistake(what: str, name: str) -> tuple[str, str] | None:
    """Why a name is none for Azure, and what would be one; None where it is fine."""
    pattern, rule = _RULES[what]
    return None if pattern.fullmatch(name) else (f"{name!r} is no name of a {what}", f"such names are {rule}")


# -- a folder ----------------------------------------------------------------------------------------------------------


def _read_folder(folder: Path) -> Seed:
    seed, problems = Seed(), list[Problem]()
    for account in _entries(folder, "storage account", "<account>/<container>/<path>", problems):
        seed.accounts[account.name] = None
        for container in _entries(account, "container", "<container>/<path>", problems):
            seed.containers.append((account.name, container.name))
            seed.blobs.extend(_blobs_in(container, account.name, container.name))
    if problems:
        raise ConfigError(problems)
    return seed


def _entries(folder: Path, what: str, shape: str, problems: list[Problem]) -> Iterator[Path]:
    """The folders in a folder; a file where a folder must be is a mistake, one that is hidden is not."""
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if not entry.is_dir():
            hint = f"below {folder} the files of a seed are {shape}"
            problems.append(
                Problem(Position(entry), "", f"a file stands where a folder named as the {what} must be", hint)
            )
        elif mistake := name_mistake(what, entry.name):
            problems.append(Problem(Position(entry), "", *mistake))
        else:
            yield entry


def _blobs_in(folder: Path, account: str, container: str) -> Iterator[Blob]:
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield Blob(account, container, file.relative_to(folder).as_posix(), file)


# -- a YAML file -------------------------------------------------------------------------------------------------------


def _read_yaml(path: Path, known: frozenset[str]) -> Seed:
    document = load_document(path, partial=True)
    report = Report(document)
    checked = check(SeedConfig, document.data)
    for finding in checked.findings:
        report.add_finding(finding)
    if checked.value is None:
        report.raise_problems()
        raise ConfigError(f"{path} is no seed file")
    config, seed = checked.value, Seed()
    _accounts(config, seed, report)
    _vaults(config, seed, report, known)
    report.raise_problems()
    return seed


def _accounts(config: SeedConfig, seed: Seed, report: Report) -> None:
    for account, containers in config.accounts.items():
        seed.accounts[account] = None
        _check_name(("accounts", account), "storage account", account, report)
        for container, content in containers.items():
            place = ("accounts", account, container)
            _check_name(place, "container", container, report)
            seed.containers.append((account, container))
            seed.blobs.extend(_content(place, content, report))
    for account, key in config.keys.items():
        seed.accounts[account] = key
        _check_name(("keys", account), "storage account", account, report)
        if not is_key(key):
            report.add(
                ("keys", account), "is no base64, which keys of storage accounts are", "leave it out: one is made"
            )


def _content(place: tuple[str, str, str], content: str | Mapping[str, str] | None, report: Report) -> Iterator[Blob]:
    _, account, container = place
    if isinstance(content, str):
        folder = report.document.base_of(place) / content
        if not folder.is_dir():
            report.add(place, f"the folder {content!r} does not exist", "it is looked for beside the seed file")
            return
        yield from _blobs_in(folder, account, container)
    for path, text in content.items() if isinstance(content, Mapping) else ():
        yield Blob(account, container, path, text.encode())


def _vaults(config: SeedConfig, seed: Seed, report: Report, known: frozenset[str]) -> None:
    for vault, secrets in config.vaults.items():
        _check_name(("vaults", vault), "key vault", vault, report)
        seed.vaults.append(vault)
        for name, given in secrets.items():
            place = ("vaults", vault, name)
            _check_name(place, "secret", name, report)
            secret = SecretSeed(value=given) if isinstance(given, str) else given
            if (secret.value is None) == (secret.account_key_of is None):
                report.add(
                    place, "needs either `value` or `account_key_of`", "write a text, or {account_key_of: account}"
                )
            elif secret.account_key_of is not None and secret.account_key_of not in {*seed.accounts, *known}:
                names = {*seed.accounts, *known}
                report.unknown((*place, "account_key_of"), "storage account", secret.account_key_of, names)
            seed.secrets.append(SeedSecret(vault, name, secret.value or "", secret.account_key_of, secret.enabled))


def _check_name(place: tuple[str, ...], what: str, name: str, report: Report) -> None:
    if mistake := name_mistake(what, name):
        report.add(place, *mistake, at_key=True)


def is_key(text: str) -> bool:
    """Whether a text can be the key of a storage account."""
    try:
        return bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False
