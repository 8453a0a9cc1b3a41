"""Digests of code: blind to what changes nothing, and to modules that a job does not import."""

import ast
import shutil
import subprocess
from pathlib import Path

import pytest

from memprune.store import source_code

SCRIPTS = Path(__file__).parents[1] / "workflow_scripts"
CODE = '''
"""A module."""

import numpy as np  # numbers


def double(x: int = 2, *rest: str, key=None) -> int:
    """Twice x."""
    return x * 2 if x else f"{x!r:>{key}} {'a' 'b'}"
'''


def digest_of(code: str) -> str:
    return source_code.normal_form(ast.parse(code))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Twice x."""', '"""Two times x."""'),
        ('    """Twice x."""\n', ""),
        ('"""A module."""\n', ""),
        ("  # numbers", ""),
        ("x * 2 if", "(x * 2) if"),
        ("'a' 'b'", "'ab'"),
        ("\n\n\ndef", "\ndef"),
        ("x: int = 2, *rest: str, key=None", "\n    x: int = 2,\n    *rest: str,\n    key = None,\n"),
    ],
)
def test_what_changes_nothing_is_not_seen(old, new):
    assert old in CODE
    assert digest_of(CODE.replace(old, new)) == digest_of(CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x * 2", "x * 2.0"),
        ("x * 2", "2 * x"),
        ("import numpy as np", "import numpy"),
        ("x: int = 2", "x: int = 3"),
        ("*rest: str, key=None", "*rest: str, key=1"),
        ("!r", "!s"),
        ("def double", "def twice"),
        ('    """Twice x."""\n', '    """Twice x."""\n    "no docstring"\n'),
    ],
)
def test_what_changes_the_code_is_seen(old, new):
    assert old in CODE
    assert digest_of(CODE.replace(old, new)) != digest_of(CODE)


def test_the_normal_form_is_the_same_on_every_python():
    # ast.dump writes this as Pass() in a body, with or without type_params and type_ignores, by version.
    assert digest_of("class A: pass") == "Module(body=[ClassDef(name='A',body=[Pass()])])"
    assert digest_of("x = f'{a}b'") == (
        "Module(body=[Assign(targets=[Name(id='x',ctx=Store())],"
        "value=JoinedStr(values=[FormattedValue(value=Name(id='a',ctx=Load()),conversion=-1),"
        "Constant(value='b')]))])"
    )


@pytest.mark.parametrize("python", ["python3.11", "python3.12", "python3.13"])
def test_digests_are_the_same_on_every_python_there_is(python):
    show = (
        f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); from pathlib import Path; "
        "from memprune.store import source_code; "
        "print([source_code.digest(file) for file in sorted(source_code.ROOT.rglob('*.py'))])"
    )
    # A name on the path may be a stub that finds no Python.
    if not shutil.which(python) or subprocess.run([python, "--version"], check=False).returncode:
        pytest.skip(f"no {python} here")
    found = subprocess.run([python, "-c", show], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str([source_code.digest(file) for file in sorted(SCRIPTS.rglob("*.py"))])


def imported_by(script: str, *modules: str) -> set[str]:
    """The names of the modules whose change changes a script's digest."""
    files = source_code.files_behind(SCRIPTS / script, *modules)
    return {path.relative_to(SCRIPTS).with_suffix("").as_posix().removeprefix("memprune/") for path in files}


@pytest.mark.parametrize(
    ("script", "modules", "has", "lacks"),
    [
        (
            "evaluate.py", (),
            {"scoring/forced_pass", "scoring/decoder", "variants/masks", "evaluation/shards"},
            {"methods/prune", "methods/gptq", "corpus/draw_samples", "config/experiment"},
        ),
        (
            "compute_change.py", ("memprune.methods.prune", "memprune.methods.criteria.magnitude"),
            {"methods/prune", "methods/criteria/magnitude", "variants/scope"},
            {"scoring/forced_pass", "config/experiment", "methods/criteria/random", "corpus/draw_samples"},
        ),
        (
            "compute_change.py", ("memprune.methods.prune", "memprune.methods.criteria.random"),
            {"methods/criteria/random", "methods/selection_engine"},
            {"methods/criteria/magnitude", "methods/quantize", "methods/finetune"},
        ),
        (
            "compute_change.py", ("memprune.methods.quantize", "memprune.methods.nearest"),
            {"methods/quantize", "variants/codes"}, {"methods/gptq", "methods/prune", "scoring/decoder"},
        ),
        ("compute_change.py", (), {"methods/asked"}, {"methods/prune", "methods/criteria/magnitude"}),
        (
            "draw_samples.py", ("memprune.corpus.sources.embedded",),
            {"corpus/sources/embedded", "corpus/sources/files"},
            {"corpus/sources/hub", "scoring/forced_pass", "embedded/build_mini_pile"},
        ),
        (
            "draw_samples.py", ("memprune.corpus.sources.files",),
            {"corpus/draw_samples", "corpus/sources/files", "models/tokenization"},
            {"corpus/sources/hub", "corpus/sources/embedded", "config/experiment"},
        ),
        (
            "extract_samples.py", (), {"corpus/extract_samples"},
            {"corpus/draw_samples", "models/tokenization", "corpus/sources/files", "config/experiment"},
        ),
        (
            "aggregate_tables.py", (), {"findings/aggregate_tables"},
            {"scoring/forced_pass", "variants/masks", "config/experiment"},
        ),
        (
            "plot_trade_off.py", (), {"figures/plot_trade_off", "figures/style"},
            {"figures/plot_duplicates", "findings/aggregate_tables"},
        ),
    ],
)  # fmt: skip
def test_a_job_depends_on_what_it_imports_and_no_more(script, modules, has, lacks):
    found = imported_by(script, *modules)
    assert has <= found
    assert not lacks & found
    assert not any(name.startswith(("errors", "disk", "store/", "jobs/", "devices/")) for name in found)


def test_a_digest_is_that_of_all_files(tmp_path, monkeypatch):
    monkeypatch.setattr(source_code, "ROOT", tmp_path)
    monkeypatch.setattr(source_code, "KNOWN", {})
    (tmp_path / "memprune").mkdir()
    (tmp_path / "memprune/__init__.py").write_text("")
    (tmp_path / "memprune/helper.py").write_text("FOUR = 4\n")
    (tmp_path / "memprune/other.py").write_text("FIVE = 5\n")
    script = tmp_path / "job.py"
    script.write_text("def main():\n    from memprune import helper\n    print(helper.FOUR)\n")
    first = source_code.digest(script)
    assert source_code.edited() is None
    (tmp_path / "memprune/other.py").write_text("FIVE = 6\n")
    assert source_code.edited() is None  # no part of it
    monkeypatch.setattr(source_code, "KNOWN", {})
    assert source_code.digest(script) == first
    assert source_code.digest(script, "memprune.other") != first
    (tmp_path / "memprune/helper.py").write_text("FOUR = 4  # a comment\n")
    assert source_code.edited() is None
    (tmp_path / "memprune/helper.py").write_text("FOUR = 2 + 2\n")
    assert source_code.edited() == tmp_path / "memprune/helper.py"
    monkeypatch.setattr(source_code, "KNOWN", {})
    assert source_code.digest(script) != first
