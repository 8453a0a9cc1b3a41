"""Configurations and other YAML, clumsy or hostile: each is one line, at once, and nothing of it runs."""

import os
from pathlib import Path

import pytest
from experiments import ROOT, changed

from memprune.config.experiment import check, load
from memprune.config.published_figures import load_published
from memprune.corpus.task_files import read_task_file
from memprune.errors import UserError

# Ten lines that stand for 9 ** 10 values.
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{own}: &{own} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, own in zip("abcdefghi", "bcdefghij", strict=True)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{own}: &{own} {{<<: [{', '.join([f'*{before}'] * 9)}]}}\n"
    for before, own in zip("abcdefghi", "bcdefghij", strict=True)
)
CODE = "!!python/object/apply:os.system ['touch ran']"

YAML = {
    "nothing": ("", "found NoneType, expected a mapping of keys"),
    "a comment": ("# experiment: mine", "found NoneType, expected a mapping of keys"),
    "a list": ("- experiment: mine", "found list, expected a mapping of keys"),
    "a text": ("experiment", "found str, expected a mapping of keys"),
    "two documents": ("a: 1\n---\na: 2", "not YAML: expected a single document"),
    "Latin-1": ("experiment: fünf".encode("latin-1"), "not YAML: unacceptable character #x00fc"),
    "UTF-16 without a mark": ("a: 1".encode("utf-16-le"), "not YAML: unacceptable character #x0000"),
    "UTF-32": ("a: 1".encode("utf-32"), "not YAML: unacceptable character #x0000"),
    "a null byte": (b"a: \0", "not YAML: unacceptable character #x0000"),
    "a tab": ("samples:\n\tmembers: 5", "not YAML: while scanning for the next token found character '\\t'"),
    "an unknown alias": ("a: *b", "not YAML: found undefined alias 'b'"),
    "a list in itself": ("a: &a [*a]", "line 1: found an alias within what it stands for; write the value"),
    "a mapping in itself": ("models: &m\n  a: *m", "line 2: found an alias within what it stands for"),
    "a merge of itself": ("a: &a {<<: *a}", "line 1: found an alias within what it stands for"),
    "laughs": (LAUGHS, "line 5: found more than 50000 values, those that aliases repeat among them"),
    "merged laughs": (MERGES, "line 6: found more than 50000 values"),
    "deep brackets": ("[ " * 5000, "line 1: found more than 50 mappings and lists within one another"),
    "deep lines": ("\n".join(" " * i + "a:" for i in range(200)), "line 50: found more than 50 mappings"),
    "code": (f"store: {CODE}", "line 1: found the tag !!python/object/apply:os.system; write"),
    "a name of code": ("a: !!python/name:os.system", "line 1: found the tag !!python/name:os.system"),
    "a tag of one's own": ("seeds: !mine [1]", "line 1: found the tag !mine; write the value alone"),
    "a number by its tag": ("seeds: [!!int '010']", "line 1: found the tag !!int; write the value alone"),
    "no number by its tag": ("seeds: [!!int '']", "line 1: found the tag !!int"),
    "no truth value by its tag": ("a: !!bool x", "line 1: found the tag !!bool"),
    "no time by its tag": ("a: !!timestamp x", "line 1: found the tag !!timestamp"),
    "a set": ("seeds: !!set {1, 2}", "line 1: found the tag !!set"),
    "a list as a key": ("? [a]\n: 1", "not YAML: while constructing a mapping"),
    "an equals sign": ("store: =", "not YAML: could not determine a constructor for the tag"),
    "another version": ("%YAML 9.9\n---\na: 1", "not YAML: found incompatible YAML document"),
    "a long text": ("store: " + "x" * 2**20, "cannot be read (it has 1048583 bytes, allowed: at most 10"),
    "a terminal's code": ('"a\\x1b[31mb": 1', "a\\x1b[31mb: unknown key; nearest known key:"),
}  # fmt: skip


