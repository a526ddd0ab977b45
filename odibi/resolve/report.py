"""What is wrong with a file, with places: each mistake once, in the order of the file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from odibi.config.loader import Document
from odibi.config.problems import Finding, Path, value_at
from odibi.config.repair import Damage
from odibi.errors import ConfigError, Position, Problem, suggest
from odibi.secrets import scrub


class Report:
    """Collects problems and warnings of one file. `damage` says which parts of it were wrong already."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.damage = Damage(unread=document.is_broken) if document.problems else Damage()
        self.warnings: list[str] = []
        self._problems: list[Problem] = list(document.problems)

    def add(self, path: Path, message: str, hint: str = "", *, offset: int | None = None, at_key: bool = False) -> None:
        """Note a mistake at a value (at its key with `at_key`), or at a character of a text."""
        locate = self.document.locate_key(path) if at_key else self.document.locate(path, offset)
        self._problems.append(Problem(locate, self.document.key_name(path), message, hint))

    def unknown(self, path: Path, kind: str, name: str, known: Iterable[str]) -> None:
        """Note a name that does not exist."""
        self.add(path, f"unknown {kind} {str(name)!r}", suggest(name, known))

    def add_finding(self, finding: Finding, base: Path = ()) -> None:
        """Note what a model found wrong in the mapping at `base`; a value that could not even be read is no news."""
        path = (*base, *finding.place)
        if finding.implied or self.damage.unread(path):
            return
        if finding.kind != "unknown":
            self.add(path, finding.message, finding.hint)
            return
        around = self.document.key_name(path[:-1])
        key = f"{around}.{finding.shown}" if around else finding.shown
        self._problems.append(Problem(self.document.locate_key(path), key, finding.message, finding.hint))

    def add_general(self, key: str, message: str, hint: str = "") -> None:
        """Note a mistake that stands in no file, such as in an argument."""
        self._problems.append(Problem(Position(), key, message, hint))

    def warn(self, path: Path, message: str, hint: str = "") -> None:
        """Note what is allowed and not wise."""
        problem = Problem(self.document.locate(path), self.document.key_name(path), message, hint)
        self.warnings.append(scrub(str(problem)))

    def raise_problems(self) -> None:
        """Raise ConfigError with all mistakes in the order of the file, if there are any."""
        if self._problems:
            files = {file: number for number, file in enumerate(self.document.files)}
            raise ConfigError(sorted(dict.fromkeys(self._problems), key=lambda problem: _order(problem, files)))

    def value(self, path: Path) -> Any:
        """The plain value at a path of the file."""
        return value_at(self.document.data, path)

    def path_of(self, base: Path, text: str) -> Path:
        """A path written as text (`ranges.amount`, `unique[0][1]`) inside the mapping at `base`, as a key path."""
        path, value = list(base), self.value(base)
        while text:
            part, text = _next_part(value, text)
            if part is None:
                break
            path.append(part)
            value = value_at(value, [part])
        return tuple(path)


def _next_part(value: Any, text: str) -> tuple[str | int | None, str]:
    """The first key or index of a path text that `value` has, and the rest of the text."""
    text = text.removeprefix(".")
    if isinstance(value, list) and text.startswith("["):
        number, _, rest = text[1:].partition("]")
        return (int(number), rest) if number.isdigit() else (None, "")
    keys: Sequence[str] = list(value) if isinstance(value, dict) else []
    fitting = [key for key in keys if text == key or (text.startswith(key) and text[len(key)] in ".[")]
    longest = max(fitting, key=len, default=None)
    return longest, text[len(longest) :] if longest is not None else ""


def _order(problem: Problem, files: dict[Any, int]) -> tuple[int, int, int]:
    position = problem.position
    return files.get(position.file, -1 if position.file is None else len(files)), position.line, position.column
