"""Everything that is shown is there in every language, and Chinese is Chinese throughout."""

from __future__ import annotations

import copy
import importlib.util
import pickle
import re
import shutil
import string
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

import archcalc
from archcalc import language
from archcalc.analysis.claims import VERDICTS
from archcalc.analysis.compare import compare
from archcalc.cli import options, run
from archcalc.io.runs import load_all
from archcalc.language import Message, _, several, term, use
from archcalc.ops.operator import KINDS
from archcalc.report.document import Document, LayerList, Listing, Notes, Subsection, Tabular, Text
from archcalc.report.formats import FORMATS, PROGRAMS, write
from archcalc.report.sections import SECTIONS, accuracy, comparison, latency
from archcalc.report.table import text
from tests.analysis import run_on_disk
from tests.report.test_latency import CEILINGS, DIRECT, ENVIRONMENT, REDUCED
from tests.report.test_latency import bench as measurements
from tests.report.test_widths import ELSEWHERE, LINES

ROOT = Path(__file__).parents[2]


def tool():
    """``tools/translations.py``, which is no package."""
    pytest.importorskip("babel")
    where = importlib.util.spec_from_file_location("translations", ROOT / "tools/translations.py")
    assert where is not None
    assert where.loader is not None
    module = importlib.util.module_from_spec(where)
    where.loader.exec_module(module)
    return module


def test_the_catalogues_are_complete_and_in_step_with_the_code() -> None:
    assert tool().faults() == []


def placeholders(message: str) -> set[tuple[str, str]]:
    return {
        (name, spec or "")
        for _text, name, spec, _how in string.Formatter().parse(message)
        if name is not None
    }


def test_a_translation_has_the_values_of_its_message() -> None:
    found = tool().merged(language.LOCALE / "zh/LC_MESSAGES/archcalc.po", "zh")
    for message in found:
        ids = [message.id] if isinstance(message.id, str) else message.id
        translations = [message.string] if isinstance(message.string, str) else message.string
        # One language counts all where the other counts the rest.
        if message.id and message.id != "{first} and {more} more":
            assert all(placeholders(said) == placeholders(ids[-1]) for said in translations), ids


ALIKE = re.compile(r"[\d×.,<>: /()%;A-ZΔ-]*|GFLOP/s|GB/s|logits|p\d\d|(Δ )?MACs|FLOPs|the")
"""What is written alike in both languages: numbers, units and names."""


def test_chinese_is_chinese() -> None:
    found = tool().merged(language.LOCALE / "zh/LC_MESSAGES/archcalc.po", "zh")
    for message in found:
        said = message.string if isinstance(message.string, str) else message.string[0]
        one = message.id if isinstance(message.id, str) else message.id[0]
        if one and not ALIKE.fullmatch(re.sub(r"\{[^}]*\}", "", one).strip()):
            assert re.search("[\u4e00-\u9fff、，；：]", said), (one, said)


@pytest.mark.parametrize("word", [*VERDICTS, *KINDS, "warning", "note", "breach", "training"])
def test_every_word_of_a_record_is_translated(word: str) -> None:
    with use("zh"):
        assert term(word) != word
        assert text(word, "term") == term(word)
    assert term(word) == word


def test_a_word_of_the_users_own_stays_as_it_is() -> None:
    with use("zh"):
        assert term("my::operator 3") == "my::operator 3"
        assert _("no such message") == "no such message"
        assert _("{of} a user", of=3) == "3 a user"


def test_a_message_is_english_and_can_be_translated_later() -> None:
    inner = Message("{count} rows", count=2)
    outer = Message("the last {rows} of {size} are never read", rows=inner, size="{brace}")
    assert outer == "the last 2 rows of {brace} are never read"
    for same in (pickle.loads(pickle.dumps(outer)), copy.deepcopy(outer)):
        assert same == outer
        assert (same.pattern, same.values) == (outer.pattern, outer.values)
    with use("zh"):
        assert _(inner) == "2 行"
        assert several("{count} warning", "{count} warnings", 2) == "2 个警告"


def test_the_language_ends_with_its_block_and_is_one_threads_own() -> None:
    from threading import Thread

    seen: list[str] = []
    with use("zh"):
        thread = Thread(target=lambda: seen.append(language.current()))
        thread.start()
        thread.join()
        seen.append(language.current())
        with pytest.raises(ZeroDivisionError), use("en"):
            _ = 1 / 0
        seen.append(language.current())
    assert [*seen, language.current()] == ["en", "zh", "zh", "en"]


# -- no English sentence in Chinese output


NAMES = re.compile(
    r"""archcalc(\ [a-z-]+)?(\ MODEL)?   # commands
    |--?[a-z-]+(\ [A-Z=]+)?               # options
    |[\w.]*[_./:=@][\w./:=@()-]*          # names of nodes, files and functions
    |Network\ in\ Network
    """,
    re.VERBOSE,
)
STOPPING = {
    *("a", "an", "and", "are", "as", "at", "be", "by", "each", "for", "from", "has", "have", "in"),
    *("is", "it", "its", "no", "not", "of", "on", "only", "or", "per", "than", "that", "the"),
    *("this", "to", "was", "were", "which", "with"),
}
"""Words that make English words a phrase."""


def english(sentence: str) -> list[str]:
    """The English phrases in a text: words in a row, one of them a word of grammar."""
    rest = NAMES.sub("，", sentence)
    found = re.findall(r"[A-Za-z]+(?:[ ,;:][ ]?[A-Za-z']+)+", rest)
    return [each for each in found if STOPPING & set(each.lower().replace(",", "").split())]


