"""Users' formulas for operators that are not in the table.

    @archcalc.formula("mylib::scan")
    def scan(x, weight, *, out):
        return x[0] * x[1] * weight[0]

The positional arguments are the shapes of the operator's input tensors, in its own order. ``out``
is the shape of the output, or a tuple of shapes if there are several. Any other keyword argument is
a setting of the call, under the operator's name for it. The function returns a number of
multiply-adds or, for other work, a :class:`archcalc.ops.Cost`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from archcalc.errors import UsageError
from archcalc.graph import Node
from archcalc.guard import guard
from archcalc.ops import counters
from archcalc.ops.operator import TABLE, Cost, Operator, Work
from archcalc.ops.window import Untold

Formula = Callable[..., int | Cost]

USERS: dict[str, Formula] = {}
"""Registered formulas by operator."""


def formula(name: str) -> Callable[[Formula], Formula]:
    """Register a function of shapes as the formula of the operator ``name`` (``"mylib::op"``).

    A later formula for the same name replaces an earlier one. Raises UsageError if archcalc has a
    built-in formula for the operator.
    """
    if name in TABLE and name not in USERS:
        raise UsageError(
            f"operator {name!r} already has a built-in formula, which cannot be replaced"
        )

    def wrap(function: Formula) -> Formula:
        USERS[name] = function
        TABLE[name] = Operator(
            name,
            "matmul",
            Untold("layout"),
            counters.UNSEEN,
            "nothing",
            formula=(inspect.getdoc(function) or f"by {function.__name__}()").partition("\n")[0],
            work=_work(name, function),
        )
        return function

    return wrap


def load_formulas(path: str | Path) -> tuple[str, ...]:
    """Run a Python file of formulas and return the names of the operators that it registers.

    Raises UsageError if the file cannot be read or run, or registers none.
    """
    import runpy  # imported on demand: it takes milliseconds

    before = dict(USERS)
    try:
        Path(path).open("rb").close()
    except (OSError, ValueError) as error:  # a name with NUL in it is a ValueError
        why = (getattr(error, "strerror", None) or str(error)).lower()
        raise UsageError(f"formulas {str(path)!r} cannot be read: {why}") from None
    with guard(f"formulas {str(path)!r} cannot be run"):
        runpy.run_path(str(path), run_name="archcalc_formulas")
    added = tuple(name for name, function in USERS.items() if before.get(name) is not function)
    if not added:
        raise UsageError(
            f"formulas {str(path)!r} registers no formula; decorate a function with "
            '@archcalc.formula("mylib::op")'
        )
    return added


def _work(name: str, function: Formula) -> Callable[[Node, bool], Work]:
    parameters = inspect.signature(function).parameters.values()
    wanted = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]

    def work(node: Node, training: bool) -> Work:
        shapes = [value.shape for value in node.inputs]
        settings: dict[str, Any] = {key: node.attrs[key] for key in wanted if key in node.attrs}
        if "out" in wanted:
            outs = tuple(value.shape for value in node.outputs)
            settings["out"] = outs[0] if len(outs) == 1 else outs
        with guard(f"formula for {name!r} failed at {node.name}"):
            cost = function(*shapes, **settings)
        if isinstance(cost, int) and not isinstance(cost, bool):
            cost = Cost(macs=cost)
        if not isinstance(cost, Cost) or min(cost) < 0:
            raise UsageError(
                f"formula for {name!r} returned {cost!r}; return a number of MACs or an "
                "archcalc.Cost"
            )
        return {field: (((count,),),) for field, count in cost._asdict().items() if count}

    return work
