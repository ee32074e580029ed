"""Names and messages from users' code, written so that every format shows them and none obeys them.

A module can be called anything: an escape sequence that clears the terminal, text that reverses the
direction of writing, ``@everyone``, ``=HYPERLINK(...)``. Every format starts with :func:`visible`,
which shows what has no sign of its own as its code point, and then escapes its own syntax.
"""

from __future__ import annotations

import re
import unicodedata

INVISIBLE = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
"""Unicode's categories of control characters, directional and other format characters, lone
surrogates, and separators of lines and paragraphs."""

JOINERS = "\u200c\u200d"
"""Format characters that change only the letters beside them; Persian and emoji need them."""

MARKDOWN = re.compile(r"[\\`*_\[\]<>|#$]|~(?=\S)")
ENTITY = re.compile(r"&(?=#?\w+;)")
LINK = re.compile(r"(https?:|ftp:|mailto:|xmpp:|www\.)(?=\S)", re.IGNORECASE)
MENTION = re.compile(r"@(?=\w)|(?<=\bgh)-(?=\d)", re.IGNORECASE)
NOTHING = "&#8203;"
"""A zero-width space, which a reader does not see and which ends what would become a link."""

PROTOTYPE = frozenset(
    (
        "__defineGetter__",
        "__defineSetter__",
        "__lookupGetter__",
        "__lookupSetter__",
        "__proto__",
        "constructor",
        "hasOwnProperty",
        "isPrototypeOf",
        "propertyIsEnumerable",
        "toLocaleString",
        "toString",
        "valueOf",
    )
)
"""Keys that every JavaScript object has already."""


def visible(text: str, *, lines: bool = False) -> str:
    """The text with every invisible character as its code point; ``lines`` keeps line ends.

    >>> visible("red\\x1b[31m"), visible("a\\u202eb"), visible("no\\ud800 pair")
    ('red\\\\x1b[31m', 'a\\\\u202eb', 'no\\\\ud800 pair')
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        sign if _shown(sign) or (lines and sign == "\n") else _code_point(sign) for sign in text
    )


def for_terminal(text: str) -> str:
    """A sentence or a table for the terminal: its lines stay, nothing else moves the cursor."""
    return visible(text, lines=True)


def for_markdown(text: str) -> str:
    """Text that Markdown shows as it is, on one line, also in a comment on a pull request: no
    markup, no mention, no link.

    >>> for_markdown("a|b @team #1")
    'a\\\\|b @&#8203;team \\\\#&#8203;1'
    """
    text = visible(text.replace("\n", " "))
    text = ENTITY.sub("&amp;", MARKDOWN.sub(lambda found: f"\\{found[0]}", text))
    text = LINK.sub(lambda found: f"{found[0][:-1]}{NOTHING}{found[0][-1]}", text)
    text = MENTION.sub(lambda found: f"{found[0]}{NOTHING}", text)
    return re.sub(r"#(?=\d)(?<!&#)", f"#{NOTHING}", text)


def for_csv(text: str) -> str:
    """A text field that a spreadsheet shows rather than calculates.

    >>> for_csv("=1+1"), for_csv("two\\r\\nlines"), for_csv("conv1")
    ("'=1+1", 'two\\\\r\\\\nlines', 'conv1')
    """
    shown = visible(text)
    formula = shown.lstrip(" ").startswith(("=", "+", "-", "@")) or text.startswith(("\t", "\r"))
    return f"'{shown}" if formula else shown


def for_chart(text: str) -> str:
    """A name in the data of a chart: not one that JavaScript's objects have already.

    >>> for_chart("conv1"), for_chart("constructor")
    ('conv1', 'constructor\\u200c')
    """
    shown = visible(text)
    return f"{shown}\u200c" if shown in PROTOTYPE else shown


def _shown(sign: str) -> bool:
    return sign in JOINERS or unicodedata.category(sign) not in INVISIBLE


def _code_point(sign: str) -> str:
    named = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
    if sign in named:
        return named[sign]
    code = ord(sign)
    return (
        f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 2**16 else f"\\U{code:08x}"
    )
