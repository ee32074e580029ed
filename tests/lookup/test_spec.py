"""A model's text is parsed once."""

from __future__ import annotations

import pytest

from archcalc.errors import UsageError
from archcalc.lookup.spec import ModelSpec


@pytest.mark.parametrize(
    ("text", "name", "options", "kind"),
    [
        ("nin", "nin", {}, "registered"),
        ("nin,head=fc,mlp=false", "nin", {"head": "fc", "mlp": "false"}, "registered"),
        ("torchvision:resnet50", "torchvision:resnet50", {}, "torchvision"),
        ("timm:resnet18,in_chans=1", "timm:resnet18", {"in_chans": "1"}, "timm"),
        ("./net.py:Net", "./net.py:Net", {}, "python"),
        ("./net.py:Net,sizes=(1, 2),n=3", "./net.py:Net", {"sizes": "(1, 2)", "n": "3"}, "python"),
        ("package.module:Net", "package.module:Net", {}, "python"),
        ("net.pt2", "net.pt2", {}, "program"),
    ],
)
def test_a_text_is_a_name_options_and_a_kind(
    text: str, name: str, options: dict[str, str], kind: str
) -> None:
    spec = ModelSpec.parse(text)
    assert (spec.text, spec.name, spec.options, spec.kind) == (text, name, options, kind)


def test_an_option_in_the_text_comes_before_one_given_beside_it() -> None:
    spec = ModelSpec.parse("nin,head=fc", options={"head": "gap", "mlp": False}, batch=2)
    assert spec.options == {"head": "fc", "mlp": False}
    assert (spec.input, spec.batch, spec.training) == (None, 2, False)


def test_an_option_without_a_value_is_refused() -> None:
    with pytest.raises(UsageError, match="option 'head': write key=value"):
        ModelSpec.parse("nin,head")
