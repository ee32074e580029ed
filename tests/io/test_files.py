import os
import stat
from pathlib import Path

import pytest

from archcalc.errors import UsageError
from archcalc.io.files import replacing, write_text


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
    ],
)
def test_a_place_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, place: str, words: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(UsageError) as caught:
        write_text(tmp_path / place, "text")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
