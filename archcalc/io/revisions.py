"""The same models at another commit, without a touch on the working tree.

The commit's files are written to a temporary folder through an index of its own: neither the
repository's index nor its working tree nor its list of worktrees is changed. Models are then
counted there by a process of their own, so that two versions of one module never meet in one
interpreter.
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
"""The files as they lie there, committed or not."""


class Asked(NamedTuple):
    """A model as it is counted on both sides."""

    spec: str
    input: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()

    @property
    def in_repository(self) -> bool:
        """Whether it can differ between two commits: a file's or a module's. A registered name is
        an installed package's, the same at both."""
        return ModelSpec.parse(self.spec).kind in ("python", "program")


class Counted(NamedTuple):
    """The requested models that one side has."""

    models: tuple[SavedModel, ...]
    failed: dict[str, str]
    """Why a model could not be counted there, by its spec."""


def count(revision: str, asked: Sequence[Asked]) -> Counted:
    """The models as they are at a commit, or in the working tree. Raises UsageError for a revision
    that git does not know, and outside a repository."""
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
        raise UsageError(f"{name}: write the path from here, as ./net.py:Net")
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
    """The folder that corresponds to this one, with the files of a commit; of the working tree,
    this one itself. Raises UsageError."""
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
