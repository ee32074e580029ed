"""Output shown in the READMEs comes from runs: this script refreshes it, a test keeps it fresh.

    python tests/readme.py

Between ``<!-- run: archcalc ... -->`` and the end of the fenced block that follows stands what the
command prints.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
SHOWN = re.compile(
    r"(<!-- run: (archcalc [^\n]*) -->\n```\w*\n).*?(^```$)", re.DOTALL | re.MULTILINE
)


def refreshed(text: str) -> str:
    """The same text with every command's output as it is now."""
    return SHOWN.sub(lambda found: found[1] + output(found[2]) + found[3], text)


def commands(text: str) -> list[str]:
    return [found[1] for found in SHOWN.findall(text)]


def output(command: str) -> str:
    arguments = shlex.split(command)[1:]
    done = subprocess.run(
        [sys.executable, "-m", "archcalc", *arguments],
        capture_output=True,
        encoding="utf-8",
        check=True,
        cwd=ROOT,
    )
    return done.stdout


def main() -> None:
    for path in FILES:
        before = path.read_text(encoding="utf-8")
        after = refreshed(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"refreshed {path.name}")


if __name__ == "__main__":
    main()
