"""The live display on a terminal: nodes that ended scroll by, nodes that run stay at the bottom. Drawn by rich."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import Any

from odibi.cli.display import PlainDisplay
from odibi.cli.text import printable, seconds
from odibi.events import Event, NodeFinished, NodeRetried, NodeStarted, PipelineFinished, PipelineStarted
from odibi.secrets import scrub

MAX_RUNNING = 8
COLOURS = {"completed": "green", "failed": "bold red", "skipped": "yellow", "interrupted": "yellow"}


@dataclass
class LiveDisplay(PlainDisplay):
    """Draws with rich; the lines of ended nodes are those of the plain display."""

    pipeline: str = ""
    total: int = 0
    done: int = 0
    began: float = 0.0
    running: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    hint: str = ""
    _live: Any = None

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, PipelineStarted):
            self.pipeline, self.total, self.done, self.began = event.pipeline, len(event.nodes), 0, time.monotonic()
            self.open()
        elif isinstance(event, NodeStarted):
            self.running[event.node] = time.monotonic()
        elif isinstance(event, NodeRetried):
            self.notes[event.node] = f"attempt {event.attempt} failed, again in {event.wait:g} s"
        elif isinstance(event, NodeFinished):
            self.done += 1
            self.running.pop(event.record.name, None)
            self.notes.pop(event.record.name, None)
        super().__call__(event)
        if isinstance(event, PipelineFinished):
            self.close()

    def open(self) -> None:
        """Begin to draw."""
        if self._live is None:
            from rich.console import Console
            from rich.live import Live

            console = Console(stderr=True, highlight=False)
            prints = sys.stdout is not None and sys.stdout.isatty()  # what a user's function prints goes above
            self._live = Live(self, console=console, refresh_per_second=8, transient=True, redirect_stdout=prints)
            self._live.start()

    def notice(self, text: str) -> None:
        """Show a text with what is drawn next; a signal handler must not draw itself."""
        self.hint = text

    def close(self) -> None:
        """Stop drawing; what scrolled by stays."""
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()

    def print(self, text: str) -> None:
        """Print above what is drawn."""
        if self._live is None:
            super().print(text)
        else:
            self._live.console.print(_plain(scrub(text)), soft_wrap=True)

    def __rich__(self) -> Any:
        """What is drawn at the bottom: a bar and the nodes that run."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        head = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=max(self.total, 1), completed=self.done, width=30)
        counts = f"{self.done}/{self.total} nodes  {seconds(time.monotonic() - self.began)}"
        head.add_row(Text(printable(scrub(self.pipeline)), "bold"), bar, Text(counts, "dim"))
        now = time.monotonic()
        lines: list[Any] = []
        for name, since in list(self.running.items())[:MAX_RUNNING]:
            note = f"  {self.notes[name]}" if name in self.notes else ""
            spinner = Spinner("line", Text(f"{printable(scrub(name))}  {seconds(now - since)}{note}"), style="cyan")
            spinner.start_time = since
            lines.append(spinner)
        if len(self.running) > MAX_RUNNING:
            lines.append(Text(f"  and {len(self.running) - MAX_RUNNING} more", "dim"))
        if self.hint:
            lines.append(Text(self.hint, "yellow"))
        return Group(*lines, head)


def _plain(text: str) -> Any:
    """A text that rich prints as it is, with the colour of its mark."""
    from rich.text import Text

    from odibi.cli.ui import ASCII, UNICODE

    styled = Text(text)
    for status, colour in COLOURS.items():
        if text[:2] in (f"{UNICODE.of(status)} ", f"{ASCII.of(status)} "):
            styled.stylize(colour, 0, 1)
    return styled
