"""All that reaches the shell of a job is a word: rules name options, results and plain names only."""

import ast
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from experiments import changed
from hypothesis import example, given, settings
from hypothesis import strategies as st
from project import ROOT

from memprune.config.experiment import check
from memprune.config.values import LONGEST_NAME
from memprune.errors import UserError
from memprune.jobs.arguments import option
from memprune.jobs.shell_words import check_folders, escaped
from memprune.planning import params, paths
from memprune.planning.inputs import TASK_NAME

META = " \t\n'\"`$&|;<>()[]{}*?!~#\\"
RULES = "".join(path.read_text() for path in sorted(ROOT.glob("rules/*.smk")))
LOCAL_FILES = (
    "draw_files(",
    "task_files(",
    "model_files",
    "checkpoint_files",
)  # names of the user's own files

words = st.text([*META, *"aé-=\r"], max_size=8)


@settings(max_examples=100)
@given(st.lists(words, max_size=4))
@example(["$(touch x)", "`x`", "a\nb", "'\"'", "-n", "", "*", "{a,b}", "~", "!x", "\\"])
def test_bash_gets_each_word_as_it_is(values):
    done = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {option('--x', *values)}"], capture_output=True, check=True
    )
    assert done.stdout.decode().split("\0") == ["--x", *values, ""]


def rules() -> dict[str, str]:
    """The text of each rule."""
    parts = re.split(r"^rule (\w+):$", RULES, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def block(rule: str, directive: str) -> str:
    """What stands under a directive of a rule."""
    found = re.search(rf"^    {directive}:\n((?:        .*\n|\n)+)", rule, re.MULTILINE)
    return found[1] if found else ""


def item(text: str, name: str) -> str:
    """One named item of a directive's block, with the lines that it goes on for."""
    found = re.search(rf"^        {name}=(.*\n(?:         .*\n|        [\])].*\n)*)", text, re.MULTILINE)
    assert found, name
    return found[1]


def quoted_functions() -> set[str]:
    """The functions of `memprune.planning.params` that return options, or nothing."""
    tree = ast.parse(Path(params.__file__).read_text())
    return {f.name for f in tree.body if isinstance(f, ast.FunctionDef) and all(map(is_option, returns(f)))}


def returns(function: ast.FunctionDef) -> list[ast.expr]:
    return [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]


def is_option(value: ast.expr) -> bool:
    """Whether an expression is a call of `option`, the empty text, or one of the two."""
    if isinstance(value, ast.IfExp):
        return is_option(value.body) and is_option(value.orelse)
    empty = isinstance(value, ast.Constant) and value.value == ""
    return empty or (isinstance(value, ast.Call) and ast.unparse(value.func) == "option")


def is_quoted(text: str) -> bool:
    """Whether an item of `params` is a word for a shell: what a function makes with `option`, or a number."""
    source = f"f({text.strip().rstrip(',')})"
    value = ast.parse(source).body[0].value.args[0]
    if ast.unparse(value) in ("parts_of(CONFIG)", "lambda wildcards: RESULTS"):
        return True
    if not isinstance(value, ast.Lambda):  # in a text by itself Snakemake takes {name} for a wildcard
        return False
    made = value.body
    if isinstance(made, ast.Call) and ast.unparse(made.func) == "' '.join":
        return is_option(made.args[0].elt)
    called = ast.unparse(made.func) if isinstance(made, ast.Call) else ""
    return is_option(made) or called.removeprefix("params.") in quoted_functions()


@pytest.mark.parametrize("rule", [name for name, text in rules().items() if "    shell:\n" in text])
def test_a_rules_command_holds_results_options_and_plain_names(rule):
    text = rules()[rule]
    command = block(text, "shell")
    fields = re.findall(r"(?<!\{)\{([^{}]+)\}", command)
    assert fields
    for field in fields:
        kind, _, name = field.partition(".")
        if kind == "input":
            given = item(block(text, "input"), name) if name else block(text, "input")
            assert not any(local in given for local in LOCAL_FILES), field
        elif kind == "params":
            assert is_quoted(item(block(text, "params"), name)), field
        elif kind == "wildcards":
            assert re.search(rf"^    {name}=", RULES.split("wildcard_constraints:", 1)[1], re.MULTILINE), (
                field
            )
        else:
            assert field in ("log", "threads") or kind == "output", field


def test_an_option_that_is_not_quoted_is_found():
    assert is_quoted('lambda wildcards: option("--spec", params.x(CONFIG))')
    assert not is_quoted('lambda wildcards: CONFIG.models["a"].repo')
    assert not is_quoted('option("--spec", params.x(CONFIG))')
    assert not is_quoted('lambda wildcards: f"--spec {x}"')


COMMON = (ROOT / "rules/common.smk").read_text()
LEVEL, TARGET = (re.search(rf'^{name} = r"(.*)"', COMMON, re.MULTILINE)[1] for name in ("LEVEL", "TARGET"))


@given(st.from_regex(rf"(?:{LEVEL}|{TARGET})", fullmatch=True))
def test_a_level_in_a_path_has_no_sign_of_the_shell(level):
    assert set(level).isdisjoint(META)


def test_variants_in_paths_are_strategies_at_levels():
    assert 'variant=rf"dense|({one_of(CONFIG.strategies)})@({LEVEL}|{TARGET})"' in COMMON


@given(st.from_regex(rf"(?:{TASK_NAME.pattern})", fullmatch=True))
def test_a_tasks_name_is_a_plain_word(name):
    assert shlex.quote(name) == name
    assert Path(paths.task("results/x", name)).parent == Path("results/x/samples/tasks")


ODD = [
    "../x", "..", ".", "a/b", "/a", "a b", "$(x)", "a\nb", "a\n", "{a}", "*", "[a]", "~", "~x", "-x", "a;b",
    "a'b", "a\"b", "a`b`", "a|b", "a&b", "a:b", "é", "", "a@b", "a" * (LONGEST_NAME + 1), "a\0b", "a\\b",
]  # fmt: skip
MODEL = {"path": "resources/tiny-pythia/tiny-pythia-0.6m"}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("experiment", lambda name: name),
        ("models", lambda name: {name: MODEL}),
        ("strategies", lambda name: {name: {"levels": [0.3]}}),
    ],
)
def test_a_name_that_becomes_part_of_a_path_stays_in_the_results(key, value, name):
    with pytest.raises(UserError) as error:
        check(changed(key, value(name)), "my.yaml")
    assert "\n" not in str(error.value)


