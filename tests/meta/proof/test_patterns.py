"""A pattern of a seed fits however the code around it is renamed, moved and formatted."""

import ast

import pytest

from tests.meta.proof._support.patterns import replace, replace_text


@pytest.mark.parametrize(
    ("source", "pattern", "replacement", "expected"),
    [
        ("if state.done and is_due(state): go()", "is_due($x)", "True", "if state.done and True:\n    go()"),
        (
            "if other.done and is_due(  # why\n  other):\n  go()",
            "is_due($x)",
            "True",
            "if other.done and True:\n    go()",
        ),
        ("a = self._leases.clear()", "self.$any.clear()", "None", "a = None"),
        ("first()\nsecond()\nthird()", "first()\nsecond()", "second()", "second()\nthird()"),
        ("if x:\n  only()", "only()", "pass", "if x:\n    pass"),
        ("if x:\n  only()", "only()", "", "if x:\n    pass"),
        ("with lock:\n  a()\n  b()", "with lock:\n    ...", "if True:\n    ...", "if True:\n    a()\n    b()"),
        ("Made(1, a=2, b=3)", "Made(..., b=$b)", "Made(..., b=-$b)", "Made(1, b=-3, a=2)"),
        ("min(a, b, c)", "min(..., $last)", "max($last, ...)", "max(c, a, b)"),
    ],
)
def test_what_a_pattern_stands_for_is_kept(source: str, pattern: str, replacement: str, expected: str) -> None:
    tree = ast.parse(source)
    assert replace(tree, pattern, replacement) == 1
    assert ast.unparse(ast.fix_missing_locations(tree)) == expected


@pytest.mark.parametrize(
    ("source", "pattern", "count"),
    [
        ("f(a)\nf(b)", "f($x)", 2),
        ("f(a, b)", "f($x, $x)", 0),
        ("f(a.b, a.b)", "f($x, $x)", 1),
        ("f(a, key=1)", "f($x)", 0),
        ("if x: f()\nelse: g()", "if x:\n    ...", 0),
    ],
)
def test_a_pattern_that_does_not_fit_once_changes_nothing(source: str, pattern: str, count: int) -> None:
    tree = ast.parse(source)
    assert replace(tree, pattern, "pass") == count
    assert (ast.unparse(tree) == ast.unparse(ast.parse(source))) == (count != 1)


def test_a_piece_of_a_string_is_found_however_the_string_is_written() -> None:
    tree = ast.parse('SQL = "UPDATE lease SET a = 1"  " WHERE\\n   b = 2"')
    assert replace_text(tree, "SET a = 1 WHERE b = 2", "SET a = 3") == 1
    assert ast.unparse(tree) == "SQL = 'UPDATE lease SET a = 3'"
