"""The house stays in order: empty packages, one name for one module."""

import ast
import re
from collections import Counter
from pathlib import Path

from project import ROOT

from memprune.models.families import FAMILIES

LIBRARY = ROOT / "workflow_scripts/memprune"


def test_packages_import_nothing():
    """What a package imports, all its modules would import, and depend on."""
    packages = [path for path in LIBRARY.rglob("*") if path.is_dir() and list(path.glob("*.py"))]
    assert len(packages) > 10
    assert [package for package in packages if (package / "__init__.py").read_text()] == []


def test_no_two_modules_have_one_name():
    names = Counter(path.stem for path in LIBRARY.rglob("*.py") if path.stem != "__init__")
    assert [name for name, count in names.items() if count > 1] == []


def test_a_rules_file_has_the_name_of_its_package():
    rules = {path.stem for path in Path(ROOT, "rules").glob("*.smk")} - {"common"}
    assert rules <= {path.name for path in LIBRARY.iterdir() if path.is_dir()}


def test_what_a_family_is_stands_in_its_record():
    """No other module asks which family a model is of."""
    asking = [
        (path.name, node.lineno)
        for path in LIBRARY.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Compare | ast.Match)
        and any(isinstance(part, ast.Constant) and part.value in FAMILIES for part in ast.walk(node))
    ]
    assert asking == []


def test_no_file_holds_what_a_merge_left():
    marks = re.compile(r"^(<{7} |>{7} |={7}$)", re.MULTILINE)
    folders = ("workflow_scripts", "rules", "docs", "config", "report", "tests", "profiles")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    texts = [path for path in files if path.suffix in (".py", ".smk", ".js", ".css", ".html", ".md", ".yaml")]
    assert len(texts) > 300
    assert [path for path in texts if marks.search(path.read_text(encoding="utf-8"))] == []
