"""What `odibi.secrets` takes out of texts, and what it leaves."""

from __future__ import annotations

import base64
import html
import json
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote
from xml.sax.saxutils import escape as xml_escape
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from odibi.errors import AccessError, ConfigError, DataError, KeyFetchTimeout, OdibiError, Position, Problem
from odibi.model import Model
from odibi.secret_forms import anchors_of, pattern_of
from odibi.secrets import (
    SHORTEST,
    clean,
    forget,
    names_secret,
    remember,
    remember_options,
    scrub,
    scrub_data,
    scrub_document,
)
from tests.secret_shapes import EXAMPLES, any_text, connection_strings, leaks, sas_tokens, secrets

KEY = EXAMPLES["key"]
PEM = ("-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----")

WRITERS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "quote": quote,
    "quote all": lambda text: quote(text, safe=""),
    "quote some": lambda text: quote(text, safe="/=:&"),
    "quote lower": lambda text: quote(text, safe="").replace("%2F", "%2f").replace("%2B", "%2b").replace("%3D", "%3d"),
    "quote_plus": quote_plus,
    "quoted twice": lambda text: quote(quote(text, safe=""), safe=""),
    "json": json.dumps,
    "json not ascii": lambda text: json.dumps(text, ensure_ascii=False),
    "json in json": lambda text: json.dumps(json.dumps({"a": text})),
    "json with slashes": lambda text: json.dumps(text).replace("/", "\\/"),
    "repr": repr,
    "ascii": ascii,
    "repr of bytes": lambda text: repr(text.encode("utf-8", "surrogatepass")),
    "repr in json": lambda text: json.dumps(repr(text)),
    "html": html.escape,
    "html twice": lambda text: html.escape(html.escape(text)),
    "xml": xml_escape,
    "xml attribute": quoteattr,
    "shell": shlex.quote,
    "sql": lambda text: "'" + text.replace("'", "''") + "'",
    "csv": lambda text: '"' + text.replace('"', '""') + '"',
    "backslashes": lambda text: text.encode("ascii", "backslashreplace").decode(),
    "character references": lambda text: text.encode("ascii", "xmlcharrefreplace").decode(),
    "indented": lambda text: "\n".join("    " + line for line in text.split("\n")),
    "base64": lambda text: base64.b64encode(text.encode("utf-8", "surrogatepass")).decode(),
    "base64 for urls": lambda text: base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode(),
    "base64 quoted": lambda text: quote(base64.b64encode(text.encode("utf-8", "surrogatepass")).decode(), safe=""),
    "basic auth": lambda text: "Basic " + base64.b64encode(b"user:" + text.encode("utf-8", "surrogatepass")).decode(),
    "base64 at 1": lambda text: base64.b64encode(b"x" + text.encode("utf-8", "surrogatepass") + b"yz").decode(),
    "base64 at 2": lambda text: base64.b64encode(b"xx" + text.encode("utf-8", "surrogatepass")).decode().rstrip("="),
    "hex": lambda text: text.encode("utf-8", "surrogatepass").hex(),
}  # fmt: skip


