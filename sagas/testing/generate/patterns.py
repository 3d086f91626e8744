"""Text that matches a regular expression, made from the tree into which `re` itself parses the expression."""

import re
from collections.abc import Callable, Iterable, Sequence
from re import _constants as op  # type: ignore[attr-defined]  # private, but the only parser
from re import _parser  # type: ignore[attr-defined]  # see above
from string import ascii_letters, ascii_lowercase, digits
from typing import Any

Choose = Callable[[Sequence[Any]], Any]

MAX_MORE = 4
"""How often what may be repeated without limit is repeated beyond its minimum, at most."""

_LETTERS = "".join(dict.fromkeys("aA1-_. /:+@#" + ascii_letters + digits))
_CATEGORIES = {op.CATEGORY_DIGIT: r"\d", op.CATEGORY_WORD: r"\w", op.CATEGORY_SPACE: r"\s"}
_CATEGORIES |= {op.CATEGORY_NOT_DIGIT: r"\D", op.CATEGORY_NOT_WORD: r"\W", op.CATEGORY_NOT_SPACE: r"\S"}


def text_for(pattern: str, choose: Choose) -> str | None:
    """Return a text in which the pattern is found, or None for a pattern that is not supported.

    `choose` takes one of several characters, branches or numbers of repetitions.
    """
    try:
        text = _sequence(_parser.parse(pattern), choose)
    except (re.error, LookupError):
        return None
    return text if re.search(pattern, text) else None


def _sequence(parts: Iterable[tuple[Any, Any]], choose: Choose) -> str:
    return "".join(_part(kind, value, choose) for kind, value in parts)


def _part(kind: object, value: Any, choose: Choose) -> str:  # noqa: ANN401  as `re` has it
    match kind:
        case op.LITERAL:
            return chr(value)
        case op.ANY:
            return str(choose(ascii_lowercase))
        case op.IN | op.NOT_LITERAL:
            return str(choose(_members(value if kind == op.IN else [(op.NEGATE, None), (op.LITERAL, value)])))
        case op.BRANCH | op.SUBPATTERN:
            return _sequence(choose(value[1]) if kind == op.BRANCH else value[-1], choose)
        case op.MAX_REPEAT | op.MIN_REPEAT:
            low, high, repeated = value
            times = choose(range(low, (low + MAX_MORE if high == op.MAXREPEAT else high) + 1))
            return "".join(_sequence(repeated, choose) for _ in range(times))
        case op.AT:
            return ""
        case _:
            raise LookupError(kind)


def _members(items: Sequence[tuple[Any, Any]]) -> list[str]:
    """Return the characters of a class: of the usual ones and those that it names."""
    is_negated = items[0][0] == op.NEGATE
    named = [chr(value) for kind, value in items if kind == op.LITERAL]
    named += [chr(value[0]) for kind, value in items if kind == op.RANGE]
    letters = dict.fromkeys((*_LETTERS, *named))
    return [letter for letter in letters if any(_is_member(letter, *each) for each in items) is not is_negated]


def _is_member(letter: str, kind: object, value: Any) -> bool:  # noqa: ANN401  as `re` has it
    match kind:
        case op.LITERAL:
            return bool(ord(letter) == value)
        case op.RANGE:
            return bool(value[0] <= ord(letter) <= value[1])
        case op.CATEGORY:
            return re.fullmatch(_CATEGORIES[value], letter) is not None
        case _:
            return False
