"""The arithmetic of claims: exact, and nothing but arithmetic."""

import re
from fractions import Fraction

import pytest

import archcalc
from archcalc.analysis.expression import evaluate
from archcalc.analysis.profile import Profile, profile
from archcalc.errors import UsageError


def profile_of(model: str, input: str) -> Profile:
    return profile(archcalc.graph(model, input=input or None).train())


def value(text: str, model: str = "inception-reduced") -> object:
    return evaluate(text, model, "", profile_of)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1*3 + 3*3*2", 21),
        ("0.0004 * 0.8**8", Fraction("6.7108864e-05")),
        ("-7 // 2", -4),
        ("7 % 4", 3),
        ("2**-1", Fraction(1, 2)),
        ("macs", 128_049_152),
        ('macs("b5.conv")', 10_035_200),
        ('macs("b5")', 2_408_448 + 10_035_200),
        ("params", 163_696),
        ("weights", 163_328),
        ("channels", 256),
        ('channels("b5.reduce")', 16),
        ("positions", 28 * 28),
        ("side", 28),
        ("elements", 28 * 28 * 256),
        ("depth", 2),
        ("outputs", 1),
        ('count("conv2d")', 6),
        ('modules("b")', 3),
        ('span("b5.conv")', 5),
        ('of("inception-5x5", macs)', 120_422_400),
        ('at("56x56x192", macs) / macs', 4),
        ("conv_out(5, 3)", 3),
        ("conv_out(227, 11, 4)", 55),
        ("flops // macs", 2),
    ],
)
def test_an_expression_has_its_value(text: str, expected: object) -> None:
    assert value(text) == expected


def test_heads_that_run_in_training_alone_are_asked_for_by_name() -> None:
    assert value("macs", "googlenet") == 1_582_671_872
    assert value("macs_training", "googlenet") == 1_591_044_096
    assert value('params("aux1")', "googlenet") == 3_188_840
    assert value("params_all", "googlenet") == 13_378_280


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("__import__('os').system('true')", "is not one of numbers"),
        ("(lambda: 1)()", "is not one of numbers"),
        ("macs.__class__", "is not one of numbers"),
        ("[1][0]", "is not one of numbers"),
        ("True", "is not one of numbers"),
        ("colour", "is not one of numbers"),
        ("1 +", "is not an expression"),
        ("", "is not an expression"),
        ("9**9**9", "an exponent must be a whole number of at most 64"),
        ("2**0.5", "an exponent must be a whole number of at most 64"),
        ("1 / 0", "divides by zero"),
        ('"text"', "is text, not a number"),
        ('1 + "text"', "is text, but a number is needed"),
        ('macs("b9")', "has no node 'b9'; its modules: input, b1, b3"),
        ("count", "count takes one name"),
        ('macs("a", "b")', "macs takes at most one name"),
        ('of("nothing", macs)', "unknown model 'nothing'"),
        ('at("28", macs)', "input '28' has 1 size"),
    ],
)
def test_anything_else_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        value(text)
