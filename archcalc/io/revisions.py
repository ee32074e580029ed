"""Count models at another commit, without changing the working tree.

The files of the commit are written to a temporary folder through a separate index, so the
repository's index, working tree and list of worktrees do not change. A separate process counts the
models there, so that one interpreter never imports two versions of a module.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from archcalc.analysis.saved import SavedModel
from archcalc.errors import ArchcalcError, UsageError
from archcalc.io.saved_reports import parse
from archcalc.lookup.spec import ModelSpec

WORKING_TREE = ""
"""The current files, committed or not."""


class Asked(NamedTuple):
    """A model to count on both sides."""

    spec: str
    input: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()

    @property
    def in_repository(self) -> bool:
        """Whether the model can differ between two commits because it comes from a file or a
        module. Registered names come from installed packages."""
        return ModelSpec.parse(self.spec).kind in ("python", "program")


class Counted(NamedTuple):
    """The models that could be counted on one side."""

    models: tuple[SavedModel, ...]
    failed: dict[str, str]
    """The reasons why the other models could not be counted, by spec."""


def count(revision: str, asked: Sequence[Asked]) -> Counted:
    """Count models at a commit or in the working tree. Raises UsageError for an unknown revision,
    and outside a repository."""
    models: list[SavedModel] = []
    failed: dict[str, str] = {}
    if not asked:
        return Counted((), {})
    with tree(revision) as folder:
        for each in asked:
            try:
                models += _count(each, folder)
            except ArchcalcError as error:
                failed[each.spec] = str(error)
    return Counted(tuple(models), failed)


def _count(asked: Asked, folder: Path) -> tuple[SavedModel, ...]:
    name = ModelSpec.parse(asked.spec).name
    if os.path.isabs(name.rpartition(":")[0]):
        raise UsageError(f"{name}: give a relative path, such as ./net.py:Net")
    command = [sys.executable, "-P", "-m", "archcalc", "show", asked.spec, "--format", "json"]
    for given in asked.input:
        command += ["--input", given]
    for setting in asked.settings:
        command += ["--set", setting]
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        words = (done.stderr.strip() or "it failed").partition("\n")[0]
        raise UsageError(words.removeprefix("archcalc: "))
    return parse(done.stdout, asked.spec)


@contextmanager
def tree(revision: str) -> Iterator[Path]:
    """A folder that corresponds to the current one, with the files of a commit; for the working
    tree, the current one itself. Raises UsageError."""
    if revision == WORKING_TREE:
        yield Path.cwd()
        return
    commit = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    top, prefix = git("rev-parse", "--show-toplevel"), git("rev-parse", "--show-prefix")
    with tempfile.TemporaryDirectory(prefix="archcalc-") as place:
        files = Path(place, "tree")
        own_index = {**os.environ, "GIT_INDEX_FILE": str(Path(place, "index"))}
        git("read-tree", commit, cwd=top, env=own_index)
        git("checkout-index", "--all", f"--prefix={files}/", cwd=top, env=own_index)
        folder = files / prefix
        folder.mkdir(parents=True, exist_ok=True)  # the commit may not have had this folder
        yield folder


def git(*arguments: str, cwd: str | None = None, env: dict[str, str] | None = None) -> str:
    """The output of git. Raises UsageError with git's message."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=cwd, env=env, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise UsageError("git is needed to compare commits, and it cannot be run") from error
    if done.returncode:
        words = done.stderr.strip().rpartition("\n")[2].removeprefix("fatal: ")
        if arguments[0] == "rev-parse" and not words:
            named = arguments[-1].removesuffix("^{commit}")
            words = f"there is no commit {named!r} in this repository"
        raise UsageError(f"git {arguments[0]}: {words}")
    return done.stdout.strip()
