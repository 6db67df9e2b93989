"""Count what unetscope makes of the odd files, as Markdown.

    python -m tests.integration.odd_files.report > docs/odd_files.md

Needs unetscope with the extras ``test``; the other libraries' answers are in ``expected.json``. Exits with 1
if any file is read or refused otherwise than expected.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from typing import Any

from . import compare, table

INTRODUCTION = """\
# Odd files

What `unetscope.io.read` makes of files that readers stumble over: those that come with pydicom,
pydicom-data, highdicom and dcmqi, and PngSuite. Of each image that is read, axes, shape, type and every value
are those that other libraries find: SimpleITK and, apart from it, imagecodecs or NumPy; pypng for PNG. So are
spacing and place in the patient where a DICOM file states them. `tests/integration/odd_files` computes, tests
and counts.
"""


def page(lines: dict[str, dict[str, Any]], wrong: dict[str, list[str]]) -> str:
    """Write the page.

    Parameters
    ----------
    lines : dict
        The table of what is expected.
    wrong : dict
        What is not as expected, by file.
    """
    parts = [INTRODUCTION, _counts(lines, wrong), _refused(lines), _settled(lines)]
    parts += [f"- WRONG: `{key}`: {'; '.join(found)}\n" for key, found in wrong.items()]
    return "\n".join(parts)


def main() -> int:
    """Read all files, print the page and return how many are wrong."""
    lines, files = table.load(), table.odd_files()
    wrong = {key: found for key, line in lines.items() if (found := compare.problems(line, files[key]))}
    sys.stdout.write(page(lines, wrong))
    return len(wrong)


def _counts(lines: dict[str, dict[str, Any]], wrong: dict[str, list[str]]) -> str:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for key, line in lines.items():
        outcome = "wrong" if key in wrong else "refused" if "error" in line else "read"
        collection = "png-odd" if key.startswith("png-odd") else "/".join(key.split("/")[:2])
        for name in (collection, "all"):
            counts[name].update([outcome, "files"])
    columns = ["files", "read", "refused", "wrong"]
    rows = [[name, *(str(counts[name][column]) for column in columns)] for name in sorted(counts, key=_last)]
    return _markdown(["collection", *columns], rows)


def _last(name: str) -> tuple[bool, str]:
    return name == "all", name


def _refused(lines: dict[str, dict[str, Any]]) -> str:
    reasons: dict[str, list[str]] = defaultdict(list)
    for key, line in lines.items():
        if "error" in line:
            reasons[line["why"]].append(key.rsplit("/", 1)[-1])
    rows = [
        [str(len(names)), reason, ", ".join(names) if len(names) < 8 else f"{', '.join(names[:3])}, …"]
        for reason, names in sorted(reasons.items(), key=lambda item: -len(item[1]))
    ]
    return "## Refused, with one sentence\n\n" + _markdown(["files", "because it", "names"], rows)


def _settled(lines: dict[str, dict[str, Any]]) -> str:
    rows = [
        [key.rsplit("/", 1)[-1], line["oracle"], line["why"]]
        for key, line in lines.items()
        if "why" in line and "error" not in line
    ]
    head = "## Where one library is silent or another one differs\n\n"
    return head + _markdown(["file", "as read by", "because"], rows)


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    cells = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


if __name__ == "__main__":
    sys.exit(main() > 0)
