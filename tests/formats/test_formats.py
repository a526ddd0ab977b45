"""The vocabulary of formats and options."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi.errors import UnknownNameError
from odibi.formats import FORMATS, SUFFIXES, format_of, normalise_options
from odibi.formats.dates import strftime_of

SIDES = [(name, side) for name in FORMATS for side in ("read", "write")]


@pytest.mark.parametrize(
    ("path", "format"),
    [
        ("a.csv", "csv"),
        ("a.CSV", "csv"),
        ("d.v1/a.csv.gz", "csv"),
        ("a.tsv", "csv"),
        ("raw/*.csv", "csv"),
        ("a.parquet", "parquet"),
        ("a.json", "json"),
        ("a.jsonl.zst", "json"),
        ("a.xlsx", "excel"),
        ("a.avro", "avro"),
        ("sales", "delta"),
        ("v1.2", "delta"),
        ("sales.delta", "delta"),
        ("flights.csv.zip", "csv"),
        ("a.zip", "delta"),
        ("a.parquet.gz", "delta"),
        ("d\\a.csv", "csv"),
    ],
)
def test_the_suffix_decides(path, format):
    assert format_of(path) == format


def test_what_is_said_wins():
    assert format_of("a.csv", "Parquet") == "parquet"
    assert format_of("a", "jsonl") == "json"
    with pytest.raises(UnknownNameError, match="unknown format 'parket'; did you mean 'parquet'"):
        format_of("a", "parket")


def test_suffixes_are_those_of_the_formats():
    assert {suffix: name for name in FORMATS for suffix in FORMATS[name].suffixes} == SUFFIXES


@pytest.mark.parametrize(("format", "side"), SIDES)
def test_names_and_aliases_are_told_apart(format, side):
    names = [
        name.lower() for option in FORMATS[format].options(side).values() for name in (option.name, *option.aliases)
    ]
    for option in FORMATS[format].options(side).values():
        own = {name.lower() for name in (option.name, *option.aliases)}
        others = [
            name
            for other in FORMATS[format].options(side).values()
            if other is not option
            for name in (other.name, *other.aliases)
        ]
        assert not own & {name.lower() for name in others}
        assert option.doc
    assert names


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ({"sep": ";"}, {"delimiter": ";"}),
        ({"sep": "\\t"}, {"delimiter": "\t"}),
        ({"header": 0}, {"header": True}),
        ({"header": None}, {"header": False}),
        ({"header": "true", "inferSchema": "FALSE"}, {"header": True, "infer_schema": False}),
        ({"na_values": "NA"}, {"null_values": ("NA",)}),
        ({"nullValue": ["NA", -1]}, {"null_values": ("NA", "-1")}),
        (
            {"dtype": {"a": str, "b": "Int64", "c": "int", "d": "float"}},
            {"types": {"a": "string", "b": "bigint", "c": "int", "d": "float"}},
        ),
        ({"usecols": ["a"], "skiprows": 2}, {"columns": ("a",), "skip_rows": 2}),
        ({"encoding": "Latin1"}, {"encoding": "iso8859-1"}),
        ({"dateFormat": "dd/MM/yyyy"}, {"date_format": "dd/MM/yyyy"}),
        ({"multiLine": True}, {"multiline": True}),
        ({"quote": None}, {"quote": ""}),
    ],
)
def test_familiar_names(given, canonical):
    assert normalise_options("csv", "read", given) == (canonical, [])


@pytest.mark.parametrize(
    ("given", "what", "hint"),
    [
        (
            {"delimeter": ";"},
            "unknown option 'delimeter' for reading csv",
            "did you mean 'delimiter'? options that exist: columns, comment",
        ),
        ({"quote_all": True}, "unknown option 'quote_all' for reading csv", "it is an option of the write"),
        ({"sep": ",", "delimiter": ";"}, "'delimiter' and 'sep' are the same option", "keep one"),
        ({"header": "maybe"}, "must be true or false, not 'maybe'", ""),
        ({"header": 2}, "use skip_rows: 2", ""),
        ({"skip_rows": -1}, "must be a whole number, 0 or more, not -1", ""),
        ({"skip_rows": True}, "must be a whole number", ""),
        ({"delimiter": ""}, "must be one character", ""),
        ({"encoding": "klingon"}, "not an encoding that Python knows", ""),
        ({"date_format": "dd/QQ/yyyy"}, "'QQ'", ""),
        ({"compression": "rar"}, "must be one of auto, none, gzip", ""),
        ({"types": {"a": "bigbig"}}, "unknown type 'bigbig'", ""),
        ({"types": ["a"]}, "a mapping of columns to types", ""),
    ],
)
def test_mistakes(given, what, hint):
    _, [(key, message, said)] = normalise_options("csv", "read", given)
    assert key in given
    assert what in message
    assert hint in said


def test_delta_options():
    options, mistakes = normalise_options(
        "delta",
        "read",
        {
            "versionAsOf": "3",
            "filters": [["a", "==", 1], ["b", "NOT  IN", [1, 2]]],
        },
    )
    assert not mistakes
    assert options == {
        "version_as_of": 3,
        "filters": (("a", "=", 1), ("b", "not in", (1, 2))),
    }
    assert normalise_options("delta", "read", {"timestampAsOf": "2024-01-02 03:00:00+02:00"})[0] == {
        "timestamp_as_of": "2024-01-02T01:00:00+00:00"
    }
    assert normalise_options("delta", "read", {"timestampAsOf": dt.date(2024, 1, 2)})[0] == {
        "timestamp_as_of": "2024-01-02T00:00:00+00:00"
    }
    assert normalise_options("delta", "write", {"partitionBy": "year"})[0] == {"partition_by": ("year",)}


def test_table_properties():
    given = {"tblproperties": {"delta.appendOnly": True, "delta.checkpointInterval": 20}}
    options, mistakes = normalise_options("delta", "write", given)
    assert not mistakes
    assert options == {"table_properties": {"delta.appendOnly": "true", "delta.checkpointInterval": "20"}}


@pytest.mark.parametrize(
    ("name", "value", "takes"),
    [
        ("delta.appendOnly", "yes", "true or false"),
        ("delta.checkpointInterval", "ten", "a whole number"),
        ("delta.logRetentionDuration", "soon", "a period like 'interval 30 days'"),
        ("delta.deletedFileRetentionDuration", 30, "a period like 'interval 30 days'"),
    ],
)
def test_properties_that_no_other_engine_could_read(name, value, takes):
    mistakes = normalise_options("delta", "write", {"table_properties": {name: value}})[1]
    assert mistakes == [("table_properties", f"{name} can not be {str(value)!r}", f"it takes {takes}")]


def test_values_that_properties_take():
    given = {"delta.logRetentionDuration": "INTERVAL 1 week 2 days", "delta.appendOnly": True, "delta.mine": "x"}
    assert not normalise_options("delta", "write", {"table_properties": given})[1]


@pytest.mark.parametrize(
    ("properties", "allowed", "feature"),
    [
        ({"delta.enableDeletionVectors": True}, [], "deletionVectors"),
        ({"delta.columnMapping.mode": "name"}, ["deletionVectors"], "columnMapping"),
        ({"delta.feature.variantType-preview": "supported"}, [], "variantType-preview"),
        ({"delta.checkpointPolicy": "v2"}, [], "v2Checkpoint"),
    ],
)
def test_properties_that_turn_features_on_are_announced(properties, allowed, feature):
    given = {"table_properties": properties, "allow_features": allowed}
    _, [(key, what, hint)] = normalise_options("delta", "write", given)
    assert key == "table_properties"
    assert f"turns on the Delta feature {feature}" in what
    assert f"allow_features: [{feature}]" in hint
    assert not normalise_options("delta", "write", {**given, "allow_features": [*allowed, feature]})[1]


def test_properties_that_turn_a_feature_off_are_fine():
    given = {"table_properties": {"delta.enableDeletionVectors": "false", "delta.columnMapping.mode": "none"}}
    assert not normalise_options("delta", "write", given)[1]


@pytest.mark.parametrize(
    ("format", "options", "what"),
    [
        ("csv", {"names": ["a"]}, "option 'names' goes with header: false only"),
        ("excel", {"header": True, "names": ["a"]}, "option 'names' goes with header: false only"),
        ("csv", {"sample_size": 0}, "must be a whole number, 1 or more"),
        ("delta", {"version": 1, "timestampAsOf": "2024-01-01"}, "'version' and 'timestampAsOf' exclude each other"),
        ("json", {"multiLine": True, "lines": True}, "'multiLine' and 'lines' exclude each other"),
        ("delta", {"version_as_of": -1}, "must be a whole number, 0 or more"),
        ("delta", {"filters": [["a", "<", None]]}, "needs a value for 'a' <; NULL goes with = and != only"),
        ("delta", {"timestamp_as_of": "yesterday"}, "must be a date or timestamp in ISO form"),
    ],
)
def test_values_and_pairs_that_are_wrong(format, options, what):
    _, [(key, message, _)] = normalise_options(format, "read", options)
    assert key == list(options)[-1]
    assert what in message


@pytest.mark.parametrize("option", ["quote", "escape"])
def test_csv_without_quotes_is_read_but_not_written(option):
    """A text that holds a delimiter or a quote would be torn apart."""
    assert normalise_options("csv", "read", {option: ""}) == ({option: ""}, [])
    _, [(_, message, _)] = normalise_options("csv", "write", {option: ""})
    assert "must be one ASCII character" in message


@pytest.mark.parametrize(
    "filters",
    [["a", "=", 1], [["a", "like", "x"]], [["a", "in", 1]], [["a", "=", [1]]], [["a", "="]], "a = 1"],
)
def test_filters_that_are_none(filters):
    assert normalise_options("delta", "read", {"filters": filters})[1]


@given(st.dictionaries(st.text(), st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.lists(st.text()))))
def test_no_value_breaks_the_reading_of_options(given):
    for format, side in SIDES:
        names = [option.name for option in FORMATS[format].options(side).values()]
        mixed = dict(zip([*names, *given], [*given.values(), *given.values()], strict=False))
        found, mistakes = normalise_options(format, side, mixed)
        assert set(found) <= set(names)
        assert len(found) + len(mistakes) >= len(mixed) - len(names)


@pytest.mark.parametrize(
    ("pattern", "strftime"),
    [
        ("dd/MM/yyyy", "%d/%m/%Y"),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "%Y-%m-%dT%H:%M:%S.%g%z"),
        ("%d.%m.%Y", "%d.%m.%Y"),
        ("d MMM yy h:mm a", "%-d %b %y %-I:%M %p"),
        ("yyyy''MM", "%Y'%m"),
    ],
)
def test_patterns(pattern, strftime):
    assert strftime_of(pattern) == strftime
