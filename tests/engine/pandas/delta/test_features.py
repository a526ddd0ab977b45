"""Tables whose features ask more of a reader or writer than plain Parquet files."""

from __future__ import annotations

import base64
import json
import struct

import pytest

from odibi.errors import DataError, UnsupportedError

PLAIN = {"minReaderVersion": 1, "minWriterVersion": 2}


def field(name, type="integer", nullable=True, **metadata):
    return {"name": name, "type": type, "nullable": nullable, "metadata": metadata}


def make_log(lake, fields, protocol, configuration=None, name="t", adds=(), partition_by=()):
    """A table by its log alone."""
    log = lake.path(name) / "_delta_log"
    log.mkdir(parents=True)
    metadata = {
        "id": "6f6e31f2-9122-460f-875a-6b8ba9f6c179",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps({"type": "struct", "fields": fields}),
        "partitionColumns": list(partition_by),
        "createdTime": 1700000000000,
        "configuration": configuration or {},
    }
    actions = [{"commitInfo": {"timestamp": 1700000000000}}, {"protocol": protocol}, {"metaData": metadata}, *adds]
    (log / f"{0:020}.json").write_text("\n".join(map(json.dumps, actions)))


def protocol(*features, reader=()):
    if not reader:
        return {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": list(features)}
    writer = [*features, *reader]
    return {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": list(reader), "writerFeatures": writer}


def add(lake, file, sql, **facts):
    """A data file and its action."""
    path = lake.path() / file
    path.parent.mkdir(parents=True, exist_ok=True)
    ((rows,),) = lake.session.execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet)")
    return {"add": action_of(path, file, rows) | facts}


def action_of(path, file, rows):
    stats = json.dumps({"numRecords": rows})
    size = path.stat().st_size
    return {
        "path": file,
        "partitionValues": {},
        "size": size,
        "modificationTime": 1,
        "dataChange": True,
        "stats": stats,
    }


def deletion_vector(*rows):
    """An inline deletion vector of rows below 65536."""
    values = struct.pack(f"<{len(rows)}H", *rows)
    bitmap = struct.pack("<IIHHI", 12346, 1, 0, len(rows) - 1, 16) + values
    data = struct.pack("<IQI", 1681511377, 1, 0) + bitmap
    data += bytes(-len(data) % 4)
    alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
    own = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
    text = base64.b85encode(data).decode().translate(str.maketrans(own, alphabet))
    return {"storageType": "i", "pathOrInlineDv": text, "sizeInBytes": len(data), "cardinality": len(rows)}


def test_deletion_vectors_are_applied(lake):
    lake.path().mkdir(parents=True)
    adds = [add(lake, "a.parquet", "SELECT range::INT AS v FROM range(4)", deletionVector=deletion_vector(1, 2))]
    make_log_over(lake, [field("v")], protocol(reader=["deletionVectors"]), adds)
    assert lake.rows() == ["{'v': 0}", "{'v': 3}"]
    frame = lake.read()
    assert lake.texts(frame) == lake.texts(frame)
    assert lake.rows(filters=[["v", ">", 0]]) == ["{'v': 3}"]
    lake.write("SELECT 9 AS v", mode="append")
    assert lake.rows() == ["{'v': 0}", "{'v': 3}", "{'v': 9}"]
    lake.write("SELECT 7 AS v")
    assert lake.rows() == ["{'v': 7}"]


def make_log_over(lake, fields, protocol, adds, configuration=None, partition_by=()):
    make_log(lake, fields, protocol, configuration, adds=adds, partition_by=partition_by)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("mode", ["name", "id"])
def test_column_mapping_is_never_read_as_null(lake, mode, version):
    lake.path().mkdir(parents=True)
    ids = {"a": 1, "b": 2}
    fields = [
        field("the a", **{"delta.columnMapping.id": ids["a"], "delta.columnMapping.physicalName": "col-1"}),
        field("b", "string", **{"delta.columnMapping.id": ids["b"], "delta.columnMapping.physicalName": "col-2"}),
    ]
    path = lake.path() / "a.parquet"
    sql = 'SELECT 7 AS "col-1", \'x\' AS "col-2"'
    lake.session.execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet, FIELD_IDS {{'col-1': 1, 'col-2': 2}})")
    adds = [{"add": action_of(path, "a.parquet", 1)}]
    spoken = {"minReaderVersion": 2, "minWriterVersion": 5} if version == 2 else protocol(reader=["columnMapping"])
    properties = {"delta.columnMapping.mode": mode, "delta.columnMapping.maxColumnId": "2"}
    make_log(lake, fields, spoken, properties, adds=adds)
    assert lake.rows() == ["{'the a': 7, 'b': x}"]
    assert lake.rows(filters=[["the a", "=", 7]]) == ["{'the a': 7, 'b': x}"]


def test_widened_types_are_read(lake):
    lake.path().mkdir(parents=True)
    adds = [add(lake, "a.parquet", "SELECT 1::INT AS v"), add(lake, "b.parquet", "SELECT 5000000000 AS v")]
    make_log(lake, [field("v", "long")], protocol(reader=["typeWidening"]), adds=adds)
    assert lake.rows() == ["{'v': 1}", "{'v': 5000000000}"]
    with pytest.raises(UnsupportedError, match=r"typeWidening.*--engine spark"):
        lake.write("SELECT 1::BIGINT AS v", mode="append")
    assert lake.files() == ["a.parquet", "b.parquet"]


