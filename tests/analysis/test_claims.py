"""Every published figure beside what is counted: verdicts pinned, files of claims, the report."""

import json
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest

from archcalc.analysis.claims import (
    Claim,
    Claims,
    Finding,
    Measurement,
    Step,
    Verdict,
    about,
    check,
    plain,
    verdict,
)
from archcalc.analysis.printed import quantity
from archcalc.cli import run
from archcalc.errors import UsageError
from archcalc.graph import Graph
from archcalc.io import claims_file
from archcalc.lookup import registry
from archcalc.lookup.resolve import resolve
from archcalc.report.sections.claims import show as claims_report

ROOT = Path(__file__).resolve().parents[2]

PINNED: dict[Verdict, tuple[str, ...]] = {
    "rounds to it": (
        "googlenet/separable-first-ops",
        "googlenet/separable-first-total",
        "googlenet/5a-reduce-48-ops",
        "googlenet/convnet-burden",
        "googlenet/table-1/conv2/ops",
        "googlenet/table-1/inception_3a/params",
        "googlenet/table-1/inception_3a/ops",
        "googlenet/table-1/inception_3b/ops",
        "googlenet/table-1/inception_4b/ops",
        "googlenet/table-1/inception_4c/ops",
        "googlenet/table-1/inception_4d/ops",
        "googlenet/table-1/inception_4e/ops",
        "googlenet/table-1/inception_5b/ops",
        "googlenet/table-1/linear/ops",
        "googlenet_bn/ops-as-macs",
        "googlenet_bn/flop-counter",
        "inception/direct",
        "inception/reduced",
        "inception/times-fewer",
        "resnet/macs",
        "resnet/torchvision-macs",
        "resnext/params",
        "resnext/macs",
        "senet/params",
        "sknet/params",
        "vgg/params",
        "vgg/params-exact",
        "vgg/macs",
        "convnext/torchvision-macs",
        "convnext/table-9/all/params",
        "convnext/table-9/all/macs",
        "densenet/torchvision-macs",
        "efficientnet/torchvision-macs",
        "efficientnet/table-2/all/params",
        "efficientnet/table-2/all/macs",
        "inception_v3/torchvision-macs",
        "mobilenet_v1/table-6/1.0/macs",
        "mobilenet_v1/table-6/1.0/params",
        "mobilenet_v1/table-6/0.75/macs",
        "mobilenet_v1/table-6/0.75/params",
        "mobilenet_v1/table-6/0.5/macs",
        "mobilenet_v1/table-6/0.5/params",
        "mobilenet_v1/table-6/0.25/macs",
        "mobilenet_v1/table-6/0.25/params",
        "mobilenet_v1/table-7/192/macs",
        "mobilenet_v1/table-7/128/macs",
        "mobilenet_v1/table-2/conv1/params",
        "mobilenet_v1/table-2/fc/macs",
        "mobilenet_v1/table-2/fc/params",
        "mobilenet_v2/torchvision-macs",
        "mobilenet_v3/table-3/small/params",
        "mobilenet_v3/torchvision/large/macs",
        "mobilenet_v3/torchvision/small/macs",
        "resnet/other-depths/18-layer/macs",
        "resnet/other-depths/101-layer/macs",
        "resnet/other-depths/152-layer/macs",
        "shufflenet_v2/torchvision-macs",
        "shufflenet_v2/table-5/0.5×/params",
        "shufflenet_v2/table-5/1×/params",
        "shufflenet_v2/table-5/1.5×/params",
        "shufflenet_v2/table-5/2×/params",
        "squeezenet/torchvision/SqueezeNet1_0_Weights/macs",
        "squeezenet/torchvision/SqueezeNet1_1_Weights/macs",
        "vit/torchvision-macs",
    ),
    "off": (
        "alexnet/params",
        "googlenet/sum-params",
        "googlenet/sum-ops",
        "googlenet/1.5-billion",
        "googlenet/separable-first-params",
        "googlenet/5a-reduce-48-params",
        "googlenet/table-1/inception_3b/params",
        "googlenet/table-1/inception_4a/params",
        "googlenet/table-1/inception_4a/ops",
        "googlenet/table-1/inception_4b/params",
        "googlenet/table-1/inception_4c/params",
        "googlenet/table-1/inception_4d/params",
        "googlenet/table-1/inception_4e/params",
        "googlenet/table-1/inception_5a/params",
        "googlenet/table-1/inception_5a/ops",
        "googlenet/table-1/inception_5b/params",
        "resnet/table-1",
        "resnext/macs-sk",
        "senet/macs",
        "sknet/macs",
        "mobilenet_v1/table-7/160/macs",
        "mobilenet_v2/table-4/1.0/params",
        "mobilenet_v2/table-4/1.0/macs",
        "mobilenet_v2/table-4/1.4/macs",
        "mobilenet_v3/table-3/large/macs",
        "mobilenet_v3/table-3/large/params",
        "mobilenet_v3/table-3/small/macs",
        "resnet/other-depths/34-layer/macs",
        "shufflenet_v2/table-5/0.5×/macs",
        "shufflenet_v2/table-5/1×/macs",
        "shufflenet_v2/table-5/1.5×/macs",
        "shufflenet_v2/table-5/2×/macs",
        "squeezenet/version-1.1",
        "vit/params",
    ),
    "false": (
        "alexnet/input-224",
        "alexnet/article-flattened",
        "googlenet/12-times-fewer",
        "googlenet/article-22-modules",
        "googlenet/article-5-million",
        "googlenet/article-a-tenth",
        "googlenet/table-1/conv1/params",
        "googlenet/table-1/conv1/ops",
        "googlenet_bn/ops-as-flops",
        "inception/kernel-depth",
        "nin/article-lr-step",
        "nin/article-max-pooling",
        "nin/article-flattened",
        "nin_fashion/printed-loss",
        "nin_mnist/fewer-by-1x1",
        "nin_mnist/mlpconv-27",
        "nin_mnist/window-on-5x5",
        "nin_mnist/stages/v0/logits",
        "nin_mnist/stages/v1/logits",
        "nin_mnist/stages/v2/logits",
        "senet/relative-increase",
        "senet/article-dropout",
        "sknet/article-extra-branch",
        "vgg/article-flattened",
        "inception_v3/macs",
        "inception_v3/googlenet",
        "inception_v3/depth",
        "inception_v3/table-1/conv4/out",
        "inception_v3/table-1/conv5/out",
        "mobilenet_v1/table-2/conv1/macs",
        "mobilenet_v2/table-4/1.4/params",
        "squeezenet/50-times-fewer",
        "squeezenet/input-224",
        "squeezenet/table-1/pool8/out",
    ),
    "needs training": (
        "googlenet/auxiliary-heads",
        "nin/gap-over-fc",
        "nin/gap-over-fc-dropout",
        "nin/dropout",
        "nin/cifar10-training/article-last/accuracy",
        "nin/cifar10-training/article-best/accuracy",
        "nin/cifar10-training/article-paper/accuracy",
        "nin/cifar10-training/authors-1/error",
        "nin/cifar10-training/authors-2/error",
        "nin/cifar10-training/authors-3/error",
        "nin/test-error/cifar10-stochastic-pooling/error",
        "nin/test-error/cifar10-spearmint/error",
        "nin/test-error/cifar10-maxout/error",
        "nin/test-error/cifar10-nin/error",
        "nin/test-error/cifar10-augmented-maxout/error",
        "nin/test-error/cifar10-augmented-dropconnect/error",
        "nin/test-error/cifar10-augmented-nin/error",
        "nin/test-error/cifar100-maxout/error",
        "nin/test-error/cifar100-tree-priors/error",
        "nin/test-error/cifar100-nin/error",
        "nin/test-error/svhn-maxout/error",
        "nin/test-error/svhn-nin/error",
        "nin/test-error/svhn-multi-digit/error",
        "nin/test-error/svhn-dropconnect/error",
        "nin/test-error/mnist-nin/error",
        "nin/test-error/mnist-maxout/error",
        "nin/table-5/fc/error",
        "nin/table-5/fc-dropout/error",
        "nin/table-5/gap/error",
        "nin_mnist/stages/v0/accuracy",
        "nin_mnist/stages/v1/accuracy",
        "nin_mnist/stages/v2/accuracy",
    ),
}
"""All others hold, to the unit. A changed verdict is news: look at the cause before you pin it."""

