"""The house rules, read from the source."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
CORE = sorted((REPOSITORY / "openmax_core").rglob("*.py"))
PAGES = [*sorted((REPOSITORY / "pages").rglob("*.py")), REPOSITORY / "app.py"]
TESTS = sorted((REPOSITORY / "tests").rglob("*.py"))
HEAVY = {"torch", "torchvision"}


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), name_of(path))


def is_for_types_only(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes that run when a module is imported: no bodies of functions, no type checking."""
    for child in ast.iter_child_nodes(node):
        if is_for_types_only(child):
            continue
        yield child
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield from run_at_import(child)


def modules_of(nodes: Iterator[ast.AST]) -> set[str]:
    """Full names of the modules that import statements among the nodes name."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found.add(str(node.module))
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def packages_of(nodes: Iterator[ast.AST]) -> set[str]:
    return {module.split(".")[0] for module in modules_of(nodes)}


def public_without_docstring(module: ast.Module) -> list[str]:
    """Functions, classes and methods; the docstring of a method holds for those overriding it."""
    classes = {node.name: node for node in module.body if isinstance(node, ast.ClassDef)}

    def documented_in_bases(node: ast.AST) -> set[str]:
        names: set[str] = set()
        for base in node.bases if isinstance(node, ast.ClassDef) else []:
            if isinstance(base, ast.Name) and base.id in classes:
                names |= documented_in_bases(classes[base.id])
                names |= {
                    child.name for child in definitions(classes[base.id]) if documented(child)
                }
        return names

    def search(node: ast.AST, inside: str) -> Iterator[str]:
        inherited = documented_in_bases(node)
        for child in definitions(node):
            if child.name.startswith("_"):
                continue
            if not documented(child) and child.name not in inherited:
                yield f"{inside}{child.name}"
            if isinstance(child, ast.ClassDef):
                yield from search(child, f"{child.name}.")

    return list(search(module, ""))


def definitions(node: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    return [
        child
        for child in ast.iter_child_nodes(node)
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    ]


def documented(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    return bool(ast.get_docstring(node))


def unsafe_loads(module: ast.Module) -> list[str]:
    """Calls that could run code out of a data file."""
    found = []
    for node in ast.walk(module):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        keywords = {word.arg: ast.unparse(word.value) for word in node.keywords}
        if called.split(".")[0] in {"pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}:
            found.append(called)
        if called.endswith(("np.load", "numpy.load")) and keywords.get("allow_pickle") != "False":
            found.append(called)
        if called in {"eval", "exec", "pd.read_pickle", "pandas.read_pickle"}:
            found.append(called)
        if called == "torch.load" and keywords.get("weights_only") != "True":
            found.append(called)
        if keywords.get("allow_pickle", "False") != "False":
            found.append(called)
        if keywords.get("weights_only", "True") != "True":
            found.append(called)
    return found


@pytest.mark.parametrize("path", CORE, ids=name_of)
def test_the_core_never_imports_streamlit_or_the_pages(path: Path) -> None:
    assert not packages_of(ast.walk(parse(path))) & {"streamlit", "pages", "app"}


@pytest.mark.parametrize("path", [*CORE, *PAGES], ids=name_of)
def test_no_module_imports_torch_when_it_is_imported(path: Path) -> None:
    assert not packages_of(run_at_import(parse(path))) & HEAVY


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_pages_do_no_arithmetic_of_their_own(path: Path) -> None:
    forbidden = {"numpy", "scipy", "sklearn", "PIL", "plotly", *HEAVY}
    assert not packages_of(ast.walk(parse(path))) & forbidden


@pytest.mark.parametrize("path", [*CORE, *PAGES], ids=name_of)
def test_nothing_is_unpickled(path: Path) -> None:
    assert unsafe_loads(parse(path)) == []


@pytest.mark.parametrize(
    "source",
    [
        "pickle.load(f)",
        "pickle.loads(b)",
        "np.load(p)",
        "np.load(p, allow_pickle=True)",
        "torch.load(p)",
        "torch.load(p, weights_only=False)",
        "pd.read_pickle(p)",
    ],
)
def test_the_rule_on_unpickling_sees_what_it_forbids(source: str) -> None:
    assert unsafe_loads(ast.parse(source)) != []


@pytest.mark.parametrize("path", CORE, ids=name_of)
def test_everything_public_in_the_core_has_a_docstring(path: Path) -> None:
    module = parse(path)
    assert ast.get_docstring(module)
    assert public_without_docstring(module) == []


def test_the_rule_on_docstrings_sees_what_it_forbids() -> None:
    source = (
        "class Base:\n"
        "    'Said.'\n"
        "    def said(self): 'Said.'\n"
        "    def silent(self): pass\n"
        "class _Between(Base):\n"
        "    def said(self): pass\n"
        "    def own(self): 'Said.'\n"
        "class Last(_Between):\n"
        "    'Said.'\n"
        "    def said(self): pass\n"
        "    def own(self): pass\n"
        "    def silent(self): pass\n"
        "    def new(self): pass\n"
        "class Bare:\n"
        "    def said(self): pass\n"
        "def said(): pass\n"
    )
    expected = ["Base.silent", "Last.silent", "Last.new", "Bare", "Bare.said", "said"]
    assert public_without_docstring(ast.parse(source)) == expected


def copy_of_the_core(folder: Path) -> Path:
    """The core and the pages with the contract, to be broken."""
    for name in ("openmax_core", "pages"):
        shutil.copytree(REPOSITORY / name, folder / name)
    shutil.copy2(REPOSITORY / "pyproject.toml", folder)
    return folder


def lint_imports(folder: Path) -> str:
    """What the import linter says of a folder; '' if every contract is kept."""
    program = (
        "import sys\n"
        "sys.path.insert(0, '')\n"
        "from importlinter.cli import lint_imports_command\n"
        "lint_imports_command(['--no-cache'])\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return "" if ran.returncode == 0 else ran.stdout + ran.stderr


LAZY = "def later() -> None:\n    {line}\n"
TYPES = "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    {line}\n"


@pytest.mark.parametrize("form", [LAZY, TYPES], ids=["lazy", "for types"])
@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        (
            "openmax_core/weibull/fit.py",
            "from openmax_core.workspace.settings import FILE_NAME",
            "openmax_core.weibull is not allowed to import openmax_core.workspace",
        ),
        (
            "openmax_core/pictures/images.py",
            "from openmax_core.methods.settings import PRESETS",
            "openmax_core.pictures is not allowed to import openmax_core.methods",
        ),
        (
            "openmax_core/methods/distances.py",
            "from openmax_core.methods.openmax import OpenMax",
            "No cycles are allowed in openmax_core.methods",
        ),
        (
            "pages/_upload/basket.py",
            "from pages._weibull import class_detail",
            "pages._upload is not allowed to import pages._weibull",
        ),
    ],
    ids=["upwards", "sideways", "circle", "another page's parts"],
)
def test_the_contract_sees_wrong_arrows(
    tmp_path: Path, module: str, line: str, contract: str, form: str
) -> None:
    folder = copy_of_the_core(tmp_path)
    path = folder / module
    path.write_text(
        path.read_text(encoding="utf-8") + "\n\n" + form.format(line=line), encoding="utf-8"
    )
    assert contract in lint_imports(folder)


def test_a_room_that_the_contract_does_not_name_is_refused(tmp_path: Path) -> None:
    folder = copy_of_the_core(tmp_path)
    assert lint_imports(folder) == ""
    room = folder / "openmax_core" / "attic"
    room.mkdir()
    (room / "__init__.py").write_text('"""What nobody placed."""\n', encoding="utf-8")
    assert "openmax_core.attic" in lint_imports(folder)


ROOMS = sorted(path.parent for path in (REPOSITORY / "openmax_core").glob("*/__init__.py"))


def modules_in(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")


def test_the_core_is_a_few_rooms_and_little_else() -> None:
    assert len(list((REPOSITORY / "openmax_core").glob("*.py"))) <= 4
    assert len([path for path in CORE if path.stem != "__init__"]) <= 145


@pytest.mark.parametrize("room", ROOMS, ids=name_of)
def test_a_room_has_a_contract_of_one_line_and_few_modules(room: Path) -> None:
    contract = ast.get_docstring(parse(room / "__init__.py"))
    assert contract
    assert len(contract.splitlines()) == 1
    assert 1 <= len(modules_in(room)) <= 15
    assert not [path for path in room.iterdir() if path.is_dir() and path.name != "__pycache__"]


def test_the_map_of_the_core_names_every_room() -> None:
    map_of_rooms = ast.get_docstring(parse(REPOSITORY / "openmax_core" / "__init__.py"))
    assert map_of_rooms
    assert [room.name for room in ROOMS if not re.search(rf"\b{room.name}\b", map_of_rooms)] == []


def test_tests_mirror_the_rooms() -> None:
    unit = REPOSITORY / "tests" / "unit"
    rooms = {room.name: modules_in(room) for room in ROOMS}
    strangers = []
    for path in sorted(unit.glob("*/test_*.py")):
        subject = path.stem.removeprefix("test_")
        modules = rooms.get(path.parent.name, [])
        if not any(subject == name or subject.startswith(f"{name}_") for name in modules):
            strangers.append(name_of(path))
    assert strangers == []


def test_what_pages_share_is_used_by_two_of_them() -> None:
    """By two pages, or by a page and the frame around all."""
    paths = {
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts): path
        for path in PAGES
        if path.stem != "__init__"
    }
    imported = {
        name: modules_of(ast.walk(parse(path))) & set(paths) for name, path in paths.items()
    }

    def reached(name: str) -> set[str]:
        found: set[str] = set()
        waiting = [name]
        while waiting:
            for other in imported[waiting.pop()] - found:
                found.add(other)
                waiting.append(other)
        return found

    entrances = [name for name in paths if name == "app" or not name.split(".")[1].startswith("_")]
    users = {name: sum(name in reached(page) for page in entrances) for name in paths}
    shared = [name for name in paths if name.startswith("pages._shared.")]
    assert [name for name in shared if users[name] < 2] == []


def test_every_error_of_the_package_is_used() -> None:
    errors = next(path for path in CORE if path.name == "errors.py")
    others = "\n".join(path.read_text(encoding="utf-8") for path in CORE if path != errors)
    defined = [node.name for node in definitions(parse(errors)) if isinstance(node, ast.ClassDef)]
    assert [name for name in defined if not re.search(rf"\b{name}\b", others)] == []


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_every_helper_of_the_tests_is_used(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    helpers = [
        node.name
        for node in definitions(ast.parse(source))
        if not node.name.startswith(("test_", "Test", "pytest_")) and not node.decorator_list
    ]
    # what a test module defines, it uses itself
    uses = words_of(path) if path.name.startswith("test_") else words_of(*TESTS)
    assert [name for name in helpers if uses[name] < 2] == []


@cache
def words_of(*paths: Path) -> Counter[str]:
    """How often each word stands in some files."""
    texts = (path.read_text(encoding="utf-8") for path in paths)
    return Counter(word for text in texts for word in re.findall(r"\w+", text))


LATE = {"torch", "torchvision", "streamlit", "sklearn", "scipy.stats"}


def test_what_the_pages_need_of_the_core_leaves_torch_out() -> None:
    """Nor ``scipy.stats``, whose import takes a second of the first page."""
    modules = [
        "openmax_core.workspace.workspace",
        "openmax_core.tradeoff.sweep",
        "openmax_core.analysis.figures",
        "openmax_core.prediction.choice",
        "openmax_core.workspace.access",
        "openmax_core.workspace.samples",
        "openmax_core.support.jobs",
        "openmax_core.demos.demo",
        "openmax_core.tradeoff.curve",
        "openmax_core.cli.main",
        "openmax_core.pictures.intake",
        "openmax_core.prediction.verdicts",
        "openmax_core.prediction.cards",
        "openmax_core.prediction.results",
        "openmax_core.monitor.monitor",
        "openmax_core.monitor.records",
        "openmax_core.monitor.figures",
        "openmax_core.monitor.shortlist",
        "openmax_core.analysis.class_facts",
        "openmax_core.analysis.sensitivity",
        "openmax_core.analysis.stand_ins",
        "openmax_core.demos.catalogue",
        "openmax_core.analysis.reject_folders",
        "openmax_core.export.description",
        "openmax_core.export.write",
        "openmax_core.diagnosis.examine",
        "openmax_core.training.training",
        "openmax_core.training.curves",
        "openmax_core.network.suggestions",
        "openmax_core.workspace.browsing",
        "openmax_core.workspace.contents",
        "openmax_core.workspace.division",
    ]
    program = (
        "import importlib, sys\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
        f"print(sorted({LATE!r} & set(sys.modules)))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (ran.returncode, ran.stderr, ran.stdout) == (0, "", "[]\n")


IMPORT = re.compile(r"^ *from ((?:openmax_core|pages|tests)[\w.]*) import ([\w, ]+)$", re.MULTILINE)


def test_programs_that_are_written_as_text_import_what_exists() -> None:
    """Neither mypy nor the import contract sees the code that a subprocess is given."""
    absent = []
    for path in [*(REPOSITORY / "tests").rglob("*.py"), *(REPOSITORY / "assets").rglob("*.py")]:
        for module, names in IMPORT.findall(path.read_text(encoding="utf-8")):
            file = REPOSITORY / module.replace(".", "/")
            source = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
            text = source.read_text(encoding="utf-8") if source.is_file() else ""
            absent += [
                f"{name_of(path)}: {module}.{name}"
                for name in re.split(r" as \w+|[, ]+", names)
                if name
                and not re.search(rf"\b{name}\b", text)
                and not (file / f"{name}.py").is_file()
                and not (file / name).is_dir()
            ]
    assert not absent
