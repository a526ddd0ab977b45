"""Stories whose every text is chosen by a test, and texts that try to become markup."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from odibi.events import (
    CheckRecord,
    ColumnRecord,
    ErrorRecord,
    NodeInfo,
    NodeRecord,
    NodeRetried,
    PipelineFinished,
    ReadRecord,
    RunInfo,
    StepRecord,
    StorySettings,
    WriteRecord,
)
from odibi.story.model import Data, PipelineFacts, build_story

START = datetime(2025, 1, 1, tzinfo=UTC)
BREAKERS = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "--><svg onload=1>",
    "' onclick='x",
    '" autofocus x="',
    "]]>",
    "</style>",
    "</title>",
    "javascript:alert(1)",
    "| a | b |",
    "`` ` ```",
    "```\n# x\n```",
    "[a](http://b.c)",
    "![x](y)",
    "@user #12 !34 GH-5",
    "www.example.com https://example.com a@b.co",
    "\\|\\",
    "<!-- ",
    "&lt;b&gt;",
    "\u202e\u0000\x1b[31m",
    "\ud800",
    "# h\n- x\n1. y\n\n    code",
    "$x$ :smile: *a* _b_ ~~c~~",
    "\r\n\r\n<b>",
    "|",
    "\n",
    " ",
]
texts = st.one_of(
    st.sampled_from(BREAKERS),
    st.lists(st.sampled_from([*BREAKERS, "a", "B", "0"]), min_size=1, max_size=3).map("".join),
    st.text(min_size=1, max_size=30),
)


def story(text: Callable[[int], str], settings: StorySettings | None = None) -> Data:
    """A story of two nodes, the second with everything, whose nth text is `text(n)`, made unique by its number."""
    used = iter(range(1_000))

    def new() -> str:
        number = next(used)
        return f"{text(number)}{number}"

    first, second, column, nested = new(), new(), new(), new()
    rows: list[dict[str, Any]] = [
        {column: new(), nested: {new(): [new(), 1]}, "n": 1},
        {column: None, nested: {}, "n": 2.5},
    ]
    columns = [ColumnRecord(column, new()), ColumnRecord(nested, new()), ColumnRecord("n", "int")]
    records = [
        NodeRecord(first, "p", started=START, streamed=True, description=new(), columns=[ColumnRecord(column, new())]),
        NodeRecord(
            second,
            "p",
            status="failed",
            description=new(),
            depends_on=[first],
            kinds=["read", "write"],
            started=START,
            duration=0.5,
            rows=2,
            rows_in={first: None},
            columns=columns,
            columns_in={first: [ColumnRecord(new(), new())]},
            sample=rows,
            read=ReadRecord(new(), new(), {new(): new()}),
            steps=[StepRecord("sql", new(), new(), 0.1, new())],
            checks=[CheckRecord(new(), "warned", 1, 2, new(), [{new(): new()}])],
            write=WriteRecord(new(), "delta", "append", True, 2, 1, 10, [new()], 1, 0, 1, [new()]),
            retries=1,
            warnings=[new()],
            error=ErrorRecord(new(), new(), new(), new(), new(), new()),
            reason=new(),
        ),
    ]
    run = RunInfo(
        new(),
        START,
        new(),
        new(),
        new(),
        new(),
        new(),
        new(),
        new(),
        {new(): new()},
        new(),
        new(),
        new(),
        [new(), new()],
    )
    finished = PipelineFinished(new(), "failed", START, 1.0, records, [new()], new())
    infos = [NodeInfo(record.name, record.depends_on, record.kinds, "", new(), new()) for record in records]
    facts = PipelineFacts(
        run, finished, START, {}, infos, new(), new(), [NodeRetried("p", second, 1, 0.1, new())], None, new(), [new()]
    )
    return build_story(facts, settings or StorySettings())
