"""Any failure of users' code ends in one sentence and exit code 2, never 0 or 1."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from archcalc.cli import run
from archcalc.errors import ShapeError, UsageError
from archcalc.guard import first_line, guard, shortened
from archcalc.ops.formula import load_formulas

HEAD = """
import sys
import archcalc
from archcalc import ops
"""

DEFINITION = """
@archcalc.architecture("mine", input="8x8x3", source="here")
def mine(x, *, width: int = 8):
    {body}
"""

FAILURES = {
    "sys.exit(0)": "it calls sys.exit(0)",
    "sys.exit('done')": "it calls sys.exit(done)",
    "raise SystemExit": "it calls sys.exit()",
    "mine.definition(x)": "RecursionError: it calls itself without end, or is nested too deeply",
    "1 / 0": "ZeroDivisionError: division by zero",
    "raise MemoryError": "MemoryError",
    "raise ValueError('first' + chr(10) + 'second')": "ValueError: first",
    "raise type('Odd', (Exception,), {'__str__': lambda self: 1})": "Odd",
    "assert False": "AssertionError",
    "raise BaseException('odd')": "BaseException: odd",
}


@pytest.mark.parametrize(("body", "said"), FAILURES.items(), ids=FAILURES)
def test_a_definition_that_fails_is_reported_in_one_sentence(
    body: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "net.py"
    file.write_text(HEAD + DEFINITION.format(body=body))
    assert run(["flops", f"{file}:mine"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"archcalc: the definition of {file}:mine failed: {said}\n"


@pytest.mark.parametrize(("body", "said"), FAILURES.items(), ids=FAILURES)
def test_a_model_file_that_fails_is_reported_in_one_sentence(
    body: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "mine" in body:
        body = "f = lambda: f()\nf()"
    file = tmp_path / "net.py"
    file.write_text(HEAD + DEFINITION.format(body="return x") + body)
    assert run(["flops", f"{file}:mine"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"archcalc: {file} cannot be run: {said}\n"


def test_a_script_that_exits_does_not_pass_its_budget(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        HEAD + DEFINITION.format(body="return ops.conv2d(x, width, 3)") + "sys.exit(0)\n"
    )
    budget = tmp_path / "archcalc.toml"
    budget.write_text('[[model]]\nname = "./net.py:mine"\nat_most = { params = 1 }\n')
    done = subprocess.run(
        [sys.executable, "-m", "archcalc", "check", "--budget", str(budget)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr == "archcalc: ./net.py cannot be run: it calls sys.exit(0)\n"


@pytest.mark.parametrize("body", ["return None", "return {}", "return {1: x}", "return x, x"])
def test_what_a_definition_returns_is_checked(
    body: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "net.py"
    file.write_text(HEAD + DEFINITION.format(body=body))
    assert run(["flops", f"{file}:mine"]) == 2
    assert "return the output's handle" in capsys.readouterr().err


def test_unreadable_annotations_are_reported_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "net.py"
    text = HEAD + DEFINITION.format(body="return x")
    file.write_text("from __future__ import annotations\n" + text.replace("int", "Nothing"))
    assert run(["flops", f"{file}:mine", "--set", "width=4"]) == 2
    assert "annotations of" in capsys.readouterr().err


@pytest.mark.parametrize("width", ["9" * 20_000, "9" * 19, "0", "-1", "nan", "1e3", "\x00"])
def test_an_option_out_of_range_is_a_short_sentence(
    width: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "net.py"
    file.write_text(HEAD + DEFINITION.format(body="return ops.conv2d(x, width, 3)"))
    assert run(["flops", f"{file}:mine", "--set", f"width={width}"]) == 2
    err = capsys.readouterr().err
    assert "a whole number from 1 to 10^18" in err
    assert len(err) < 500


def test_formulas_that_exit_are_reported_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "formulas.py"
    file.write_text("raise SystemExit(0)")
    with pytest.raises(UsageError, match=r"cannot be run: it calls sys.exit\(0\)"):
        load_formulas(file)


def test_the_guard_leaves_archcalcs_errors_and_interrupts_alone() -> None:
    with pytest.raises(ShapeError, match=r"^as it is$"), guard("never said"):
        raise ShapeError("as it is")
    with pytest.raises(KeyboardInterrupt), guard("never said"):
        raise KeyboardInterrupt


def test_an_interrupt_in_users_code_exits_with_130(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(HEAD + DEFINITION.format(body="raise KeyboardInterrupt"))
    assert run(["flops", f"{file}:mine"]) == 130


def test_a_long_message_is_shortened() -> None:
    assert first_line(ValueError("9" * 10_000)) == f"ValueError: {'9' * 300}..."
    assert shortened(10**5000) == "(int too long to write)"


def test_an_internal_error_is_one_sentence_and_a_traceback_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise KeyError("lost")

    monkeypatch.setattr("archcalc.lookup.registry.every", broken)
    monkeypatch.delenv("ARCHCALC_DEBUG", raising=False)
    assert run(["list"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("archcalc: KeyError: 'lost'; this is an error in archcalc")
    assert err.count("\n") == 1
    monkeypatch.setenv("ARCHCALC_DEBUG", "1")
    assert run(["list"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_message_of_users_code_cannot_control_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "net.py"
    file.write_text(HEAD + DEFINITION.format(body='raise ValueError("\\x1b[2Jgone\\ud800")'))
    assert run(["flops", f"{file}:mine"]) == 2
    assert r"\x1b[2Jgone\ud800" in capsys.readouterr().err


STREAMS = {
    "standard output is full": (">/dev/full", 2),
    "standard output is closed": (">&-", 2),
    "standard error is closed": (">/dev/null 2>&-", 0),
    "all three are closed": ("<&- >&- 2>&-", 2),
}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is a device of Linux")
@pytest.mark.parametrize(("streams", "code"), STREAMS.values(), ids=STREAMS)
def test_streams_that_cannot_be_written(streams: str, code: int) -> None:
    line = f"{sys.executable} -m archcalc list {streams}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == (0 if "2>&-" in streams else 1)


@pytest.mark.parametrize("unbuffered", ["0", "1"])
def test_a_limit_on_file_sizes_is_reported_in_one_sentence(unbuffered: str, tmp_path: Path) -> None:
    line = f"ulimit -f 1; {sys.executable} -m archcalc explain googlenet > {tmp_path / 'out'}"
    done = subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered if unbuffered == "1" else ""},
    )
    assert done.returncode == 2
    assert done.stderr == "archcalc: standard output cannot be written: file too large\n"
