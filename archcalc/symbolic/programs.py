"""A formula as a program: Python, NumPy or JavaScript source without dependencies, or JSON.

Every program has the regions derived so far, in order, and refuses sizes outside them.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Callable, Mapping
from typing import Any

from archcalc.symbolic import emit
from archcalc.symbolic.expression import Extreme, Polynomial, Space, Variable
from archcalc.symbolic.formula import Formula
from archcalc.symbolic.region import Region
from archcalc.version import VERSION

SCHEMA_VERSION = 1


def python(formula: Formula) -> str:
    """A function of integers of any size that returns the figures by name.

    >>> import archcalc
    >>> made = {}
    >>> exec(python(archcalc.derive("nin", over=["input"])), made)
    >>> made["nin"](height=32, width=32)["macs"]
    222486528
    """
    names = _names(formula, _python_name)
    lines = [
        f"def {_python_name(formula.spec)}({_python_signature(formula, names)}):",
        f'    """{_title(formula)}"""',
    ]
    for region in formula.regions:
        if region.refusal:
            continue
        code = _code(region, emit.PYTHON, names, [*region.figures.values()])
        tests = " and ".join(_tests(region, names, emit.PYTHON)) or "True"
        lines.append(f"    if {tests}:")
        lines += [f"        {name} = {text}" for name, text in code.assignments]
        lines.append("        return {")
        lines += [f'            "{key}": {code(found)},' for key, found in region.figures.items()]
        lines.append("        }")
    lines.append(f"    raise ValueError({_outside(formula)!r})")
    return "\n".join(lines) + "\n"


def numpy(formula: Formula) -> str:
    """A function of columns that returns the figures and ``valid`` by name.

    It does not check for integer overflow.
    """
    names = _names(formula, _python_name)
    lines = [
        "import numpy as np",
        "",
        "",
        f"def {_python_name(formula.spec)}({_python_signature(formula, names)}):",
        f'    """{_title(formula)}"""',
        f"    {_listed(names.values())} = np.broadcast_arrays({_listed(names.values())})",
        f"    valid = np.zeros({next(iter(names.values()))}.shape, bool)",
        f"    result = {{name: np.zeros(valid.shape, np.int64) for name in {formula.figures!r}}}",
    ]
    for region in formula.regions:
        if region.refusal:
            continue
        code = _code(region, emit.NUMPY, names, [*region.figures.values()])
        tests = " & ".join(f"({test})" for test in _tests(region, names, emit.NUMPY))
        lines.append(f"    here = ~valid & {tests}" if tests else "    here = ~valid")
        lines += [f"    {name} = {text}" for name, text in code.assignments]
        lines += [
            f'    result["{key}"] = np.where(here, {code(found)}, result["{key}"])'
            for key, found in region.figures.items()
        ]
        lines.append("    valid = valid | here")
    lines.append('    return {**result, "valid": valid}')
    return "\n".join(lines) + "\n"


def javascript(formula: Formula) -> str:
    """A function of numbers or BigInts that returns the figures by name, as BigInts."""
    names = _names(formula, _javascript_name)
    head = ", ".join(f"{names[name]} = {formula.defaults[name]}" for name in formula.variables)
    lines = [
        f"// {_title(formula)}",
        f"function {_javascript_name(formula.spec)}({{ {head} }} = {{}}) {{",
        "  const quotient = (a, b) => (a - (((a % b) + b) % b)) / b;",
        "  const largest = (...of) => of.reduce((a, b) => (a > b ? a : b));",
        "  const smallest = (...of) => of.reduce((a, b) => (a < b ? a : b));",
    ]
    lines += [f"  {name} = BigInt({name});" for name in names.values()]
    for region in formula.regions:
        if region.refusal:
            continue
        code = _code(region, emit.BIGINTS, names, [*region.figures.values()])
        tests = " && ".join(_tests(region, names, emit.BIGINTS)) or "true"
        lines.append(f"  if ({tests}) {{")
        lines += [f"    const {name} = {text};" for name, text in code.assignments]
        lines.append("    return {")
        lines += [f"      {key}: {code(found)}," for key, found in region.figures.items()]
        lines += ["    };", "  }"]
    lines += [f"  throw new RangeError({json.dumps(_outside(formula))});", "}"]
    return "\n".join(lines) + "\n"


def record(formula: Formula) -> dict[str, Any]:
    """The formula as plain data. An expression is an integer, the name of a size, or a list of an
    operation (``+ * // max min``) and its operands."""
    return {
        "schema_version": SCHEMA_VERSION,
        "archcalc": VERSION,
        "spec": formula.spec,
        "node": formula.node,
        "sizes": dict(formula.defaults),
        "figures": list(formula.figures),
        "regions": [
            {
                "while": list(region.conditions),
                "guards": [
                    {"left": _tree(region.space, dict(guard.polynomial)), "is": guard.relation}
                    for guard in region.guards
                ],
                "figures": {
                    key: _tree(region.space, found) for key, found in region.figures.items()
                },
            }
            for region in formula.regions
            if not region.refusal
        ],
    }


def to_json(formula: Formula) -> str:
    return json.dumps(record(formula), indent=2, ensure_ascii=False) + "\n"


def latex(formula: Formula) -> str:
    from archcalc.symbolic.readable import latex as written

    return written(formula)


PROGRAMS: Mapping[str, Callable[[Formula], str]] = {
    "python": python,
    "numpy": numpy,
    "javascript": javascript,
    "latex": latex,
    "json": to_json,
}
"""Writers by the name of the format."""


def _code(
    region: Region, dialect: emit.Dialect, names: Mapping[str, str], wanted: list[Polynomial]
) -> emit.Code:
    return emit.Code(region.space, wanted, dialect, names.__getitem__)


def _tests(region: Region, names: Mapping[str, str], dialect: emit.Dialect) -> list[str]:
    """The guards as conditions that use no assignments."""
    signs = {**emit.CODE_SIGNS}
    if dialect is emit.BIGINTS:
        signs |= {"==": "===", "!=": "!=="}
    return [
        emit.condition(
            guard,
            lambda found: emit.inline(region.space, found, dialect, names.__getitem__),
            signs,
        )
        for guard in region.guards
    ]


def _tree(space: Space, polynomial: Polynomial) -> Any:
    terms = [
        [coefficient, *(_atom_tree(space, atom) for atom in monomial)]
        for monomial, coefficient in polynomial.items()
    ]
    made = [term[0] if len(term) == 1 else ["*", *term] for term in terms]
    return 0 if not made else made[0] if len(made) == 1 else ["+", *made]


def _atom_tree(space: Space, number: int) -> Any:
    atom = space.atoms[number]
    if isinstance(atom, Variable):
        return atom.name
    if isinstance(atom, Extreme):
        name = "max" if atom.largest else "min"
        return [name, *(_tree(space, dict(part)) for part in atom.of)]
    return ["//", _tree(space, dict(atom.numerator)), _tree(space, dict(atom.denominator))]


def _title(formula: Formula) -> str:
    of = f"{formula.spec}, {formula.node}" if formula.node else formula.spec
    figures = _plain(_listed(formula.figures))
    sizes = _plain(_listed(formula.variables))
    return f"{_plain(of)}: {figures} as functions of {sizes} (archcalc {VERSION})."


def _plain(text: str) -> str:
    """Text that cannot end a docstring or a comment, since names come from users' code."""
    return re.sub(r"[^\w ,.=:/*-]", "_", text)


def _outside(formula: Formula) -> str:
    regions = [region for region in formula.regions if not region.refusal]
    known = " or ".join(" and ".join(region.conditions) or "always" for region in regions)
    return f"the formula is valid only for {known}"


def _listed(names: Any) -> str:
    return ", ".join(names)


def _python_signature(formula: Formula, names: Mapping[str, str]) -> str:
    given = (f"{names[name]}={formula.defaults[name]}" for name in formula.variables)
    return f"*, {_listed(given)}"


def _names(formula: Formula, written: Callable[[str], str]) -> dict[str, str]:
    return {name: written(name) for name in formula.variables}


def _python_name(name: str) -> str:
    made = re.sub(r"\W", "_", name)
    made = f"_{made}" if not made or made[0].isdigit() or re.fullmatch(r"t\d+", made) else made
    return f"{made}_" if keyword.iskeyword(made) or made in NUMPY_NAMES else made


NUMPY_NAMES = frozenset({"here", "np", "result", "valid"})
"""Names that the emitted function uses."""


JAVASCRIPT_WORDS = frozenset(
    [
        *("await", "break", "case", "catch", "class", "const", "continue", "debugger", "default"),
        *("delete", "do", "else", "enum", "export", "extends", "false", "finally", "for"),
        *("function", "if", "implements", "import", "in", "instanceof", "interface", "largest"),
        *("let", "new", "null", "package", "private", "protected", "public", "quotient", "return"),
        *("smallest", "static", "super", "switch", "this", "throw", "true", "try", "typeof"),
        *("var", "void", "while", "with", "yield"),
    ]
)
"""Reserved words, and names that the emitted function uses."""


def _javascript_name(name: str) -> str:
    made = re.sub(r"[^\w]", "_", name)
    made = f"_{made}" if not made or made[0].isdigit() or re.fullmatch(r"t\d+", made) else made
    return f"{made}_" if made in JAVASCRIPT_WORDS else made
