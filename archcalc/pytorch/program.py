"""Load programs saved by torch.export without running code that they contain.

A ``.pt2`` file is an archive of JSON, tensors and pickles. Loading a pickle can run code, and so
can expressions and function names in the JSON. The file is therefore checked first, without
torch.export: a pickle may contain only what ``weights_only`` allows, an expression only arithmetic,
and a node may call only a registered operator. Anything else needs ``trust``.
"""

from __future__ import annotations

import io
import json
import logging
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch._ops import HigherOrderOperator, OpOverload
from torch.export import ExportedProgram
from torch.export.pt2_archive import _package as archive

from archcalc.errors import UsageError
from archcalc.guard import first_line, shortened

PICKLES = re.compile(r"data/sample_inputs/.*|data/constants/[^/]*\.pt|data/weights/[^/]*\.pt")
"""Members that torch.export always unpickles."""
DATA = re.compile(
    r"data/(sample_inputs|constants|weights)/.*|models/[^/]*\.json|archive_(format|version)|"
    r"byteorder|\.data/.*|version|extra/.*"
)
"""Members of an archive that contain no machine code."""

ARITHMETIC = frozenset(
    [
        *(
            "Symbol",
            "Add",
            "Mul",
            "Pow",
            "Integer",
            "Rational",
            "Float",
            "Max",
            "Min",
            "Abs",
            "Mod",
            "PythonMod",
        ),
        *("FloorDiv", "CeilDiv", "CleanDiv", "ModularIndexing", "Where", "Identity", "Eq", "Ne"),
        *("Lt", "Le", "Gt", "Ge", "And", "Or", "Not", "Piecewise", "True", "False", "TruncToInt"),
        *("CeilToInt", "FloorToInt", "RoundToInt", "ToFloat", "FloatTrueDiv", "IntTrueDiv"),
        *("FloatPow", "PowByNatural", "floor", "ceiling", "integer", "positive", "nonnegative"),
        *("oo", "int_oo", "sqrt", "LShift", "RShift", "BitwiseFn_bitwise_and", "TruncToFloat"),
    ]
)
"""Names that an expression of sizes may contain, besides symbols such as s0 and u12."""
OPERATORS = frozenset(
    [
        *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "neg", "pos", "getitem"),
        *("eq", "ne", "lt", "le", "gt", "ge", "and_", "or_", "xor", "not_", "lshift", "rshift"),
    ]
)
"""Functions of Python's ``operator`` that a node may call."""


def load(path: str, *, trust: bool = False) -> ExportedProgram:
    """Load the program in a file.

    Raises UsageError if the file is damaged, or if loading it would run code and ``trust`` is
    False.
    """
    if not Path(path).is_file():
        raise UsageError(f"there is no file {path}")
    try:
        with _silent():
            if trust:
                return torch.export.load(path)
            _check(path)
            # Not torch.export.load: that falls back to an older format, which is all pickles.
            return archive.load_pt2(path).exported_programs["model"]
    except _RunsCodeError as found:
        raise UsageError(
            f"{path} is not loaded, because {found}, which can run code; "
            "give --trust if you trust its source"
        ) from None
    except Exception as error:  # a damaged archive fails in many ways
        raise UsageError(
            f"{path} is not a program that torch.export can load: {first_line(error)}"
        ) from error


class _RunsCodeError(Exception):
    """Loading the file would run code that it contains. The message says which part."""


OLDER = "serialized_exported_program.json"
"""A member of files in torch.export's older format."""


def _check(path: str) -> None:
    """Raise _RunsCodeError unless loading the archive only reads data."""
    with zipfile.ZipFile(path) as members:
        if any(name.endswith(OLDER) for name in members.namelist()):
            raise _RunsCodeError("it has an older torch.export format, which consists of pickles")
    with archive.PT2ArchiveReader(path) as reader:
        names = reader.get_file_names()
        for name in names:
            if not DATA.fullmatch(name):
                raise _RunsCodeError(f"it contains {shortened(name)}")
        pickles = {name for name in names if PICKLES.fullmatch(name)}
        for name in names:
            if not name.endswith(".json"):
                continue
            parsed = json.loads(reader.read_bytes(name))
            if name.startswith("models/"):
                _check_program(parsed)
            else:
                folder = name.rpartition("/")[0]
                pickles |= {f"{folder}/{each}" for each in _unpickled(parsed)}
        for name in sorted(pickles):
            try:
                torch.load(io.BytesIO(reader.read_bytes(name)), "meta", weights_only=True)
            except Exception as error:  # a pickle of anything but tensors
                raise _RunsCodeError(f"its pickle {name} contains more than tensors") from error


def _unpickled(config: Any) -> Iterator[str]:
    """Yield the pickles that a configuration of weights or constants lists."""
    for payload in config.get("config", {}).values():
        member = payload["path_name"]
        if member.startswith(("custom_obj", "opaque_obj")):
            raise _RunsCodeError("it contains a custom object")
        if payload.get("use_pickle"):
            yield member


def _check_program(tree: Any) -> None:
    """Check the names and expressions in a program's JSON that torch.export evaluates."""
    waiting = [tree]
    while waiting:
        found = waiting.pop()
        if isinstance(found, list):
            waiting += found
        elif isinstance(found, dict):
            waiting += found.values()
            target, expression = found.get("target"), found.get("expr_str")
            if isinstance(target, str) and "inputs" in found and not _is_operator(target):
                raise _RunsCodeError(f"it calls {shortened(target)}")
            if isinstance(expression, str) and not _is_arithmetic(expression):
                raise _RunsCodeError(f"it evaluates {shortened(expression)!r}")
        elif isinstance(found, str) and ("__enum__" in found or "default_factory" in found):
            raise _RunsCodeError("its inputs or outputs name classes to import")


def _is_operator(target: str) -> bool:
    """Whether a node's target is a registered operator, or a function on sizes."""
    first, *rest = target.split(".")
    if first in ("_operator", "math"):
        return len(rest) == 1 and (rest[0] in OPERATORS if first == "_operator" else True)
    if target.startswith("torch.sym_"):
        return len(rest) == 1
    if first != "torch" or rest[:1] != ["ops"]:
        return False
    found: Any = torch.ops
    for name in rest[1:]:
        if isinstance(found, (OpOverload, HigherOrderOperator)):
            return False  # an attribute of an operator
        found = getattr(found, name, None)
    return isinstance(found, (OpOverload, HigherOrderOperator))


SYMBOL = r"(z?s|u|zf|zuf)\d+"


def _is_arithmetic(expression: str) -> bool:
    """Whether an expression only does arithmetic on symbols, as in ``2*Symbol('s0')``."""
    expression = re.sub(rf"Symbol\('{SYMBOL}'", "Symbol(s0", expression)
    if len(expression) > 10_000 or not re.fullmatch(r"[\w\s+\-*/%(),<>=&|~!.]*", expression):
        return False
    names = re.findall(r"[A-Za-z_]\w*", expression)
    # An attribute needs a dot after a name or a parenthesis.
    attribute = re.search(r"[A-Za-z_)]\w*\s*\.\s*[A-Za-z_]", expression)
    return not attribute and all(name in ARITHMETIC or re.fullmatch(SYMBOL, name) for name in names)


@contextmanager
def _silent() -> Iterator[None]:
    """Silence torch's own traceback for a damaged file."""
    names = ("torch.export", "torch.export.pt2_archive._package", "torch._export.serde.serialize")
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled
