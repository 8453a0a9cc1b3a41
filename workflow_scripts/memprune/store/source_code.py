"""What a piece of code does, as a digest: of its syntax trees, blind to comments, docstrings and formatting.

A job carries the digest of its script and of all modules of this package that the script imports, directly
or through others, wherever in the file the import stands. Modules that are imported by a name made at run
time (a criterion, a corpus source) are given beside the script, so a job depends on its own only. The digest
is the same on Python 3.11 to 3.13, whose own dumps of a tree differ.
"""

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = Path(__file__).parents[1].name
# These move files, name artefacts and choose where something is computed, not what an artefact holds.
PLUMBING = tuple(f"{PACKAGE}.{name}" for name in ("errors", "disk", "jobs", "store", "devices"))
# Fields that some versions fill, and this project does not.
NOT_CODE = ("type_comment", "kind", "type_params")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
BLOCKS = ("body", "orelse", "handlers", "finalbody", "cases")  # fields of syntax trees that hold statements
KNOWN: dict[Path, tuple[str, tuple[Path, ...]]] = {}  # what `read` has given in this process
TIMES: dict[Path, int] = {}  # when each of these files was last changed, in nanoseconds


def digest(*roots: str | Path) -> str:
    """The digest of scripts (paths) and modules (`memprune.…`) with all that they import: 16 hex digits.

    Raises FileNotFoundError for a root that does not exist.
    """
    lines = [f"{file.relative_to(ROOT).as_posix()} {read(file)[0]}" for file in files_behind(*roots)]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]


def files_behind(*roots: str | Path) -> set[Path]:
    """The files of the roots and of all that they import, directly or through others."""
    waiting = [root if isinstance(root, Path) else file_of(root) for root in roots]
    files: set[Path] = set()
    while waiting:
        file = waiting.pop().resolve()
        if file not in files:
            files.add(file)
            waiting.extend(read(file)[1])
    return files


def read(file: Path) -> tuple[str, tuple[Path, ...]]:
    """The digest of one file by itself, and the files of this package that it imports, as first seen."""
    if file not in KNOWN:
        TIMES[file] = file.stat().st_ctime_ns
        KNOWN[file] = read_anew(file)
    return KNOWN[file]


def read_anew(file: Path) -> tuple[str, tuple[Path, ...]]:
    """The same, as it is now."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return hashlib.sha256(normal_form(tree).encode()).hexdigest(), tuple(imported_files(tree))


def edited() -> Path | None:
    """A file whose code is another than when this process took its digest, None if there is none.

    Python reads most modules later than that: what they compute may then be another code's. Only files that
    were touched since are read again.
    """
    for file, seen in KNOWN.items():
        try:
            if file.stat().st_ctime_ns != TIMES[file] and read_anew(file) != seen:
                return file
        except (OSError, SyntaxError, ValueError):
            return file
    return None


def normal_form(node: object) -> str:
    """A syntax tree as text without positions, docstrings and empty fields."""
    if isinstance(node, list):
        return f"[{','.join(map(normal_form, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    parts = []
    for name in node._fields:
        value = getattr(node, name, None)
        if value is None or name in NOT_CODE:
            continue
        if name == "body" and isinstance(node, DOCUMENTED):
            value = value[ast.get_docstring(node, clean=False) is not None :]
        if value != []:
            parts.append(f"{name}={normal_form(value)}")
    return f"{type(node).__name__}({','.join(parts)})"


def imported_files(tree: ast.Module) -> Iterator[Path]:
    """The files of this package that a module imports, at its top or inside a function."""
    for node in statements(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports of this package are absolute"
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            if is_deciding(name) and (file := file_of(name)).exists():
                yield file


def statements(tree: ast.Module) -> Iterator[ast.AST]:
    """All statements of a module, those inside others included, and what holds some: handlers and cases."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for name in BLOCKS:
            inner = getattr(node, name, None)
            waiting.extend(inner if isinstance(inner, list) else ())  # a lambda's is one expression


def is_deciding(module: str) -> bool:
    """Whether a module is of this project, and none of its plumbing."""
    plumbing = any(module == name or module.startswith(f"{name}.") for name in PLUMBING)
    return module.split(".")[0] == PACKAGE and not plumbing


def file_of(module: str) -> Path:
    """The file of a module or package of this project."""
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