HOLD = 260


@cache
def graph_of(model: str, input: str) -> Graph:
    return resolve(model, input=input or None)


@pytest.fixture(scope="module")
def found() -> Claims:
    return check(claims_file.registered(), graph_of)


@pytest.fixture(scope="module")
def by_id(found: Claims) -> dict[str, Finding]:
    return {each.claim.id: each for each in found.findings}


@pytest.mark.parametrize("which", [*PINNED])
def test_the_verdicts_are_as_pinned(found: Claims, which: Verdict) -> None:
    ids = [each.claim.id for each in found.findings if each.verdict == which]
    assert sorted(ids) == sorted(PINNED[which])


def test_all_others_hold(found: Claims) -> None:
    assert found.counts["holds"] == HOLD
    assert (
        sum(found.counts.values()) == len(found.findings) == HOLD + sum(map(len, PINNED.values()))
    )


def test_every_figure_that_does_not_fit_says_why(found: Claims) -> None:
    for each in found.findings:
        if each.verdict in ("off", "false"):
            assert each.cause, each.claim.id


def test_every_id_is_given_once_and_every_quote_is_short(found: Claims) -> None:
    assert len({each.claim.id for each in found.findings}) == len(found.findings)
    assert max(len(each.claim.quote.split()) for each in found.findings) <= 10