@pytest.mark.parametrize("feature", ["rowTracking", "clustering", "inCommitTimestamp", "identityColumns", "collations"])
def test_what_delta_rs_can_not_write_is_named_and_nothing_is_left(lake, feature):
    make_log(lake, [field("v")], protocol(feature, "domainMetadata"))
    assert lake.rows() == []
    for mode in ("append", "overwrite"):
        with pytest.raises(UnsupportedError, match=rf"(?s)lake:t has the Delta feature .*{feature}.*--engine spark"):
            lake.write("SELECT 1 AS v", mode=mode)
    assert lake.files() == []


def test_a_reader_feature_that_nobody_knows(lake):
    make_log(lake, [field("v")], protocol(reader=["fooBar"]))
    with pytest.raises(UnsupportedError, match="lake:t has the Delta feature fooBar"):
        lake.read()


def test_append_only_tables_take_appends_and_no_overwrite(lake):
    make_log(lake, [field("v")], PLAIN, {"delta.appendOnly": "true"})
    lake.write("SELECT 1 AS v", mode="append")
    with pytest.raises(UnsupportedError, match=r"append-only \(delta.appendOnly\)"):
        lake.write("SELECT 2 AS v")
    assert lake.rows() == ["{'v': 1}"]


def test_constraints_are_honoured(lake):
    make_log(lake, [field("v")], {"minReaderVersion": 1, "minWriterVersion": 3}, {"delta.constraints.small": "v < 10"})
    lake.write("SELECT 1 AS v", mode="append")
    for mode in ("append", "overwrite"):
        with pytest.raises(DataError, match=r"1 rows break a constraint of the table \(small: v < 10\)"):
            lake.write("SELECT 11 AS v", mode=mode)
    assert lake.rows() == ["{'v': 1}"]


def test_columns_that_may_not_be_null(lake):
    make_log(lake, [field("v", nullable=False), field("w")], PLAIN)
    lake.write("SELECT 1 AS v", mode="append")
    with pytest.raises(DataError, match="v is never NULL"):
        lake.write("SELECT 1 AS w", mode="append")
    assert lake.rows() == ["{'v': 1, 'w': NULL}"]


def test_generated_columns_are_computed(lake):
    fields = [field("v"), field("twice", **{"delta.generationExpression": "v * 2"})]
    make_log(lake, fields, {"minReaderVersion": 1, "minWriterVersion": 4})
    lake.write("SELECT 4 AS v", mode="append")
    assert lake.rows() == ["{'v': 4, 'twice': 8}"]


def test_the_first_zoneless_time_upgrades_the_protocol(any_lake):
    any_lake.write("SELECT 1 AS v")
    any_lake.write("SELECT 2 AS v, TIMESTAMP '2024-01-01 00:00:00' AS at")
    any_lake.write("SELECT 3 AS v, TIMESTAMP '2024-01-01 00:00:00' AS at", mode="append")
    assert any_lake.types() == {"v": "int", "at": "timestamp_ntz"}
    assert len(any_lake.rows()) == 2


def test_overwriting_keeps_the_tables_properties_and_comments(lake):
    properties = {"delta.logRetentionDuration": "interval 9 days"}
    make_log(lake, [field("v", comment="kept")], PLAIN, properties)
    lake.write("SELECT 1 AS v, 2 AS w")
    lake.write("SELECT 1 AS v, TIMESTAMP '2024-01-01 00:00:00' AS at", partition_by=["v"])
    from deltalake import DeltaTable

    table = DeltaTable(str(lake.path()))
    assert table.metadata().configuration == properties
    assert table.schema().fields[0].metadata == {"comment": "kept"}


def test_files_that_lack_columns_or_hold_other_times(lake):
    lake.path().mkdir(parents=True)
    adds = [
        add(lake, "a.parquet", "SELECT 1::INT AS v"),
        add(lake, "b.parquet", "SELECT TIMESTAMP '2024-01-01 00:00:00' AS at, 2::INT AS V"),
    ]
    make_log(lake, [field("v", "long"), field("at", "timestamp"), field("never", "string")], PLAIN, adds=adds)
    assert lake.rows() == [
        "{'v': 1, 'at': NULL, 'never': NULL}",
        "{'v': 2, 'at': '2024-01-01 00:00:00+00', 'never': NULL}",
    ]


def test_partition_values_come_from_the_log_not_from_folder_names(lake):
    lake.path().mkdir(parents=True)
    adds = [
        add(lake, "k=wrong/a.parquet", "SELECT 1::INT AS v", partitionValues={"k": "right"}),
        add(lake, "b.parquet", "SELECT 2::INT AS v", partitionValues={"k": None}),
        add(lake, "x y/c.parquet", "SELECT 3::INT AS v", partitionValues={"k": "c"}, path="x%20y/c.parquet"),
    ]
    make_log(lake, [field("v"), field("k", "string")], PLAIN, adds=adds, partition_by=["k"])
    assert lake.rows() == ["{'v': 1, 'k': right}", "{'v': 2, 'k': NULL}", "{'v': 3, 'k': c}"]
    assert lake.rows(filters=[["k", "=", "c"]]) == ["{'v': 3, 'k': c}"]