def writable(writer: str, text: str) -> bool:
    """Lone surrogates can not be written everywhere."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return writer in ("plain", "json", "repr", "ascii", "indented") or writer.startswith("base64")
    return True


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("shape", EXAMPLES)
def test_a_secret_is_found_however_it_is_written(shape: str, writer: str) -> None:
    secret = EXAMPLES[shape]
    remember(secret)
    written = WRITERS[writer](secret)
    told = scrub(f"before {written} after")
    assert not leaks(told, secret)
    assert told.startswith("before ")
    assert told.endswith(" after")
    assert written not in told


@pytest.mark.parametrize("writer", [name for name in WRITERS if name != "hex"])
@pytest.mark.parametrize("shape", EXAMPLES)
def test_the_search_finds_what_is_not_scrubbed(shape: str, writer: str) -> None:
    assert leaks(f"before {WRITERS[writer](EXAMPLES[shape])} after", EXAMPLES[shape])


@given(secrets, st.sampled_from([*WRITERS]), any_text, any_text)
def test_no_shape_of_secret_is_readable_in_any_writing(secret: str, writer: str, before: str, after: str) -> None:
    forget()
    remember(secret)
    if writable(writer, secret):
        assert not leaks(scrub(f"{before}|{WRITERS[writer](secret)}|{after}"), secret)


@pytest.mark.parametrize("length", [1999, 2000, 2001, 2002, 2005, 4001, 4003, 9001])
def test_a_secret_of_any_length_goes_and_the_rest_stays(length: int) -> None:
    secret = ("Zx9q8Lw3Vt0" * 900)[:length]
    remember(secret)
    told = "the quick brown fox JUMPS over 0123456789 lazy dogs"
    assert scrub(f"{told} {secret} {told}") == f"{told} *** {told}"


@settings(max_examples=25)
@given(st.text("azAZ09+/=\\\n'&% é", max_size=40).map(lambda text: f"Zx9q8{text}"), st.data())
def test_what_a_pattern_finds_is_found_by_the_search_before_it(secret: str, data: st.DataObject) -> None:
    anchors, pattern = anchors_of(secret), pattern_of([secret])
    assert pattern is not None
    if anchors:
        found = data.draw(st.from_regex(pattern, fullmatch=True))
        assert any(anchor in found for anchor in anchors)


@given(st.lists(secrets, min_size=1, max_size=4), st.integers(0, 6))
def test_secrets_that_overlap_go_together(several: list[str], shared: int) -> None:
    forget()
    first = several[0]
    parts = [first[:shared], first[shared:], *several]
    known = [part for part in parts if len(part.strip()) >= SHORTEST]
    for part in known:
        remember(part)
    told = scrub(f"<{'|'.join(known)}|{''.join(known)}>")
    assert not [part for part in known if part in told and part not in "***" and set(part) - set("*|<>")]


def test_the_longest_goes_first_and_ends_are_shared() -> None:
    for secret in ("abcdef", "abcdefghij", "hijklmn", "cdef"):
        remember(secret)
    assert scrub("abcdefghijklmn, abcdefg, xcdefx") == "***, ***g, x***x"


@given(connection_strings | sas_tokens)
def test_the_secret_part_of_a_composite_is_a_secret_by_itself(secret: str) -> None:
    forget()
    remember(secret)
    part = secret.partition("AccountKey=")[2].partition(";")[0] or unquote(secret.partition("sig=")[2])
    for told in (f"key {part}!", f"key {quote(part, safe='')}!", f"?se=2030&sig={quote(part)}&x=1!"):
        assert not leaks(scrub(told), part)
        assert scrub(told).endswith("!")
    assert scrub("bronzeacct at core.windows.net, 2024-11-04") == "bronzeacct at core.windows.net, 2024-11-04"


def test_parts_of_other_composites_are_known() -> None:
    remember("https://user:p4ss%2Fword@host/x")
    remember(json.dumps({"tenant": "contoso-tenant", "client_secret": "Zx8~some-secret", "n": 1}))
    remember("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG\nw0BAQEFAASCBKcwggSj\n-----END PRIVATE KEY-----\n")
    remember("?sv=1&sig=abcdEFGH1234")
    told = scrub("p4ss%2Fword p4ss/word contoso-tenant Zx8~some-secret w0BAQEFAASCBKcwggSj abcdEFGH1234 -----BEGIN")
    assert told == "*** *** contoso-tenant *** *** *** -----BEGIN"


@pytest.mark.parametrize("value", ["", "a", "1", "no", "yes", "   ", " x \n", "\n\n\n\n\n"])
def test_what_is_too_short_is_left_alone(value: str) -> None:
    remember(value)
    assert scrub("a 1 no yes x\n\n\n\n\n   end") == "a 1 no yes x\n\n\n\n\n   end"


def test_space_around_a_secret_does_not_hide_it() -> None:
    remember("  s3cr3t-value\n")
    assert scrub("is 's3cr3t-value'") == "is '***'"


@pytest.mark.parametrize(
    ("told", "clean"),
    [
        ("AccountName=a;AccountKey=abcdefghij+/==;EndpointSuffix=x", "AccountName=a;AccountKey=***;EndpointSuffix=x"),
        ("https://a.blob.core.windows.net/c?sp=r&sig=" + "aB3%2F" * 8 + "&se=1", "https://a.blob.core.windows.net/c?sp=r&sig=***&se=1"),
        ("headers: {'Authorization': 'Bearer abc.def-0123456789'}", "headers: {'Authorization': 'Bearer ***'}"),
        ("Authorization: SharedKey bronzeacct:abcdefgh0123=", "Authorization: SharedKey bronzeacct:***"),
        ("authorization: Basic dXNlcjpwYXNzd29yZA==", "authorization: Basic ***"),
        ("token eyJ0eXAiOiJKV1Qi.eyJhdWQiOiJodHRwcyJ9.c2lnbmF0dXJl end", "token eyJ*** end"),
        ("POST client_id=1&client_secret=Zx8~abc.defgh&scope=x", "POST client_id=1&client_secret=***&scope=x"),
        ('{"client_secret": "Zx8~abc.defgh", "a": 1}', '{"client_secret": "***", "a": 1}'),
        (r'"{\"account_key\": \"abcdefgh==\"}"', r'"{\"account_key\": \"***\"}"'),
        ("account_key='abcdefgh=='", "account_key='***'"),
        ("Endpoint=sb://x/;SharedAccessKey=abcdefgh==", "Endpoint=sb://x/;SharedAccessKey=***"),
        ("dapi0123456789abcdef0123456789abcdef", "dapi***"),
        (f"{PEM[0]}\nMIIE\n{PEM[1]}", f"{PEM[0]}***{PEM[1]}"),
    ],
)  # fmt: skip
def test_credentials_are_known_by_their_shape(told: str, clean: str) -> None:
    assert scrub(told) == clean
    assert scrub(clean) == clean
    assert scrub_data({"a": [told]}) == {"a": [clean]}
    remember("another secret")
    assert scrub_document(told) == clean


@pytest.mark.parametrize(
    "told",
    [
        "connections.x.account_key: expected text, found a list",
        'add `account_key: "${KEY}"`, a key of the storage account',
        "direct_key mode requires 'account_key'; add `account_key: …`",
        "account_key=${DEV_KEY_OF_BRONZE}",
        "SELECT sig = 1, sig=2, bearer FROM t WHERE token = 'a' AND significant=1",
        "Authorization failed: this request is not authorized",
        'WWW-Authenticate: Bearer authorization="https://login.microsoftonline.com/72f988bf"',
        "the Bearer authentication scheme is refused",
    ],
)
def test_messages_about_credentials_stay_readable(told: str) -> None:
    assert scrub(told) == told


def test_documents_stay_whole_whatever_the_secret_is() -> None:
    for secret in (
        *EXAMPLES.values(),
        '": "',
        '", "',
        "rows",
        "nodes",
        "node",
        "null",
        "true",
        "\\u00e9",
        "</td>",
        "0.25",
    ):
        remember(secret)
    data = {"status": "failed", "nodes": [{"rows": 1234567890, "error": f"is {KEY}", "node": "é", "x": 0.25}]}
    told = scrub_document(json.dumps(scrub_data(data)))
    again = json.loads(told)
    assert again.keys() == data.keys()
    assert again["nodes"][0].keys() == data["nodes"][0].keys()  # type: ignore[union-attr]
    assert again["nodes"][0]["rows"] == "***"
    assert not leaks(told, KEY)


leaves_of_data = any_text | st.integers() | st.none() | st.booleans() | st.floats(allow_nan=False)
plain_data = st.recursive(
    leaves_of_data, lambda inner: st.lists(inner) | st.dictionaries(any_text, inner), max_leaves=8
)


@given(secrets, plain_data)
def test_data_is_scrubbed_before_it_is_written(secret: str, data: object) -> None:
    forget()
    remember(secret)
    told = scrub_document(json.dumps(scrub_data({"a": data, "b": [secret, {"c": f"-{secret}-"}]})))
    assert not leaks(json.loads(told)["b"][0] + json.loads(told)["b"][1]["c"], secret)


def test_names_of_settings_tell_which_are_secret() -> None:
    yes = (
        "account_key AZURE_STORAGE_ACCOUNT_KEY sas_token client_secret connection_string password sas credential token"
    )
    yes += " aws_secret_access_key fs.azure.account.key.acct.dfs.core.windows.net bearer-token sharedKey"
    no = "account_name secret_name key_vault_name service_credential client_id tenant_id anon endpoint keys primary_key"
    assert [name for name in yes.split() if not names_secret(name)] == []
    assert [name for name in no.split() if names_secret(name)] == []


def test_storage_options_are_judged_by_name_and_look() -> None:
    remember_options({"account_name": "bronzeacct", "anon": "true", "sas_token": "short1", "other": "aB3" * 10, "n": 5})
    assert scrub("bronzeacct true short1 " + "aB3" * 10) == "bronzeacct true *** ***"


class Settings(Model):
    """Settings with a secret of their own, and one in a mapping."""

    name: str = ""
    account_key: str = ""
    more: dict[str, str] = Field(default_factory=dict)


def test_settings_do_not_show_secrets() -> None:
    remember("an0ther-value")
    shown = Settings(name="x", account_key="not remembered", more={"a": "an0ther-value"})
    assert repr(shown) == "Settings(name='x', account_key='***', more={'a': '***'})"
    assert "not remembered" not in repr(shown) + str(shown)
    assert "an0ther" not in repr(shown) + str(shown)
    assert shown.account_key == "not remembered"


@pytest.mark.parametrize("kind", [OdibiError, AccessError, DataError, KeyFetchTimeout, ConfigError])
def test_our_errors_are_clean_and_clean_what_they_come_from(kind: type[OdibiError]) -> None:
    remember(KEY)
    try:
        try:
            try:
                raise FileNotFoundError(2, f"no {KEY}", f"https://x?k={quote(KEY, safe='')}")
            except OSError:
                inner = ValueError(f"while {KEY}")
                inner.add_note(f"note {KEY}")
                raise inner from None
        except ValueError as error:
            raise kind(f"refused: {KEY}") from error
    except OdibiError as error:
        made = error
    assert str(made) == "refused: ***"
    chain = [made, made.__cause__, made.__cause__.__context__]  # type: ignore[union-attr]
    assert [str(each) for each in chain] == ["refused: ***", "while ***", "[Errno 2] no ***: 'https://x?k=***'"]
    assert made.__cause__.__notes__ == ["note ***"]  # type: ignore[union-attr]
    assert not leaks([repr(each) for each in chain], KEY)
    assert isinstance(made.args[0], str)


def test_an_error_of_several_lines_keeps_its_parts() -> None:
    remember(KEY)
    error = ConfigError([Problem(Position(Path("a.yaml"), 3, 5), "a.b", f"is {KEY}", "do")])
    assert str(error) == "a.yaml:3:5: a.b: is ***; do"


def test_errors_in_a_group_and_in_a_ring_are_cleaned() -> None:
    remember(KEY)
    first, second = ValueError(KEY), TypeError(f"{KEY}", 5)
    first.__cause__, second.__cause__ = second, first
    clean(ExceptionGroup("several", [first, second]))
    assert (str(first), second.args) == ("***", ("***", 5))
    clean(None)


def test_many_threads_remember_and_scrub() -> None:
    values = [f"secret-number-{n:03}-of-many" for n in range(60)]
    wrong: list[str] = []

    def work(mine: list[str]) -> None:
        for value in mine:
            remember(value)
            if value in scrub(f"<{value}>"):
                wrong.append(value)

    threads = [threading.Thread(target=work, args=(values[n::6],)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert scrub(" ".join(values)) == " ".join(["***"] * 60)


def test_forgetting() -> None:
    remember(KEY)
    forget()
    assert scrub(KEY) == KEY


def test_a_long_text_and_many_secrets_take_no_time_to_speak_of() -> None:
    """Measured: 60 ms for a megabyte; what is asked here is that it does not grow with the number of secrets times the
    length of the text, nor explode."""
    for _ in range(50):
        remember(base64.b64encode(os.urandom(64)).decode())
    text = (Path(__file__).read_text(encoding="utf-8") * 100)[:1_000_000]
    scrub("compiled")
    began = time.perf_counter()
    assert scrub(text)
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(
    "secret",
    [
        "\\" * 60,
        "\\'" * 40,
        "'" * 60,
        "'\"" * 40,
        "\n" * 60 + "ab12",
        "\n " * 40 + "ab12",
        "%25" * 40,
        "&amp;" * 40,
        "+ " * 40,
        "a" * 3000,
        "é\\\n" * 40,
    ],
)
def test_no_secret_makes_the_search_explode(secret: str) -> None:
    remember(secret)
    almost = secret[: -len(secret) // 20 or -1]
    began = time.perf_counter()
    for written in (almost, repr(almost), json.dumps(almost), quote(almost), html.escape(almost), shlex.quote(almost)):
        scrub(f"{written}~{written}~" + written * 3 + "~")
    assert time.perf_counter() - began < 10


def test_a_process_without_secrets_loads_nothing_for_them() -> None:
    code = "import odibi, sys; from odibi.secrets import scrub; scrub('x' * 99)"
    code += "; assert 'odibi.secret_forms' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