def test_every_waterfall_leads_from_our_number_to_the_published_one(found: Claims) -> None:
    for each in found.findings:
        if each.computed is not None and not each.claim.limit:
            assert each.computed + sum(bar.amount for bar in each.waterfall) == each.published


def test_the_waterfall_of_googlenets_billion_and_a_half(by_id: dict[str, Finding]) -> None:
    bars = by_id["googlenet/1.5-billion"].waterfall
    separable = 112**2 * (7 * 7 * 3 * 8 + 3 * 8 * 64) - 118_013_952
    reduce = 7**2 * (832 * 16 + 25 * 16 * 128)
    assert [(bar.amount, bar.inference) for bar in bars] == [
        (separable, True),
        (reduce, True),
        (1_500_000_000 - 1_582_671_872 - separable - reduce, False),
    ]
    assert bars[-1].why == "rounding to the printed digits"


def test_what_no_step_explains_is_called_so(by_id: dict[str, Finding]) -> None:
    (bar,) = by_id["googlenet/table-1/inception_4c/params"].waterfall
    assert (bar.why, bar.amount) == ("unexplained", 463 * 1024 - 509_440)


def test_googlenets_printed_columns_add_up_to_the_sums_claimed() -> None:
    claims = {claim.id: claim for claim in claims_file.registered()}
    for column, total in (("params", "sum-params"), ("ops", "sum-ops")):
        rows = [
            claim.quantity.value
            for name, claim in claims.items()
            if name.startswith("googlenet/table-1/") and name.endswith(column)
        ]
        assert len(rows) == 12
        assert sum(rows) == claims[f"googlenet/{total}"].quantity.value


def test_inferences_are_marked(found: Claims) -> None:
    inferred = [each for each in found.findings if each.claim.inference]
    assert len(inferred) == 5
    assert all(each.cause.startswith("inference") for each in inferred)


@pytest.mark.parametrize(
    ("printed", "k", "digits", "low", "high"),
    [
        ("1.2亿", 1000, 0, 115_000_000, 125_000_000),
        ("1240万", 1000, 3, 12_350_000, 12_450_000),
        ("2.7K", 1024, 0, Fraction("2713.6"), Fraction("2816")),
        ("159K", 1024, 0, 162_304, 163_328),
        ("15.47G", 1000, 0, 15_465_000_000, 15_475_000_000),
        ("1.5 billion", 1000, 0, 1_450_000_000, 1_550_000_000),
        ("6.7108864e-05", 1000, 0, Fraction("6.71088635e-05"), Fraction("6.71088645e-05")),
    ],
)
def test_a_printed_figure_is_as_exact_as_its_last_digit(
    printed: str, k: int, digits: int, low: int, high: int
) -> None:
    value, half, _ = quantity(printed, k, digits)
    assert (value - half, value + half) == (low, high)
    claim = Claim("id", "m", "s", "q", printed, "MACs", k=k, digits=digits)
    assert verdict(claim, value) == "holds"
    assert verdict(claim, low) == verdict(claim, high) == "rounds to it"
    assert verdict(claim, high + half / 100) == "off"
    assert verdict(claim, value * 2) == "false"


def test_a_whole_number_is_right_or_false() -> None:
    claim = Claim("id", "m", "s", "q", "22", "layers")
    assert verdict(claim, 22) == "holds"
    assert verdict(claim, 21) == "false"


def test_a_bound_is_kept_or_not() -> None:
    claim = Claim("id", "m", "s", "q", "200,000", "values", limit="at least")
    assert verdict(claim, 200_000) == verdict(claim, 900_000) == "holds"
    assert verdict(claim, 199_999) == "false"


@pytest.mark.parametrize("printed", ["many", "12 apples", "1.2.3", "", "1×", "0x10"])
def test_what_is_no_printed_number_is_refused(printed: str) -> None:
    with pytest.raises(UsageError, match="is not a printed number"):
        quantity(printed)


def test_a_run_answers_what_no_count_can_tell() -> None:
    claims = about(claims_file.registered(), "nin")
    name = "nin/test-error/cifar10-nin/error"
    measured = {name: Measurement(10.55, "runs/nin-1", deviation=0.1)}
    (each,) = [f for f in check(claims, graph_of, measured).findings if f.claim.id == name]
    assert (each.verdict, plain(each.computed)) == ("rounds to it", 10.55)
    assert "runs/nin-1" in each.cause


