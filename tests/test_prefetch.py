"""Credentials of many connections: each distinct one once, all at once, in time, all failures together."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from odibi.connections import AzureADLS, BaseConnection
from odibi.errors import KeyFetchError, KeyFetchTimeout, MissingExtraError
from odibi.location import Need
from odibi.prefetch import fetch_all, prefetch
from odibi.testing.azure import Sandbox

VAULT = "sandboxvault"


@dataclass(frozen=True)
class Simple:
    """A need that says what it is asked; needs of one name are equal."""

    name: str
    work: Callable[[float], str]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Simple) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def fetch(self, timeout: float) -> str:
        return self.work(timeout)


class Place(BaseConnection):
    """A connection that needs something, or nothing."""

    type_name = "place"

    def __init__(self, need: Need | None = None) -> None:
        self.need, self.received = need, list[str]()

    def get_path(self, relative: str) -> str:
        return relative

    def needs(self) -> Need | None:
        return self.need

    def receive(self, value: str) -> None:
        self.received.append(value)


def gives(value: str) -> Callable[[float], str]:
    return lambda timeout: value


def fails(text: str, kind: type[Exception] = KeyFetchError) -> Callable[[float], str]:
    def work(timeout: float) -> str:
        raise kind(text)

    return work


# -- any need ----------------------------------------------------------------------------------------------------------


def test_each_connection_is_given_its_own() -> None:
    places = {name: Place(Simple(name, gives(f"key of {name}"))) for name in ("a", "b")} | {"c": Place()}
    results = prefetch(places)
    assert {name: place.received for name, place in places.items()} == {
        "a": ["key of a"],
        "b": ["key of b"],
        "c": [],
    }
    assert list(results) == ["a", "b"]
    assert all(result.success for result in results.values())


def test_nothing_to_fetch() -> None:
    assert prefetch({}) == prefetch({"c": Place()}) == {}


def test_equal_needs_are_fetched_once() -> None:
    asked: list[float] = []

    def work(timeout: float) -> str:
        asked.append(timeout)
        return "shared"

    places = {f"c{number}": Place(Simple("one", work)) for number in range(10)}
    prefetch(places, timeout=7.0)
    assert asked == [7.0]
    assert all(place.received == ["shared"] for place in places.values())


def most_at_once(workers: int | None, needs: int) -> int:
    now, most, lock = 0, 0, threading.Lock()

    def work(timeout: float) -> str:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.2)
        with lock:
            now -= 1
        return "value"

    prefetch({f"c{number}": Place(Simple(str(number), work)) for number in range(needs)}, workers)
    return most


def test_all_at_once_unless_bounded() -> None:
    assert most_at_once(None, 20) == 20
    assert most_at_once(3, 9) == 3
    assert most_at_once(None, 60) <= 50


def test_all_failures_are_told_together_and_the_others_are_there_all_the_same() -> None:
    places = {
        "bronze": Place(Simple("a", fails("Secret 'bronze-key' not found in vault 'company-kv'"))),
        "silver": Place(Simple("b", gives("silver's"))),
        "gold": Place(Simple("c", fails("Access denied to vault 'company-kv' (403 Forbidden)\n  az …"))),
    }
    with pytest.raises(KeyFetchError) as caught:
        prefetch(places)
    assert str(caught.value) == (
        "Failed to fetch storage keys for 2 connection(s):\n"
        "  - bronze: Secret 'bronze-key' not found in vault 'company-kv'\n"
        "  - gold: Access denied to vault 'company-kv' (403 Forbidden)\n"
        "      az …"
    )
    assert isinstance(caught.value, RuntimeError)
    assert not isinstance(caught.value, TimeoutError)
    assert places["silver"].received == ["silver's"]


def test_what_is_long_is_said_once() -> None:
    text = "no credential could log in to Azure; tried in this order:\n  A: no\n  B: no"
    with pytest.raises(KeyFetchError) as caught:
        prefetch({name: Place(Simple(name, fails(text))) for name in ("a", "b", "c")})
    lines = str(caught.value).splitlines()
    assert lines[1:4] == [f"  - a: {text.splitlines()[0]}", "      A: no", "      B: no"]
    assert [line for line in lines if "(as for a)" in line] == lines[4:6]


def test_a_failure_for_lack_of_time_alone_is_a_time_out() -> None:
    late, missing = fails("timed out", KeyFetchTimeout), fails("not found")
    with pytest.raises(KeyFetchTimeout):
        prefetch({"a": Place(Simple("a", late)), "b": Place(Simple("b", late))})
    with pytest.raises(KeyFetchError) as caught:
        prefetch({"a": Place(Simple("a", late)), "b": Place(Simple("b", missing))})
    assert not isinstance(caught.value, TimeoutError)


def test_a_missing_package_is_not_one_connections_failure() -> None:
    def work(timeout: float) -> str:
        raise MissingExtraError("azure-identity", "azure", "a login to Azure")

    with pytest.raises(MissingExtraError):
        prefetch({"a": Place(Simple("a", work))})


def test_a_need_that_does_not_keep_its_time_is_left_behind() -> None:
    release = threading.Event()
    hangs = Simple("hangs", lambda timeout: str(release.wait(60)))
    places = {"hangs": Place(hangs), "good": Place(Simple("good", gives("value")))}
    began = time.monotonic()
    results = fetch_all(places, max_workers=1, timeout=0.2)
    assert time.monotonic() - began < 10
    assert (results["hangs"].success, results["good"].success) == (False, True)
    assert "timed out after 0.2s" in str(results["hangs"].error)
    release.set()


def test_each_has_its_whole_time_however_late_it_starts() -> None:
    def slow(timeout: float) -> str:
        time.sleep(0.5)
        return "value"

    places = {f"c{number}": Place(Simple(str(number), slow)) for number in range(6)}
    assert all(result.success for result in fetch_all(places, max_workers=2, timeout=1.0).values())


def test_fetch_all_raises_nothing_and_gives_nothing() -> None:
    places = {"a": Place(Simple("a", fails("no"))), "b": Place(Simple("b", gives("value")))}
    results = fetch_all(places)
    assert [(name, each.success, each.secret_value, each.error) for name, each in results.items()] == [
        ("a", False, None, "no"),
        ("b", True, "value", None),
    ]
    assert places["b"].received == []
    assert all(each.duration_ms is not None for each in results.values())


# -- Key Vault ---------------------------------------------------------------------------------------------------------


def lake(account: str, secret: str, **settings: Any) -> AzureADLS:
    return AzureADLS(account, "lake", key_vault_name=VAULT, secret_name=secret, **settings)


def key(number: int) -> str:
    return f"a2V5LW9mLWFjY291bnQtbnVtYmVyLQ{number:02}"


@pytest.fixture
def lakes(azure: Sandbox) -> dict[str, AzureADLS]:
    """Twenty connections; two of each share a secret."""
    for number in range(10):
        azure.set_secret(VAULT, f"key-{number}", key(number))
    return {f"c{number}": lake(f"account{number}", f"key-{number % 10}") for number in range(20)}


def test_twenty_connections_cost_ten_secrets_and_one_token(azure: Sandbox, lakes: dict[str, AzureADLS]) -> None:
    prefetch(lakes)
    paths = [seen.path.rstrip("/") for seen in azure.requests]
    assert sorted(paths) == sorted(["/metadata/identity/oauth2/token", *(f"/secrets/key-{n}" for n in range(10))])
    azure.requests.clear()
    assert [each.get_storage_key() for each in lakes.values()] == [key(number % 10) for number in range(20)]
    assert azure.requests == [], "the keys are kept"


def test_results_say_which_account_and_not_the_secret(lakes: dict[str, AzureADLS]) -> None:
    results = fetch_all(lakes)
    assert [each.account for each in results.values()] == [f"account{number}" for number in range(20)]
    assert key(3) not in repr(results)
    assert results["c3"].secret_value == key(3)


def test_the_block_of_failures(azure: Sandbox, lakes: dict[str, AzureADLS]) -> None:
    some = {"bronze": lake("account1", "nope"), "silver": lakes["c1"], "gold": lake("account2", "key-2")}
    with azure.fault(403, host=VAULT, path="key-2"), pytest.raises(KeyFetchError) as caught:
        prefetch(some)
    lines = str(caught.value).splitlines()
    assert lines[0] == "Failed to fetch storage keys for 2 connection(s):"
    assert lines[1].startswith(f"  - bronze: Secret 'nope' not found in vault '{VAULT}'; ")
    gold = (
        f"  - gold: Access denied to vault '{VAULT}' (403 Forbidden); grant 'get' on secrets to this identity: object"
    )
    assert any(line.startswith(gold) for line in lines)
    assert some["silver"].get_storage_key() == key(1)


def test_a_vault_that_hangs_takes_its_time_once(azure: Sandbox, lakes: dict[str, AzureADLS]) -> None:
    began = time.monotonic()
    with azure.fault("hang", host=VAULT), pytest.raises(KeyFetchTimeout) as caught:
        prefetch(lakes, timeout=1.0)
    assert time.monotonic() - began < 10
    text = f"Key Vault fetch timed out after 1.0s for vault '{VAULT}', secret 'key-0'"
    assert text in str(caught.value)
    assert "for 20 connection(s)" in str(caught.value)


def test_without_a_login_it_is_said_once(lakes: dict[str, AzureADLS], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
    with pytest.raises(KeyFetchError) as caught:
        prefetch(lakes)
    assert str(caught.value).count("EnvironmentCredential") == 1
    assert str(caught.value).count("(as for c0)") == 19


def test_a_secret_past_its_end_is_warned_of_in_the_callers_thread(azure: Sandbox, lakes: dict[str, AzureADLS]) -> None:
    azure.set_secret(VAULT, "key-4", key(4), expires=int(time.time()) - 86400)
    with pytest.warns(UserWarning, match=f"Secret 'key-4' in vault '{VAULT}' expired on") as caught:
        results = prefetch(lakes)
    assert [each.category for each in caught].count(UserWarning) == 1
    assert "expired on" in str(results["c4"].warning)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert "expired on" in str(prefetch({"c4": lakes["c4"]}, warn=False)["c4"].warning)


def test_the_process_ends_while_fetches_hang(azure: Sandbox, lakes: dict[str, AzureADLS]) -> None:
    script = (
        "from odibi.connections import AzureADLS\n"
        "from odibi.prefetch import prefetch\n"
        f"lakes = {{f'c{{n}}': AzureADLS('account1', 'lake', key_vault_name={VAULT!r}, secret_name=f'key-{{n}}')"
        " for n in range(5)}\n"
        "try: prefetch(lakes, timeout=1.0)\n"
        "except TimeoutError as error: print(error)\n"
    )
    began = time.monotonic()
    with azure.fault("hang", host=VAULT):
        done = subprocess.run(
            [sys.executable, "-c", script], env=azure.environment(), capture_output=True, text=True, timeout=50,
            check=True,
        )  # fmt: skip
    assert done.stdout.count("timed out after 1.0s") == 5
    assert done.stderr == ""
    assert time.monotonic() - began < 20


def test_nothing_of_azure_is_imported_where_nothing_is_needed() -> None:
    script = (
        "import sys\n"
        "from odibi.connections import LocalConnection\n"
        "from odibi.prefetch import prefetch\n"
        "prefetch({'lake': LocalConnection('lake')})\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('azure', 'msal', 'requests', 'obstore')])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