def line_of(action) -> str:
    """The one line that an action is refused with."""
    with pytest.raises(UserError) as caught:
        action()
    [line] = str(caught.value).splitlines()
    assert line.isprintable()
    return line


@pytest.mark.parametrize("case", YAML)
def test_yaml_that_is_no_configuration(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content, message = YAML[case]
    Path("my.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert line_of(lambda: load("my.yaml")).startswith(f"my.yaml: {message}")
    assert os.listdir() == ["my.yaml"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_yaml_as_other_machines_write_it(encoding, end, tmp_path):
    text = (ROOT / "config/embedded.yaml").read_text()
    (tmp_path / "my.yaml").write_bytes(text.replace("\n", end).encode(encoding))
    assert load(tmp_path / "my.yaml") == load(ROOT / "config/embedded.yaml")


def as_large_as_a_disk(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


PLACES = {
    "a pipe": (os.mkfifo, "cannot be read (it is no regular file)"),
    "a device without an end": (lambda path: path.symlink_to("/dev/zero"), "cannot be read (it is no reg"),
    "a link to nothing": (lambda path: path.symlink_to("absent"), "no such file"),
    "a link to itself": (lambda path: path.symlink_to(path), "cannot be read (Too many levels of symbolic"),
    "a file as large as a disk": (as_large_as_a_disk, "cannot be read (it has 1099511627776 bytes, allowed"),
}  # fmt: skip


@pytest.mark.parametrize("case", PLACES)
def test_what_stands_in_a_configurations_place(case, tmp_path):
    path, (make, message) = tmp_path / "my.yaml", PLACES[case]
    make(path)
    assert line_of(lambda: load(path)).startswith(f"{path}: {message}")
    assert message in line_of(lambda: read_task_file(str(path)))


VALUES = {
    ("strategies/global/levels", (-1,)): "levels.0: found -1; input should be greater than 0",
    ("strategies/global/levels", ("a lot",)): "levels.0: found 'a lot'; ",
    ("strategies/global/levels", (True,)): "levels.0: found true; ",
    ("strategies/global/levels", (float("inf"),)): "levels.0: found inf; input should be ",
    ("strategies/global/levels", 0.3): "strategies.global.levels: found 0.3; input should be a valid list",
    ("strategies/global", (0.3,)): "strategies.global: found [0.3]; ",
    ("strategies", ()): "strategies: found []; input should be a valid dictionary",
    ("samples/members", (5,)): "samples.members: found [5]; input should be a valid integer",
    ("samples/members", 5.5): "samples.members: found 5.5; input should be a valid integer",
    ("samples/members", float("nan")): "samples.members: found nan; input should be a finite number",
    ("models/tiny-pythia-3.5m/path", ("a",)): "models.tiny-pythia-3.5m.path: found ['a']; ",
    ("experiment", 5): "experiment: found 5; input should be a valid string",
    ("store", "a\x7fb"): "store: found 'a\\x7fb'; control characters are not allowed",
    ("store", "a\u2028b"): "store: found 'a\\u2028b'; control characters are not allowed",
    ("store", "a\0b"): "store: found 'a\\x00b'; control characters are not allowed",
    ("store", "a\udcffb"): "store: found 'a\\udcffb'; ",
}  # fmt: skip
NAMES = [
    "../x", "a/b", "a b", "'a'", '"a"', "$(touch ran)", "`touch ran`", "a;b", "a\nb", "a*", "?", "[a]", "{a}",
    "{wildcards.model}", "-a", ".a", "a@b", "", "ü", "a\\b", "a|b", "a\x1b[31m",
]  # fmt: skip


@pytest.mark.parametrize(("path", "value"), VALUES)
def test_values_of_another_kind(path, value):
    given = list(value) if isinstance(value, tuple) else value
    assert line_of(lambda: check(changed(path, given), "my.yaml")).startswith("my.yaml: ")
    assert VALUES[path, value] in line_of(lambda: check(changed(path, given), "my.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_names_that_files_and_commands_could_take_for_more(name):
    one = {"path": "a"}
    for place, content in {
        "experiment": changed("experiment", name),
        "models": changed("models", {"plain": one, name: one}),
        "strategies": changed("strategies", {name: {"levels": [0.3]}}),
    }.items():
        line = line_of(lambda content=content: check(content, "my.yaml"))
        assert line.startswith(f"my.yaml: {place}")
        assert "string should match pattern" in line or "control characters" in line


TASK = "task: mine\noutput_type: multiple_choice\ndataset_path: json\n"
TASKS = {
    "laughs": (TASK + LAUGHS, "which cannot be read (line 8: found more than 50000 values"),
    "code": (TASK + f"x: {CODE}", "which cannot be read (line 4: found the tag !!python/object/apply:os.sys"),
    "a key twice": (TASK + "task: other", "which cannot be read (line 4: key task stands twice in one ma"),
    "no truth value by its tag": (TASK + "x: !!bool x", "which cannot be read (line 4: found the tag !!bool"),
    "deep brackets": (TASK + "x: " + "[" * 5000, "which cannot be read (line 4: found more than 50 mappings"),
    "no date": (TASK + "x: 2024-13-01", "which cannot be read (month must be in 1..12)"),
    "settings as a list": (TASK + "dataset_kwargs: [1]", "whose dataset_kwargs is list; expected a mapping"),
    "a data set as a list": (TASK.replace("json", "[json]"), "whose dataset_path is list; expected a text"),
    "a number as a file": (TASK + "dataset_kwargs: {data_files: 3}", "whose data file is 3; no such file"),
    "a name too long": (TASK + f"dataset_kwargs: {{data_files: {'x' * 5000}}}", "whose data file is xxxx"),
    "an included number": (TASK + "include: 3", "whose include is 3; expected names of files"),
    "an included mapping": (TASK + "include: [{a: b}]", "whose include is {'a': 'b'}; expected names of fil"),
    "an included null byte": (TASK + 'include: "a\\0b"', "which cannot be read (embedded null byte"),
    "itself by another way": (TASK + "include: ../{folder}/bad.yaml", "which includes itself"),
}  # fmt: skip


@pytest.mark.parametrize("case", TASKS)
def test_tasks_that_are_none(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content, message = TASKS[case]
    Path("bad.yaml").write_text(content.replace("{folder}", tmp_path.name))
    line = line_of(lambda: read_task_file("bad.yaml"))
    assert line.startswith("tasks: found ")
    assert message in line
    assert os.listdir() == ["bad.yaml"]


FIGURES = "source: {title: a, url: b}\nfigures:\n- {model: a/b, strategy: dense, quantity: extracted_count, "
PUBLISHED = {
    "nothing": ("", "found NoneType, expected a mapping of keys"),
    "no figures": ("source: {title: a, url: b}\nfigures: []", "figures: found []; list should have at le"),
    "figures as text": ("source: {title: a, url: b}\nfigures: many", "figures: found 'many'; input should"),
    "no number": (FIGURES + "value: .nan}", "figures.0.value: found nan; "),
    "an infinite one": (FIGURES + "value: .inf}", "figures.0.value: found inf; "),
    "a truth value": (FIGURES + "value: true}", "figures.0.value: found true; "),
    "less than none": (FIGURES + "value: -1}", "figures.0.value: found -1; "),
    "more than all": (FIGURES + "value: 5, samples: 3}", "figures.0.value: found 5 of 3 samples"),
    "laughs": (LAUGHS, "line 5: found more than 50000 values"),
}  # fmt: skip


@pytest.mark.parametrize("case", PUBLISHED)
def test_published_figures_that_are_none(case, tmp_path):
    content, message = PUBLISHED[case]
    (tmp_path / "mine.yaml").write_text(content)
    assert message in line_of(lambda: load_published(tmp_path / "mine.yaml"))
