"""``archcalc diff`` between commits, and the steps of the GitHub Action, on git repositories that
the tests create, without torch."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from archcalc.cli import run

ROOT = Path(__file__).resolve().parent.parent

NET = """\
from archcalc import architecture, ops


@architecture("small", input="32x32x3", source="mine")
def small(x, *, width: int = 16):
    x = ops.relu(ops.conv2d(x, width, 3, padding=1, name="first"))
    x = ops.max_pool2d(x, 2)
    x = ops.relu(ops.conv2d(x, 32, 3, padding=1, name="second"))
    return ops.linear(ops.flatten(ops.adaptive_avg_pool2d(x)), 10, name="fc")
"""

BUDGET = """\
[[model]]
name = "./net.py:small"
at_most = { params = 6_000, macs = "2M" }
shapes = { output = "10" }

[[model]]
name = "nin"
exactly = { params = 966_986 }
"""

WIDER = NET.replace("width: int = 16", "width: int = 24")
COMMENTED = NET.replace("def small", "# The first layer reads the image.\ndef small")


class Repository(NamedTuple):
    folder: Path

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def commit(self, **files: str) -> str:
        for name, text in files.items():
            path = self.folder / name.replace("__", "/").replace("_py", ".py").replace(
                "_toml", ".toml"
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "a change")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    folder = tmp_path / "repository"
    folder.mkdir()
    without_torch = tmp_path / "without-torch"
    without_torch.mkdir()
    (without_torch / "torch.py").write_text("raise ImportError('torch is not installed')\n")
    monkeypatch.setenv("PYTHONPATH", str(without_torch))
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(folder)
    made = Repository(folder)
    made.git("init", "--quiet", "--initial-branch=main")
    made.commit(net_py=NET, archcalc_toml=BUDGET)
    return made


def diff(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["diff", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_a_changed_width_shows_in_a_few_lines(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.commit(net_py=WIDER)
    out = diff(capsys, "HEAD~1", "--", "./net.py:small")
    assert "HEAD~1 -> working tree" in out
    assert re.search(r"pass +5,418 +7,946 +\+2,528 \(\+46\.7 %\)", out)
    assert "weight 32×16×3×3 -> 32×24×3×3" in out
    assert "2 more nodes only pass the new shape on" in out
    assert len(out.splitlines()) < 25
    assert diff(capsys, "HEAD~1", "HEAD", "--", "./net.py:small") == out.replace(
        "working tree", "HEAD"
    )
    assert diff(capsys, "HEAD~1..HEAD", "--", "./net.py:small") == out.replace(
        "working tree", "HEAD"
    )


def test_a_changed_comment_prints_nothing(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.commit(net_py=COMMENTED)
    assert diff(capsys, "HEAD~1", "--", "./net.py:small") == ""
    assert diff(capsys, "HEAD~1", "--budget", "archcalc.toml") == ""
    assert diff(capsys, "HEAD~1") == ""


def test_uncommitted_changes_are_compared_and_kept(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository.folder / "net.py").write_text(WIDER, encoding="utf-8")
    (repository.folder / "new.txt").write_text("mine")
    index = (repository.folder / ".git" / "index").read_bytes()
    assert "+2,528" in diff(capsys, "HEAD", "--", "./net.py:small")
    assert repository.git("status", "--short") == "M net.py\n?? new.txt"
    assert (repository.folder / "net.py").read_text(encoding="utf-8") == WIDER
    assert (repository.folder / ".git" / "index").read_bytes()[:12] == index[:12]
    assert len(repository.git("worktree", "list").splitlines()) == 1


def test_paths_are_relative_to_the_current_folder(
    repository: Repository, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit(deep__net_py=NET)
    repository.commit(deep__net_py=WIDER)
    monkeypatch.chdir(repository.folder / "deep")
    assert "+2,528" in diff(capsys, "HEAD~1", "--", "./net.py:small")
    assert diff(capsys, "HEAD", "--", "./net.py:small") == ""


def test_files_beside_the_model_come_from_the_same_commit(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    split = "from widths import WIDTH\n" + NET.replace("int = 16", "int = WIDTH")
    repository.commit(net_py=split, widths_py="WIDTH = 16\n")
    repository.commit(widths_py="WIDTH = 24\n")
    assert "+2,528" in diff(capsys, "HEAD~1", "HEAD", "--", "./net.py:small")


def test_options_and_inputs_are_given_to_both_sides(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.commit(net_py=WIDER)
    assert diff(capsys, "HEAD~1", "--set", "width=8", "--", "./net.py:small") == ""
    assert diff(capsys, "HEAD~1", "--", "./net.py:small,width=8") == ""
    assert "1×16×64×64" in diff(capsys, "HEAD~1", "-i", "64x64x3", "--", "./net.py:small")


def test_a_model_that_is_not_in_the_base_is_new(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.commit(other_py=NET)
    out = diff(capsys, "HEAD~1", "--", "./other.py:small")
    assert re.search(r"new +parameters that run in this pass +5,418", out)
    assert "./other.py:small at HEAD~1: there is no file ./other.py" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["HEAD~9", "--", "./net.py:small"], "there is no commit 'HEAD~9' in this repository"),
        (["HEAD", "--", "./net.py:large"], "large"),
        (
            ["HEAD", "--", "nin"],
            "nin is part of an installed package, which is the same at both commits",
        ),
        (["HEAD", "--", "/net.py:small"], "give a relative path, such as ./net.py:Net"),
        (["--", "./net.py:small"], "give two reports, such as base.json head.json, or a commit"),
        (["HEAD", "HEAD", "HEAD", "--", "./net.py:small"], "give two reports"),
        (["HEAD", "--budget", "none.toml"], "there is no file none.toml"),
        (["--upload-pack=x", "--", "./net.py:small"], "No such option"),
    ],
)
def test_invalid_arguments_are_refused_in_one_sentence(
    repository: Repository,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    assert run(["diff", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1


def test_outside_a_repository_git_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / "net.py").write_text(NET, encoding="utf-8")
    assert run(["diff", "HEAD", "--", "./net.py:small"]) == 2
    assert "git rev-parse: " in capsys.readouterr().err


def test_a_declared_model_in_a_file_needs_no_torch(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["show", "./net.py:small", "--set", "width=8", "--format", "csv"]) == 0
    assert "first" in capsys.readouterr().out
    (repository.folder / "broken.py").write_text(
        NET.replace("from archcalc import", "1 / 0\nfrom archcalc import")
    )
    assert run(["show", "./broken.py:small"]) == 2
    err = capsys.readouterr().err
    assert "./broken.py cannot be run: ZeroDivisionError" in err
    assert err.count("\n") == 1


# The Action's steps are read from action.yml and run by bash, as on GitHub.


class Step(NamedTuple):
    name: str
    id: str
    condition: str
    env: dict[str, str]
    script: str


def steps() -> list[Step]:
    found = []
    _, _, body = (ROOT / "action.yml").read_text(encoding="utf-8").partition("\n  steps:\n")
    for text in re.split(r"^    - name: ", body, flags=re.M)[1:]:
        name, _, rest = text.partition("\n")
        key = {
            line.split(":")[0].strip(): line.partition(":")[2].strip() for line in rest.split("\n")
        }
        env = dict(re.findall(r"^        ([A-Z_]+): \$\{\{ (.*) \}\}$", rest, re.M))
        block = re.search(r"^      run: (\|\n(?:        .*\n|\n)*|.*)", rest, re.M)
        assert block, name
        script = re.sub(r"^        ", "", block[1].removeprefix("|\n"), flags=re.M)
        found.append(Step(name, key.get("id", ""), key.get("if", ""), env, script))
    return found


class Job(NamedTuple):
    code: int
    log: str
    summary: str
    gh: str
    """The calls of ``gh``, and the comment that it received."""


@pytest.fixture
def action(repository: Repository, tmp_path: Path):
    programs = tmp_path / "programs"
    programs.mkdir()
    python = Path(sys.executable).as_posix()
    tools = {
        "archcalc": f'exec "{python}" -m archcalc "$@"',
        "python": 'echo "python $*"',  # installs nothing
        "gh": (
            'echo "gh $*" >> "$GH_LOG"\n'
            'if [ -n "$GH_REFUSES" ]; then echo "HTTP 403" >&2; exit 1; fi\n'
            'for word in "$@"; do case "$word" in body=@*) cat "${word#body=@}" >> "$GH_LOG";; '
            "esac; done\n"
            'case "$*" in *--paginate*) echo "$GH_COMMENT";; esac'
        ),
    }
    for name, text in tools.items():
        path = programs / name
        path.write_text(f"#!/usr/bin/env bash\n{text}\n")
        path.chmod(0o755)

    def perform(base: str, *, refuses: bool = False, comment: str = "", number: str = "7") -> Job:
        outputs: dict[str, str] = {}
        known = {
            "inputs.budget": "archcalc.toml",
            "inputs.base": base,
            "inputs.comment": "true",
            "inputs.token": "a-token",
            "inputs.pip": "",
            "github.event.pull_request.number": number,
            "github.event.pull_request": number,
        }
        summary, log_file = tmp_path / "summary.md", tmp_path / "gh.log"
        summary.write_text("")
        log_file.write_text("")
        log, code = "", 0
        for step in steps():
            values = known | {f"steps.{key}": value for key, value in outputs.items()}
            if step.condition and not all(
                values.get(left, "") == right.strip("'") if equals else bool(values.get(left, ""))
                for left, equals, right in (
                    part.strip().partition(" == ") for part in step.condition.split("&&")
                )
            ):
                continue
            output = tmp_path / "output"
            output.write_text("")
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step.script],
                cwd=repository.folder,
                env={
                    **os.environ,
                    "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
                    "RUNNER_TEMP": str(tmp_path),
                    "GITHUB_OUTPUT": str(output),
                    "GITHUB_STEP_SUMMARY": str(summary),
                    "GITHUB_REPOSITORY": "someone/something",
                    "GITHUB_ACTION_PATH": str(ROOT),
                    "GH_LOG": str(log_file),
                    "GH_REFUSES": "yes" if refuses else "",
                    "GH_COMMENT": comment,
                    **{key: values[value] for key, value in step.env.items()},
                },
                capture_output=True,
                encoding="utf-8",
            )
            log += done.stdout + done.stderr
            for line in output.read_text().splitlines():
                key, _, value = line.partition("=")
                outputs[f"{step.id}.outputs.{key}"] = value
            code = done.returncode
            if code:
                break
        return Job(code, log, summary.read_text(encoding="utf-8"), log_file.read_text("utf-8"))

    return perform


def test_a_pull_request_that_changes_a_width_shows_it_and_fails(
    repository: Repository, action
) -> None:
    base = repository.git("rev-parse", "HEAD")
    repository.commit(net_py=WIDER)
    job = action(base)
    assert job.code == 1
    assert "python -m pip install --quiet" in job.log
    assert "./net.py:small: 7,946 parameters, at most 6,000 allowed: 1,946 over (32.4 %)" in job.log
    assert job.summary.startswith("## archcalc: beyond the budget\n")
    assert "+2,528 (+46.7 %)" in job.summary
    assert f"./net.py:small: {base[:10]} -" in job.summary
    assert "<details open><summary>Every limit</summary>" in job.summary
    assert len(job.summary.splitlines()) < 45
    assert "--method POST repos/someone/something/issues/7/comments" in job.gh
    assert "<!-- archcalc -->" in job.gh
    assert "+2,528" in job.gh


def test_a_pull_request_that_changes_a_comment_gets_no_comment(
    repository: Repository, action
) -> None:
    base = repository.git("rev-parse", "HEAD")
    repository.commit(net_py=COMMENTED)
    job = action(base)
    assert job.code == 0
    assert job.gh == ""
    assert job.summary.startswith("## archcalc: within the budget\n\n<details>")
    assert "->" not in job.summary


def test_a_second_run_edits_its_comment(repository: Repository, action) -> None:
    base = repository.git("rev-parse", "HEAD")
    repository.commit(net_py=WIDER)
    job = action(base, comment="1234")
    assert "--method PATCH repos/someone/something/issues/comments/1234" in job.gh
    assert "--method POST" not in job.gh


def test_a_fork_has_no_comment_and_the_same_code(repository: Repository, action) -> None:
    base = repository.git("rev-parse", "HEAD")
    repository.commit(net_py=WIDER)
    assert action(base, refuses=True).code == action(base).code == 1
    assert "this token cannot write" in action(base, refuses=True).log
    repository.commit(net_py=NET.replace('"first"', '"stem"'))
    kept = action(base, refuses=True)
    assert kept.code == 0
    assert "stem" in kept.summary


def test_a_push_without_a_base_and_without_a_pull_request_only_checks(
    repository: Repository, action
) -> None:
    job = action("0" * 40, number="")
    assert job.code == 0
    assert "nothing to compare with" in job.log
    assert job.gh == ""


def test_an_invalid_budget_exits_with_2_and_a_reason(repository: Repository, action) -> None:
    base = repository.git("rev-parse", "HEAD")
    repository.commit(archcalc_toml=BUDGET.replace("at_most", "atmost"))
    job = action(base)
    assert job.code == 2
    assert "unknown key 'atmost'" in job.log
    assert "unknown key 'atmost'" in job.summary


def test_a_summary_stays_within_githubs_limit(repository: Repository, action) -> None:
    base = repository.git("rev-parse", "HEAD")
    shapes = "".join(f'"层{"×" * 200}{index}" = "1"\n' for index in range(2_500))
    repository.commit(archcalc_toml=f'[[model]]\nname = "nin"\n[model.shapes]\n{shapes}')
    job = action(base)
    assert job.code == 1
    assert 890_000 < len(job.summary.encode()) < 900 * 1024
    assert job.summary.endswith("Truncated at 900 kB; run the commands for the rest.\n")


def test_the_workflows_use_the_inputs_that_the_action_has() -> None:
    action_file = (ROOT / "action.yml").read_text(encoding="utf-8")
    head = action_file.partition("\noutputs:")[0].partition("inputs:\n")[2]
    inputs = set(re.findall(r"^  (\w+):$", head, re.M))
    assert inputs == {"budget", "base", "comment", "token", "pip"}
    assert set(re.findall(r"inputs\.(\w+)", action_file)) == inputs
    example = (ROOT / "docs" / "archcalc-workflow.yml").read_text(encoding="utf-8")
    given = set(re.findall(r"^ {10}#? ?(\w+):", example.partition("uses: OWNER")[2], re.M))
    assert given <= inputs
