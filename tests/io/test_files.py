import os
import resource
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from archcalc.errors import UsageError
from archcalc.io.files import replacing, write_text, write_texts


def test_a_file_is_written_whole_with_unix_line_ends(tmp_path: Path) -> None:
    write_text(tmp_path / "report.md", "1.2亿\nsecond\n")
    assert (tmp_path / "report.md").read_bytes() == "1.2亿\nsecond\n".encode()
    assert os.listdir(tmp_path) == ["report.md"]


def test_the_old_file_stays_when_the_block_raises(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    path.write_text("old")

    def interrupted() -> None:
        with replacing(path) as beside:
            beside.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["report.md"]


def test_the_file_beside_keeps_the_suffix_that_writers_look_at(tmp_path: Path) -> None:
    with replacing(tmp_path / "model.onnx") as beside:
        assert beside.parent == tmp_path
        assert beside.suffix == ".onnx"


def test_permissions_of_the_file_replaced_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    path.touch()
    path.chmod(0o640)
    write_text(path, "new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.md", tmp_path / "link.md"
    real.write_text("old")
    link.symlink_to(real)
    write_text(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("missing/report.md", "there is no folder"),
        ("folder", "it is a folder"),
        ("file/report.md", "not a directory"),
        ("n" * 300, "file name too long"),
        ("loop.md", "too many levels of symbolic links"),
        ("loop.md/report.md", "too many levels of symbolic links"),
        ("nul\0.md", "null"),
    ],
)
def test_a_place_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, place: str, words: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "loop.md").symlink_to("loop.md")
    with pytest.raises(UsageError) as caught:
        write_text(tmp_path / place, "text")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_long_name_that_fits_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("网" * 84 + ".md")  # 255 bytes, the most that a name can have
    write_text(path, "text")
    assert path.read_text() == "text"


def test_a_link_to_a_file_that_is_not_there_yet_makes_that_file(tmp_path: Path) -> None:
    (tmp_path / "link.md").symlink_to("real.md")
    write_text(tmp_path / "link.md", "text")
    assert (tmp_path / "link.md").is_symlink()
    assert (tmp_path / "real.md").read_text() == "text"


def test_a_device_is_written_to_and_stays(tmp_path: Path) -> None:
    write_text("/dev/null", "text")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    (tmp_path / "link").symlink_to("/dev/null")
    write_text(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink()


def test_a_fifo_passes_the_text_on_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(path.read_text()))
    reader.start()
    write_text(path, "text" * 50_000)
    reader.join(10)
    assert got == ["text" * 50_000]
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert os.listdir(tmp_path) == ["fifo"]


@pytest.mark.parametrize("redirected", ["| cat", "> {file}; cat {file}"])
def test_standard_output_by_its_device_keeps_what_else_is_printed(
    redirected: str, tmp_path: Path
) -> None:
    program = (
        "from archcalc.io.files import write_text; print('before', flush=True); "
        "write_text('/dev/stdout', 'text\\n'); print('after')"
    )
    line = f'{sys.executable} -c "{program}" {redirected.format(file=tmp_path / "out")}'
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["before", "text", "after"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is a device of Linux")
def test_a_full_device_is_one_sentence() -> None:
    with pytest.raises(UsageError, match="cannot write /dev/full: no space left on device"):
        write_text("/dev/full", "text")


def test_a_limit_on_the_size_of_files_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    path.write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(UsageError, match=r"cannot write .*: file too large"):
            write_text(path, "x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["report.md"]


def test_files_written_together_appear_together_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    chart, report = tmp_path / "chart.svg", tmp_path / "report.md"
    with pytest.raises(UsageError, match="it is a folder"):
        write_texts({chart: "chart", report: "report", tmp_path / "folder": "text"})
    assert os.listdir(tmp_path) == ["folder"]
    with pytest.raises(UsageError, match="it is a folder"):
        write_texts({tmp_path / "folder": "text", chart: "chart", report: "report"})
    assert os.listdir(tmp_path) == ["folder"]
    write_texts({chart: "chart", report: "report"})
    assert (chart.read_text(), report.read_text()) == ("chart", "report")
    assert chart.stat().st_ino != report.stat().st_ino


def test_half_of_a_surrogate_pair_is_written_as_its_code_point(tmp_path: Path) -> None:
    write_text(tmp_path / "report.json", '"\ud83d"')
    assert (tmp_path / "report.json").read_bytes() == b'"\\ud83d"'
