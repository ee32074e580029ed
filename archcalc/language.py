"""The language in which commands and reports write.

The code contains the English sentences. Translations are gettext catalogues in ``archcalc/locale``;
``tools/translations.py`` updates them. JSON, CSV, exceptions and help texts are always in English.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from gettext import NullTranslations

Lang = Literal["en", "zh"]
LANGS: tuple[Lang, ...] = get_args(Lang)

LOCALE = Path(__file__).parent / "locale"

_CURRENT: ContextVar[Lang] = ContextVar("language", default="en")


def current() -> Lang:
    """The current language."""
    return _CURRENT.get()


@contextmanager
def use(lang: Lang) -> Iterator[None]:
    """Use this language inside the ``with`` block.

    >>> with use("zh"):
    ...     _("Memory")
    '内存'
    """
    before = _CURRENT.set(lang)
    try:
        yield
    finally:
        _CURRENT.reset(before)


class Message(str):
    """An English text that keeps its pattern and values, so that it can be translated later.

    Records contain messages. As strings they are in English; sections translate them with
    :func:`_`.

    >>> note = Message("{count} threads", count=2)
    >>> note
    '2 threads'
    >>> note.pattern, note.values
    ('{count} threads', {'count': 2})
    """

    pattern: str
    values: dict[str, Any]

    def __new__(cls, pattern: str = "", /, **values: Any) -> Message:
        found = super().__new__(cls, pattern.format(**values) if values else pattern)
        found.pattern, found.values = pattern, values
        return found

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        return (self.pattern,), self.values


def _(message: str, /, **values: Any) -> str:
    """The message in the current language, with its values. A text without a translation remains
    in English."""
    if isinstance(message, Message):
        values = {name: _of(value) for name, value in message.values.items()}
        message = message.pattern
    lang = current()
    text = message if lang == "en" or not message else _catalogue(lang).gettext(message)
    return text.format(**values) if values else text


def mark(message: str) -> str:
    """Return the message unchanged. Marks a constant that is translated when it is shown."""
    return message


def several(one: str, many: str, count: int, /, **values: Any) -> str:
    """The message in the singular or plural form of a count.

    >>> several("{count} warning", "{count} warnings", 1)
    '1 warning'
    """
    if (lang := current()) == "en":
        text = one if count == 1 else many
    else:
        text = _catalogue(lang).ngettext(one, many, count)
    return text.format(count=count, **values)


def term(word: str) -> str:
    """The translation of a word in a record, such as a class of work. Users' own names, such as
    those of operators, are returned unchanged.

    >>> with use("zh"):
    ...     term("pooling"), term("conv 3×3"), term("my::op")
    ('池化', '卷积 3×3', 'my::op')
    """
    if (lang := current()) == "en":
        return word
    found = _catalogue(lang).pgettext("term", word)
    kind, _space, window = word.partition(" ")
    return f"{term(kind)} {window}" if found == word and window else found


def listed(items: Iterable[str]) -> str:
    """Items joined with the separator of the current language."""
    return _(", ").join(items)


def _of(value: Any) -> Any:
    return _(value) if isinstance(value, Message) else value


@cache
def _catalogue(lang: Lang) -> NullTranslations:
    # Imported on demand: English needs no catalogue.
    from gettext import translation

    return translation("archcalc", LOCALE, [lang])