def test_steps_that_do_not_reach_it_end_in_what_is_unexplained() -> None:
    claim = Claim("id", "inception-5x5", "s", "q", "100M", "MACs", check="macs")
    stepped = Claim(
        "id", "inception-5x5", "s", "q", "100M", "MACs", check="macs", steps=(Step("a", "-400000"),)
    )
    (rest,) = check([claim], graph_of).findings[0].waterfall
    assert rest.unexplained
    first, second = check([stepped], graph_of).findings[0].waterfall
    assert first.amount + second.amount == rest.amount


MINE = """
source = "my paper"
model = "inception-5x5"

[[claim]]
id = "work"
quote = "a tenth of a GMAC"
published = "0.12G"
unit = "MACs"
check = "macs"

[[table]]
id = "t"
[table.columns]
out = { unit = "channels", check = "channels('{node}')" }
[[table.rows]]
row = "the 5×5"
node = "b5"
out = "31"
causes = { out = "a slip" }
"""


def test_a_users_own_paper_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MINE, encoding="utf-8")
    assert run(["claims", "--file", str(path), "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data == {
        "schema_version": 1,
        "claims": [
            {
                "model": "inception-5x5",
                "id": "mine/work",
                "source": "my paper",
                "quote": "a tenth of a GMAC",
                "published": 120_000_000,
                "unit": "MACs",
                "computed": 120_422_400,
                "difference": 422_400,
                "verdict": "rounds to it",
                "cause": "",
            },
            {
                "model": "inception-5x5",
                "id": "mine/t/b5/out",
                "source": "my paper",
                "quote": "31",
                "published": 31,
                "unit": "channels",
                "computed": 32,
                "difference": 1,
                "verdict": "false",
                "cause": "a slip",
            },
        ],
    }


def test_claims_beside_a_third_partys_models_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "their_models"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "lenet.toml").write_text(MINE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(
        registry, "modules", lambda: iter(["their_models.lenet", "their_models.other"])
    )
    assert [claim.id for claim in claims_file.registered()] == ["lenet/work", "lenet/t/b5/out"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("claim = 3", "write [[claim]], with two brackets"),
        ("x = [", "is not TOML"),
        ("", "has no [[claim]] and no [[table]]"),
        ("colour = 'red'", "'colour' is not one of source, model"),
        (MINE.replace('unit = "MACs"', ""), "claim work: unit is missing"),
        (MINE.replace("quote", "quoted", 1), "unknown key 'quoted'; did you mean quote?"),
        (MINE.replace('"0.12G"', "0.12"), "published: expected text, got a number"),
        (MINE.replace('"0.12G"', '"0.12Q"'), "published '0.12Q' is not a printed number"),
        (
            MINE.replace('id = "work"', 'id = "work"\nk = "K"'),
            "k: expected a whole number, got text",
        ),
        (
            MINE.replace('id = "work"', 'id = "work"\nlimit = "near"'),
            "limit: 'near' is not one of its values",
        ),
        (
            MINE.replace('id = "work"', 'id = "work"\nsteps = [1]'),
            "steps[0]: expected a table, got",
        ),
        (MINE + '[[claim]]\nid = "work"\nquote = "q"\npublished = "1"\nunit = "x"', "given to two"),
        (MINE.replace("node =", "place ="), "'place' is not one of its columns out"),
        (MINE.replace('"macs"', '"mac"'), "claim mine/work: 'mac': 'mac' is not one of numbers"),
        (MINE.replace("inception-5x5", "incep"), "unknown model 'incep'"),
    ],
)
def test_a_file_of_claims_that_is_wrong_is_refused_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    assert run(["claims", "--file", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--file", "nowhere.toml"], "there is no file nowhere.toml"),
        (["goglenet"], "there are no claims about goglenet; models with claims: alexnet"),
        (["sk-unit", "--file", "README.md"], "README.md is not TOML"),
    ],
)
def test_wrong_arguments_are_refused(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(ROOT)
    assert run(["claims", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_an_alias_names_the_same_claims(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["claims", "network-in-network", "--format", "csv"]) == 0
    by_alias = capsys.readouterr().out
    assert run(["claims", "nin", "--format", "csv"]) == 0
    assert capsys.readouterr().out == by_alias
    assert by_alias.startswith("model,id,source,quote,published,unit,computed,difference,verdict")


def test_the_waterfall_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["claims", "googlenet", "--waterfall"]) == 0
    out = capsys.readouterr().out
    assert "-83,994,624" in out
    assert "(inference)" in out
    assert "unexplained" in out


def test_the_report_in_the_repository_is_fresh(found: Claims) -> None:
    from archcalc.report.formats.markdown import markdown

    report = claims_report(found, waterfall=True)
    again = markdown(report.tables, report.notes)
    written = (ROOT / "reports" / "claims.md").read_text(encoding="utf-8")
    assert written == again, (
        "write it again: archcalc claims all --waterfall --format md -o reports/claims.md"
    )
