"""Refresh the output shown in the READMEs and in docs/; tests check that it is up to date.

    python tests/readme.py

After ``<!-- run: archcalc ... -->`` the fenced block contains the output of the command, in a
``console`` block after the command itself. Between ``<!-- made: NAME -->`` and ``<!-- end -->`` is
the output of ``made_NAME`` below.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

from archcalc.report.sections.conventions import FLOPS, MACS, MODE

ROOT = Path(__file__).resolve().parent.parent
FILES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
DOCS = sorted((ROOT / "docs").glob("*.md"))
REPAIR = "repair it with: python tests/readme.py"
WITH_TORCH = [
    ROOT / "docs" / name for name in ("counters.md", "formulas-torch.md", "huggingface.md")
]
"""Pages whose commands need torch and the other counters."""
SHOWN = re.compile(
    r"(<!-- run: (archcalc [^\n]*) -->\n```(\w*)\n).*?(^```$)", re.DOTALL | re.MULTILINE
)
ONCE = "<!-- footnotes once -->"
"""Marks a page that shows repeated footnotes only once."""
FOOTNOTES = (
    f"{MACS} {FLOPS}",
    MODE.format(batch=1, mode="evaluation"),
)
VERSION = re.compile(
    r"\b(archcalc|fvcore|ptflops|thop|timm|torch|torchinfo|torchvision)\s\d+(?:\.\w+)+(?:\+\w+)?"
)
MADE = re.compile(r"(<!-- made: (\w+) -->\n).*?(^<!-- end -->$)", re.DOTALL | re.MULTILINE)


def refreshed(text: str) -> str:
    """Return the text with the present output of every command."""

    said = outputs(commands(text))

    def shown(found: re.Match[str]) -> str:
        prompt = f"$ {found[2]}\n" if found[3] == "console" else ""
        return found[1] + prompt + said[found[2]] + found[4]

    text = SHOWN.sub(shown, text)
    if ONCE in text:
        text = _without_repeated(text)
    return MADE.sub(lambda found: f"{found[1]}\n{MAKERS[found[2]]()}\n{found[3]}", text)


def _without_repeated(text: str) -> str:
    """Return the text with each footnote only at its first place."""
    for footnote in FOOTNOTES:
        note = f"{textwrap.fill(footnote, 80)}\n"
        first, found, rest = text.partition(note)
        text = first + found + rest.replace(note, "")
    return text.replace("\n\n```\n", "\n```\n")


def without_versions(text: str) -> str:
    """Return the text as one line, without package versions.

    New releases are frequent, and a longer version number changes where a paragraph wraps.
    """
    return re.sub(r"\s*\n", " ", VERSION.sub(r"\1 VERSION", text))


def commands(text: str) -> list[str]:
    return [found[1] for found in SHOWN.findall(text)]


RUN_ALL = """
import contextlib, io, json, sys
from archcalc.cli import run
found = []
for line in json.load(sys.stdin):
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        try:
            code = run(line)
        except SystemExit as end:
            code = end.code
    if code:
        sys.exit(f"archcalc {' '.join(line)} ended with {code}")
    found.append(text.getvalue())
json.dump(found, sys.stdout)
"""


def outputs(lines: Iterable[str]) -> dict[str, str]:
    """What each command prints. They share a process, except those that load formulas, which
    later commands would have too."""
    groups: list[list[str]] = [[]]
    for line in dict.fromkeys(lines):
        if "--formulas" in line:
            groups.append([line])
        else:
            groups[0].append(line)
    found: dict[str, str] = {}
    for group in filter(None, groups):
        done = subprocess.run(
            [sys.executable, "-c", RUN_ALL],
            input=json.dumps([shlex.split(line)[1:] for line in group]),
            capture_output=True,
            encoding="utf-8",
            check=False,
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name != "COLUMNS"},
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        found |= dict(zip(group, json.loads(done.stdout), strict=True))
    return found


def made_operators() -> str:
    """Return the operator table."""
    from archcalc.ops import TABLE
    from archcalc.ops.formula import USERS

    rows = [
        (
            f"`{name}`",
            operator.kind,
            operator.formula or ("free" if operator.free else ""),
            operator.free,
        )
        for name, operator in sorted(TABLE.items(), key=lambda row: (row[1].kind, row[0]))
        if name not in USERS
    ]
    return _markdown(("operator", "kind", "counted work", "free, because"), rows)


def made_counters() -> str:
    """Return the convention of each counter."""
    from archcalc.analysis.conventions import CONVENTIONS

    rows = [
        (
            f"`{each.name}`",
            each.tool,
            each.unit,
            each.describes,
            "modules" if each.by_module else "",
        )
        for each in CONVENTIONS.values()
    ]
    return _markdown(("convention", "who", "unit", "counts", "looks at"), rows)


def made_commands() -> str:
    """Return the help of every command."""
    from archcalc.cli import COMMANDS

    helps = outputs(f"archcalc {name} --help" for name in sorted(COMMANDS))
    return "\n".join(
        f"## {name}\n\n```text\n{helps[f'archcalc {name} --help']}```\n"
        for name in sorted(COMMANDS)
    )


def made_deform_conv2d() -> str:
    """Return the code of one operator with its own kernel, as a diff."""
    row = _pieces("archcalc/ops/detection.py", "BILINEAR", "deform_work", "DEFORM_CONV2D")
    handler = _pieces("archcalc/pytorch/trace/aten.py", "deform_conv2d")
    alias = '    **aliases("deform_conv2d", "torchvision::deform_conv2d"),'
    assert alias in (ROOT / "archcalc/pytorch/trace/aten.py").read_text(encoding="utf-8")
    files = (
        ("archcalc/ops/detection.py", row),
        ("archcalc/pytorch/trace/aten.py", [f" ALIASES: dict[str, str] = {{\n+{alias}", *handler]),
    )
    return "\n".join(
        ["```diff", *("\n".join([f"+++ {name}", *each]) for name, each in files), "```"]
    )


def _pieces(path: str, *names: str) -> list[str]:
    """Return definitions of a file as added lines of a diff."""
    text = (ROOT / path).read_text(encoding="utf-8")
    lines, found = text.splitlines(), {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            first = node.decorator_list[0].lineno if node.decorator_list else node.lineno
            found[node.name] = lines[first - 1 : node.end_lineno]
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = lines[node.lineno - 1 : node.end_lineno]
    return ["\n".join(f"+{line}".rstrip() for line in found[name]) for name in names]


def made_huggingface() -> str:
    """Return how many architectures of transformers have torch's counts."""
    from collections import Counter

    lines = (ROOT / "benchmarks" / "huggingface.txt").read_text(encoding="utf-8").splitlines()
    words = Counter(re.split("[:,]", line.split(": ", 1)[1])[0] for line in lines)
    kinds = ("equal", "experts", "differs", "uncompared", "failed")
    row = (str(len(lines)), *(str(words[kind]) for kind in kinds))
    return _markdown(("tried", *kinds), [row])


MAKERS = {
    "huggingface": made_huggingface,
    "operators": made_operators,
    "counters": made_counters,
    "commands": made_commands,
    "deform_conv2d": made_deform_conv2d,
}


def _markdown(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines
    )


def main() -> None:
    for path in FILES + DOCS:
        before = path.read_text(encoding="utf-8")
        after = refreshed(before)
        if without_versions(after) != without_versions(before):
            path.write_text(after, encoding="utf-8")
            print(f"refreshed {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
