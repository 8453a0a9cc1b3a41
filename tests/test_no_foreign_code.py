"""Nothing that is read can run: no pickle, no code of a model or data set, no YAML of Python's, no eval."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from project import ROOT

SOURCES = [
    path for folder in ("workflow_scripts", "benchmarks", "envs") for path in Path(ROOT, folder).rglob("*.py")
]
FORBIDDEN_MODULES = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
FORBIDDEN_NAMES = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_CALLS = {
    "torch.load", "np.load", "numpy.load", "pd.read_pickle", "pandas.read_pickle", "os.system", "os.popen",
    "yaml.full_load", "yaml.unsafe_load", "subprocess.getoutput", "subprocess.getstatusoutput",
    "tempfile.mktemp", "hub.load", "torch.hub.load", "evaluate.load",
}  # fmt: skip
CONVERTING = "workflow_scripts/memprune/exports/convert_checkpoint.py"
MUST_BE_FALSE = {"shell", "trust_remote_code", "allow_pickle"}


def faults(source: str) -> Iterator[tuple[int, str]]:
    """The lines of a module that could run what is read, each with what is there."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            yield from ((node.lineno, name) for name in names if name.split(".")[0] in FORBIDDEN_MODULES)
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in FORBIDDEN_NAMES | FORBIDDEN_CALLS:
            yield node.lineno, called
        for keyword in node.keywords:
            false = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            if keyword.arg in MUST_BE_FALSE and not false:
                yield node.lineno, keyword.arg
        if called == "yaml.load" and len(node.args) + len(node.keywords) < 2:
            yield node.lineno, called


@pytest.mark.parametrize(
    "bad",
    [
        "import pickle", "from joblib import load", "eval(text)", "torch.load(path, weights_only=True)",
        "np.load(path)", "np.lib.load(path, allow_pickle=True)", "subprocess.run(command, shell=True)",
        "AutoModel.from_pretrained(path, trust_remote_code=asked)", "yaml.load(text)", "tempfile.mktemp()",
    ],
)  # fmt: skip
def test_what_could_run_is_found(bad):
    assert list(faults(bad))


def test_no_module_runs_what_it_reads():
    assert len(SOURCES) > 300
    found = {str(p.relative_to(ROOT)): list(faults(p.read_text(encoding="utf-8"))) for p in SOURCES}
    [(_, called)] = found.pop(CONVERTING)
    assert called == "torch.load"
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_pickles_are_read_by_one_command_that_nobody_else_calls_and_hold_tensors_alone():
    [given] = [node.keywords for node in calls(ROOT / CONVERTING) if ast.unparse(node.func) == "torch.load"]
    assert ast.unparse(next(own.value for own in given if own.arg == "weights_only")) == "True"
    importing = [path.name for path in SOURCES if "exports.convert_checkpoint" in path.read_text("utf-8")]
    assert importing == ["convert_checkpoint.py"]


def calls(path: Path) -> list[ast.Call]:
    return [
        node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
    ]


def test_yaml_is_read_by_safe_loaders():
    """Only two modules name a loader of their own, and both are PyYAML's safe one with less."""
    loaders = {
        (
            path.relative_to(ROOT / "workflow_scripts").with_suffix("").as_posix().replace("/", "."),
            node.args[1].id,
        )
        for path in Path(ROOT, "workflow_scripts").rglob("*.py")
        for node in calls(path)
        if ast.unparse(node.func) == "yaml.load"
    }
    assert len(loaders) == 2
    for module, name in loaders:
        loader = getattr(importlib.import_module(module), name)
        assert issubclass(loader, yaml.SafeLoader)
        tags = set(loader.yaml_constructors) - set(yaml.SafeLoader.yaml_constructors)
        assert tags <= {"!function"}  # which is refused


def test_transformers_reads_local_files_and_no_code():
    """Of each call that could fetch a model's or tokenizer's own code it is said that it must not."""
    loading = [
        (path.name, {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords})
        for path in Path(ROOT, "workflow_scripts").rglob("*.py")
        for node in calls(path)
        if ast.unparse(node.func).startswith("Auto") and "from_" in ast.unparse(node.func)
    ]
    assert len(loading) >= 3
    for name, given in loading:
        assert given.get("trust_remote_code") == "False", name
    assert all(given.get("local_files_only") == "True" for _, given in loading if "dtype" not in given)


def test_rules_run_scripts_and_no_python_of_their_own():
    text = "".join(path.read_text() for path in Path(ROOT, "rules").glob("*.smk"))
    assert text.count("    shell:\n") > 30
    for directive in ("run:", "script:", "notebook:", "wrapper:"):
        assert f"\n    {directive}\n" not in text
