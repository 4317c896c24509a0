"""What may import what: downwards only, in the order of these lists, and nowhere in a circle."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TRAINER = (
    "__main__", "commands", "api", "reproduce", "serve", "export", "reporting", "explanation", "evaluation", "training",
    "inference", "data", "runs", "models", "runtime", "sketchbirds", "recipes", "config",
)  # fmt: skip


def modules(package):
    """Every module of a package: its dotted name and its file."""
    for file in sorted((ROOT / package).rglob("*.py")):
        yield ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), file


def imported(file, package):
    """The modules of a package that a file imports, wherever in it, unless for type checkers alone."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == package:
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.partition(".")[0] == package)


def floor(name):
    """The place of a module in the order; the package itself, which offers what all of it does, is above all."""
    parts = name.split(".")
    return TRAINER.index(parts[1]) if len(parts) > 1 and parts[1] in TRAINER else -1


@pytest.mark.parametrize("name", list(dict(modules("trainer"))))
def test_the_trainer_imports_downwards_only(name):
    file = dict(modules("trainer"))[name]
    assert not [target for target in imported(file, "trainer") if floor(target) < floor(name)]


def test_the_trainer_is_packages_and_few_modules():
    assert {path.stem for path in (ROOT / "trainer").glob("*.py")} == {"__init__", "__main__", "config"}
    assert {path.parent.name for path in (ROOT / "trainer").glob("*/__init__.py")} <= set(TRAINER)


@pytest.mark.parametrize("package", ["trainer", "taxonomy"])
def test_no_modules_import_each_other_in_a_circle(package):
    names = {name for name, _ in modules(package)}
    targets = {
        name: {target if target in names else target.rpartition(".")[0] for target in at_once(file, package)} & names
        for name, file in modules(package)
    }
    done: set[str] = set()

    def visit(name, path):
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name not in done:
            for target in targets[name] - {name}:
                visit(target, [*path, name])
            done.add(name)

    for name in names:
        visit(name, [])


def at_once(file, package):
    """The modules of a package that importing a file imports: not those within functions or for type checkers."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == package:
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("package", ["trainer", "taxonomy"])
def test_every_package_says_what_it_is_for(package):
    inits = (ROOT / package).rglob("__init__.py")
    silent = [file for file in inits if not ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))]
    assert not silent
