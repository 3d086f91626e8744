"""Files and functions stay small, say their duty, and carry names that mean something."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.project_tree import ROOT, modules, parsed, shown

FILE_CAP = 400
FUNCTION_CAP = 50
PORT_CAP = 12
EXCEPTION_CAP = 10
DOORS = {
    "sagas/__init__.py",
    "sagas/catalog/__init__.py",
    "sagas/machine/__init__.py",
    "contracts/__init__.py",
    "service/participant/__init__.py",
}
EMPTY_WORDS = {
    "abstract",
    "base",
    "common",
    "core",
    "helper",
    "helpers",
    "impl",
    "manager",
    "misc",
    "types",
    "util",
    "utils",
}


def test_a_file_above_400_lines_has_one_reason_to_change() -> None:
    lengths = {shown(module): len(module.read_text(encoding="utf-8").splitlines()) for module in modules()}
    too_long = {name: length for name, length in lengths.items() if length > FILE_CAP}
    assert too_long == {}, f"A file above {FILE_CAP} lines has more than one reason to change: part it by duty."


def test_no_function_is_longer_than_50_lines() -> None:
    offenders = [
        f"{shown(module)}:{line} {name}: {length} lines"
        for module in modules()
        for line, name, length in functions(parsed(module))
        if length > FUNCTION_CAP
    ]
    assert offenders == [], f"Name the parts: a function has at most {FUNCTION_CAP} lines and aims at 4 to 9."


def test_every_module_says_its_duty_in_its_first_line() -> None:
    silent = [
        shown(module) for module in modules() if module.name != "__init__.py" and not ast.get_docstring(parsed(module))
    ]
    assert silent == [], "Begin each with a docstring: one plain sentence that says what the module is there for."


def test_init_files_are_empty_save_the_doors() -> None:
    filled = [
        shown(module)
        for module in modules()
        if module.name == "__init__.py" and module.stat().st_size > 0 and shown(module) not in DOORS
    ]
    assert filled == [], f"Move the code into a module that says its duty. Only these are doors: {sorted(DOORS)}."


@pytest.mark.parametrize("door", sorted(DOORS))
def test_a_door_only_names_what_is_behind_it(door: str) -> None:
    plain = ast.Expr | ast.Import | ast.ImportFrom | ast.Assign
    doing = [node.lineno for node in parsed(ROOT / door).body if not isinstance(node, plain)]
    assert doing == [], f"{door} imports names and lists them in __all__; code goes into a module behind it."


def test_no_module_or_class_has_a_name_that_says_nothing() -> None:
    named = [(shown(module), module.stem) for module in modules()]
    named += [(shown(module.parent), module.parent.name) for module in modules() if module.name == "__init__.py"]
    named += [
        (f"{shown(module)}:{node.lineno}", node.name)
        for module in modules()
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.ClassDef)
    ]
    offenders = [f"{place} {name}" for place, name in named if words(name) & EMPTY_WORDS]
    assert offenders == [], "Name each after the one thing it does or is; if that is hard, it is two things."


def test_a_class_has_a_name_of_its_own() -> None:
    """Except for the messages of an example, and requests that are named like the action that they ask for."""
    places: dict[str, list[str]] = defaultdict(list)
    for module in modules():
        if "/contracts/messages/" in module.as_posix() or module.name == "schemas.py":
            continue
        for node in parsed(module).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(shown(module))
    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert twice == {}, "One word, one thing: name the less general one for what it is."


def test_a_port_has_at_most_10_methods() -> None:
    offenders = [
        f"{shown(module)}:{port.lineno} {port.name}: {count}"
        for module in modules()
        for port, count in ports(parsed(module))
        if count > PORT_CAP
    ]
    assert offenders == [], "Split the port by who uses it."


def test_there_are_at_most_10_exception_classes() -> None:
    found = [
        f"{shown(module)}:{node.lineno} {node.name}"
        for module in modules()
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.ClassDef) and any(is_exception(parent) for parent in node.bases)
    ]
    assert len(found) <= EXCEPTION_CAP, f"Merge those that the same person acts on in the same way: {found}"


def test_every_ignored_type_error_names_its_code_and_its_reason() -> None:
    offenders = [
        f"{shown(module)}:{number}"
        for module in modules()
        for number, line in enumerate(module.read_text(encoding="utf-8").splitlines(), start=1)
        if "type: ignore" in line and not re.search(r"# type: ignore\[[\w, -]+\]  # \w", line)
    ]
    assert offenders == [], "Write `# type: ignore[code]  # reason`, or better, the type that holds."


def test_every_ignored_lint_rule_says_why() -> None:
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if re.match(r'\s+"[A-Z]+\d+",', line)]
    assert rules, "the ignored rules of ruff are not where this test looks for them"
    assert [line for line in rules if not re.search(r",\s+# \w", line)] == [], "Justify each on its line."


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def short():\n    pass\n", [(1, "short", 2)]),
        ("async def long():\n" + "    pass\n" * 50, [(1, "long", 51)]),
        ("class A:\n    @property\n    def inner(self):\n        return 1\n", [(3, "inner", 2)]),
    ],
)
def test_a_function_is_measured_from_its_def_to_its_last_line(
    source: str, expected: list[tuple[int, str, int]]
) -> None:
    assert list(functions(ast.parse(source))) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("kafka_utils", {"kafka", "utils"}), ("LeaseManager", {"lease", "manager"}), ("Database", {"database"})],
)
def test_a_name_is_judged_word_by_word(name: str, expected: set[str]) -> None:
    assert words(name) == expected


def functions(tree: ast.Module) -> Iterator[tuple[int, str, int]]:
    """Line, name and number of lines of every function and method."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            last = node.end_lineno or node.lineno
            yield node.lineno, node.name, last - node.lineno + 1


def ports(tree: ast.Module) -> Iterator[tuple[ast.ClassDef, int]]:
    """Every Protocol with the number of its methods."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any("Protocol" in ast.unparse(parent) for parent in node.bases):
            yield node, sum(isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) for part in node.body)


def is_exception(parent: ast.expr) -> bool:
    """Whether a base class is an exception, by its name."""
    return ast.unparse(parent).endswith(("Error", "Exception"))


def words(name: str) -> set[str]:
    """The words of a snake_case or CamelCase name, in lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", Path(name).name)}
