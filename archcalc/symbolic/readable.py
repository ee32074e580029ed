"""A formula as plain text and LaTeX, factored by sympy if that makes it shorter.

Each floor is one symbol for sympy, named by its text, so that sympy never rewrites it.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from archcalc.errors import needs
from archcalc.symbolic import emit
from archcalc.symbolic.expression import Polynomial, Space

if TYPE_CHECKING:
    from archcalc.symbolic.formula import Formula
    from archcalc.symbolic.region import Region


def text(space: Space, polynomial: Polynomial) -> str:
    """One expression on one line. Without sympy, it is not factored.

    >>> import archcalc
    >>> region = archcalc.derive("inception-5x5-reduced", over=["c5_reduce"]).region()
    >>> text(region.space, region.figures["macs"])
    '777,728·c5_reduce'
    """
    plain = emit.inline(space, polynomial)
    if find_spec("sympy") is None:
        return plain
    factored: str = _printer().doprint(_factored(space, polynomial, emit.WORDS))
    return min(plain, factored, key=len)


def latex(formula: Formula) -> str:
    """The figures as aligned equations, with cases if the formula has several regions.

    Raises MissingExtraError if sympy is not installed.
    """
    regions = [region for region in formula.regions if not region.refusal]
    lines = [r"\begin{align*}"]
    for figure in formula.figures:
        values = [(_latex(region, figure), _conditions(region)) for region in regions]
        if len(values) == 1:
            value, where = values[0]
            value += rf" && \text{{where }} {where}" if where else ""
        else:
            cases = r" \\ ".join(f"{value} & {where}" for value, where in values)
            value = rf"\begin{{cases}} {cases} \end{{cases}}"
        lines.append(rf"{emit.latex_name(figure)} &= {value} \\")
    lines.append(r"\end{align*}")
    return "\n".join(lines) + "\n"


def _latex(region: Region, figure: str) -> str:
    with needs("sweep", "--format latex"):
        import sympy

    found = _factored(region.space, region.figures[figure], emit.LATEX)
    spread = found.expand() if found.is_Mul else found
    made: list[str] = [sympy.latex(each, mul_symbol="dot") for each in (found, spread)]
    return min(made, key=len)


def _conditions(region: Region) -> str:
    return r",\ ".join(
        emit.condition(
            guard,
            lambda found: emit.inline(region.space, found, emit.LATEX, emit.latex_name),
            emit.LATEX_SIGNS,
        )
        for guard in region.guards
    )


def _factored(space: Space, polynomial: Polynomial, dialect: emit.Dialect) -> Any:
    with needs("sweep", "simplifying a formula"):
        import sympy
    written = emit.latex_name if dialect is emit.LATEX else str
    symbols = {
        number: sympy.Symbol(emit.inline(space, {(number,): 1}, dialect, written), positive=True)
        for monomial in polynomial
        for number in monomial
    }
    terms = (
        sympy.Mul(coefficient, *(symbols[atom] for atom in monomial))
        for monomial, coefficient in polynomial.items()
    )
    return sympy.factor(sympy.Add(*terms))


def _printer() -> Any:
    from sympy.printing.str import StrPrinter

    class Printer(StrPrinter):  # type: ignore[misc]  # sympy ships no types
        def _print_Integer(self, number: Any) -> str:  # noqa: N802  # sympy's name
            return f"{int(number):,}".replace("-", "−")

        def _print_Mul(self, product: Any) -> str:  # noqa: N802  # sympy's name
            return str(super()._print_Mul(product)).replace("*", "·")

        def _print_Pow(self, power: Any, rational: bool = False) -> str:  # noqa: N802
            return "·".join([self.parenthesize(power.base, 100)] * int(power.exp))

    return Printer()