def test_an_english_phrase_is_seen_and_names_are_not_taken_for_one() -> None:
    assert english("这是 a view of the input，不搬移") == ["a view of the input"]
    assert not english("由 archcalc list MODEL 列出，AvgPool2d 与 torch.nn.Linear，0.5 MiB")


QUOTED = {"source", "quote"}
"""Columns that cite a publication."""


def phrases(document: Document) -> list[str]:
    """The English phrases that a document shows."""
    shown: list[str] = []
    for section in document.sections:
        shown.append(section.title)
        for block in section.blocks:
            if isinstance(block, Text | Listing | Subsection):
                shown += [] if isinstance(block, Listing) else [block[0]]
            elif isinstance(block, Notes):
                shown += block.texts
            elif isinstance(block, Tabular | LayerList):
                tables = [block.table] if isinstance(block, Tabular) else [block.short, block.full]
                for table in tables:
                    shown.append(table.title)
                    shown += [column.title for column in table.columns]
                    shown += [
                        text(cell, column.kind)
                        for row in table.rows
                        for column, cell in zip(table.columns, row, strict=True)
                        if isinstance(cell, str) and column.key not in QUOTED
                    ]
            else:
                shown.append(block.caption)
    return [phrase for each in shown for phrase in english(each)]


@pytest.fixture
def documents(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Document]:
    """The documents that commands write, as they are written."""
    found: list[Document] = []

    def keep(document: Document, format: str, place: object) -> str:
        found.append(document)
        assert language.current() == document.lang
        return ""

    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "archcalc.toml", tmp_path)
    for name, model in (("before", "inception-naive"), ("after", "inception-reduced")):
        run(["flops", model, "-f", "json", "-o", f"{name}.json"])
    monkeypatch.setattr(options, "written", keep)
    return found


@pytest.mark.parametrize(
    "line",
    [
        *LINES,
        "check --format md --budget tight.toml",
        "lint inception-naive,article=true nin-mnist-v0",
    ],
)
def test_a_command_says_nothing_in_english(line: str, documents: list[Document]) -> None:
    Path("tight.toml").write_text(
        '[[model]]\nname = "nin"\nat_most = {macs = 1000, weight_bytes = 9}\n'
        'shapes = {output = "1x10"}\n',
        encoding="utf-8",
    )
    with suppress(SystemExit):
        run([*line.split(), "--lang", "zh"])
    assert documents
    with use("zh"):
        found = [phrase for document in documents for phrase in phrases(document)]
    assert not found, found


def test_measurements_predictions_and_accuracies_say_nothing_in_english(tmp_path: Path) -> None:
    for seed, reached in enumerate((0.86, 0.88)):
        run_on_disk.make(tmp_path / str(seed), reached, model="nin,norm=batch", seed=seed)
    measured = replace(
        measurements(DIRECT, REDUCED),
        environment=replace(ENVIRONMENT, processor="Xeon"),
        ceilings=(CEILINGS | {"device": "Xeon"},),
    )
    with use("zh"):
        runs = load_all(tmp_path)
        shown = [
            accuracy.show(*runs),
            accuracy.evaluation(runs[0], (0.5, 0.86, 10_000), "mnist"),
            latency.show(measured),
            comparison.show(
                compare(
                    [archcalc.graph(row.spec).profile() for row in (DIRECT, REDUCED)],
                    bench=measured,
                )
            ),
        ]
        found = [phrase for document in shown for phrase in phrases(document)]
    assert not found, found


@pytest.mark.parametrize("format", sorted(set(FORMATS) - set(PROGRAMS)))
def test_every_format_for_people_writes_chinese(format: str) -> None:
    with use("zh"):
        document = comparison.show(compare([archcalc.graph("nin").profile()]))
        assert "乘加" in write(replace(document, lang="zh"), format)


def test_programs_read_the_same_whatever_the_language(capsys: pytest.CaptureFixture[str]) -> None:
    for format in PROGRAMS:
        for line in ("compare nin googlenet", "lint nin", "check", "claims nin"):
            texts = []
            for lang in ("en", "zh"):
                with suppress(SystemExit):
                    run([*line.split(), "-f", format, "--lang", lang])
                texts.append(capsys.readouterr().out)
            assert texts[0] == texts[1] != ""


def test_the_environment_can_choose_the_language(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARCHCALC_LANG", "zh")
    run(["compare", "nin"])
    assert "乘加次数" in capsys.readouterr().out
    run(["compare", "nin", "--lang", "en"])
    assert "multiply-adds" in capsys.readouterr().out


def test_every_section_has_a_command_or_a_test_here() -> None:
    commands = {line.split()[0] for line in LINES} | set(ELSEWHERE)
    shown = {"summary": "compare", "example": "flops", "layers": "show", "where": "report"}
    shown |= {"memory": "memory", "latency": "bench", "accuracy": "train", "claims": "claims"}
    shown |= {"lint": "lint", "conventions": "report", "citation": "report", "totals": "flops"}
    shown |= {"explanation": "explain", "parameters": "params", "checkpoint": "params"}
    shown |= {"receptive field": "receptive-field", "catalogue": "list", "derivation": "derive"}
    shown |= {"sweep": "sweep", "calibration": "calibrate", "prediction": "compare"}
    shown |= {"budget": "check", "changes": "diff", "verification": "verify"}
    shown |= {"reconciliation": "reconcile", "tree": "show"}
    assert set(shown) == set(SECTIONS)
    assert set(shown.values()) <= commands


def test_a_report_says_nothing_in_english() -> None:
    from archcalc.report.assemble import document
    from archcalc.report.gather import gather

    report = gather(["inception-naive", "inception-reduced", "nin-mnist-v0"])
    found = document(report, lang="zh", charts=False)
    with use("zh"):
        assert not phrases(found), phrases(found)