@settings(max_examples=50)
@given(st.text(st.sampled_from([*"ab./-_+@~{}$ \n0"]), min_size=1, max_size=6))
def test_names_that_are_taken_are_one_plain_part_of_a_path(name):
    content = changed("strategies", {name: {"levels": [0.3]}})
    try:
        config = check(content | {"experiment": name, "models": {name: MODEL}}, "my.yaml")
    except UserError:
        return
    results = Path(paths.results_of(config))
    assert (results.parent, results.name) == (Path("results"), name)
    assert shlex.quote(name) == name
    for path in (*paths.all_changes(config), *paths.all_scores(config, "memorization")):
        assert Path(path).resolve().is_relative_to(results.resolve())


@pytest.mark.parametrize("key", ["models/tiny-pythia-0.6m/path", "store"])
def test_a_path_that_looks_like_an_option_is_refused(key):
    with pytest.raises(
        UserError, match=r"found '-rf', which looks like an option; a file of that name is ./-rf"
    ):
        check(changed(key, "-rf"), "my.yaml")
    check(changed(key, "./-rf"), "my.yaml")


def test_a_folder_of_commands_has_no_colon():
    check_folders(Path("/a {b} 'c' $d *"))
    with pytest.raises(UserError, match=r"^/a:b: found a colon in the folder's path"):
        check_folders(Path("/a"), Path("/a:b"))


@given(st.text())
def test_text_is_what_formatting_gives_back(text):
    assert escaped(text).format() == text
