"""Any value at any key is a configuration or one line; a value is taken for what it looks like."""

import copy
import re
from collections.abc import Callable
from datetime import date

import pytest
from experiments import EMBEDDED, ROOT, changed
from hypothesis import given, settings
from hypothesis import strategies as st

from memprune.config.experiment import SHARED_FOLDERS, Config, check, load
from memprune.config.values import LONGEST_NAME
from memprune.config.yaml_file import read_yaml
from memprune.errors import UserError
from memprune.variants.names import level_text, split_variant, variant_name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "seeds: [0]\nsamples: {members: 5}\nsamples: {suffix: 5}",
            "line 3: key samples stands twice in one",
        ),
        ("models:\n  a: {path: x}\n  'a': {path: y}", "line 3: key a stands twice in one mapping"),
        ("samples:\n  members: 0100", "line 2: 0100 is another number in YAML 1.1 than it looks like"),
        ("samples:\n  members: 1:30", "line 2: 1:30 is another number in YAML 1.1"),
        ("seeds: 0x10", "line 1: 0x10 is another number in YAML 1.1"),
        ("models:\n  no: {path: x}", "line 2: key no is no text in YAML; write 'no'"),
        ("experiment: 2024-13-01", "not YAML: month must be in 1..12"),
        ("[" * 800, "line 1: found more than 50 mappings and lists within one another"),
        ("seeds: " + "9" * 5000, "not YAML: Exceeds the limit"),
    ],
)
def test_yaml_that_says_another_thing_than_it_looks_like(tmp_path, text, message):
    path = tmp_path / "my.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=re.escape(f"my.yaml: {message}")) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_yaml_that_looks_odd_and_is_plain(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text(
        "a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\nc: [.5, 1e-1, 1_000, -0.0, 5., .inf, '010', 'no']"
    )
    assert read_yaml(path) == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 3, "y": 2},
        "c": [0.5, "1e-1", 1000, 0.0, 5.0, float("inf"), "010", "no"],
    }


def test_a_folder_or_bytes_in_place_of_yaml(tmp_path):
    with pytest.raises(UserError, match=r"cannot be read \(Is a directory\)"):
        load(tmp_path)
    (tmp_path / "my.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"my.yaml: not YAML"):
        load(tmp_path / "my.yaml")


TWICE = {
    "seeds": [0, 1, "0"],
    "samples/context_lengths": [50, 100, 50],
    "strategies/global/levels": [0.3, "0.30"],
    "models/tiny-pythia-3.5m/levels": ["3e-1", 0.6, 0.3],
    "strategies/global/layers": [1, 0, 1],
    "strategies/global/matrices": ["up", "up"],
    "strategies/global/heads": [[0, 1], [1, 0], [0, 1]],
    "corpus": {"source": "files", "train": ["a", "b", "./a"], "validation": ["c"], "test": ["d"]},
    "held_out": {"source": "files", "validation": ["c", "c"], "test": ["d"]},
    "metrics": ["extracted", "matched", "extracted"],
    "discoverable/n": [1, 10, 1],
    "discoverable/p": [0.5, "5e-1"],
    "perturbed/shares": [0.1, 0.2, "1e-1"],
    "tasks": ["winogrande", "mine/cloze.yaml", "cloze.yaml"],
}


@pytest.mark.parametrize("path", TWICE)
def test_a_list_with_a_repeat_is_refused(path):
    with pytest.raises(UserError, match=r"found .* (twice|which are the same); give each once") as caught:
        check(changed(path, TWICE[path]), "my.yaml")
    assert str(caught.value).startswith(f"my.yaml: {path.replace('/', '.')}")


def test_every_list_of_the_configuration_is_one_that_must_not_repeat():
    """The keys that hold lists, as the schema knows them, are those that the test above repeats in."""
    parts = [Config.model_json_schema(), *Config.model_json_schema()["$defs"].values()]
    lists = {
        key
        for part in parts
        for key, about in part.get("properties", {}).items()
        if any(choice.get("type") == "array" for choice in [about, *about.get("anyOf", [])])
    }
    repeated = {path.rpartition("/")[2] for path in TWICE if isinstance(TWICE[path], list)}
    assert lists == repeated | {"train", "validation", "test", "files", "arrays"}


@pytest.mark.parametrize(("key", "ending"), [("files", "jsonl"), ("arrays", "npy")])
def test_known_sequences_of_one_file_twice_are_refused(key, ending):
    corpus = {"source": "sequences", key: [f"a.{ending}", f"b.{ending}", f"./a.{ending}"]}
    with pytest.raises(UserError, match=rf"corpus.{key}: found .* (twice|which are the same)"):
        check(changed("corpus", corpus), "my.yaml")


def test_two_files_of_one_place_are_one(tmp_path):
    (tmp_path / "a.jsonl").touch()
    (tmp_path / "b.jsonl").symlink_to("a.jsonl")
    files = [str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")]
    corpus = {"source": "files", "train": files, "validation": ["c"], "test": ["d"]}
    with pytest.raises(UserError, match=r"corpus.train: found .*a.jsonl and .*b.jsonl, which are the same"):
        check(changed("corpus", corpus), "my.yaml")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("samples/members", True, "samples.members: found true; input should be a number"),
        ("seeds", [False], "seeds.0: found false; input should be a number"),
        ("samples/offset", True, "samples.offset: found true; input should be a number"),
        ("strategies/global/layers", [True], "strategies.global.layers.0: found true; input should be a"),
        ("strategies/global/layers", [0, -1], "strategies.global.layers.1: found -1; input should be gr"),
        (
            "strategies/global/layers",
            3,
            "found 3; input should be 'all', 'first 25 %' or 'last 25 %', or input",
        ),
        ("strategies/global/layers", [], "strategies.global.layers: found []"),
        (
            "strategies/global/matrices",
            ["up", "q"],
            "strategies.global.matrices.1: found 'q'; input should be",
        ),
        ("evaluation/memory", float("inf"), "evaluation.memory: found inf; input should be less than or"),
        ("evaluation/memory", True, "evaluation.memory: found true; input should be a number"),
        ("samples/members", 2**31, "samples.members: found 2147483648; input should be less than or equal"),
        ("strategies/global/levels", [1e-400], "levels.0: found 0.0; input should be greater than 0"),
        (
            "strategies/global/levels",
            [1.0000000000000002],
            "levels.0: found 1.0000000000000002; input should be less than or equal to 1",
        ),
        ("strategies/global/levels", [float("nan")], "levels.0: found nan; input should be"),
        ("experiment", "x" * 101, "should have at most 100 characters"),
        ("experiment", "mini-pile", "experiment: found mini-pile; give another name than those of the workf"),
        ("experiment", "Tiny-Pythia", "under results/: mini-pile, tiny-pythia, logs"),
        ("experiment", "logs", "experiment: found logs; give another name"),
        (
            "store",
            "results/embedded/",
            "store: found results/embedded/, the folder of the experiment's results",
        ),
        ("store", "", "store: found ''; string should have at least 1 character"),
        (
            "models/Tiny-pythia-3.5M",
            {"path": "a"},
            "tiny-pythia-3.5m and Tiny-pythia-3.5M, which",
        ),
        ("strategies/Dense", {"levels": [0.1]}, "strategies: `dense` is the unpruned model"),
        ("strategies/Global", {"levels": [0.1]}, "strategies: found global and Global, which differ in case"),
        (
            "models/tiny-pythia-3.5m",
            {"path": "~nobody-of-this-name/x"},
            "of which no home is known; write ./~",
        ),
        ("models/tiny-pythia-3.5m", {"path": "a\nb"}, "found 'a\\nb'; control characters are not allowed"),
        ("corpus", {}, "corpus.source: missing key; required"),
        ("corpus", {"source": ["hub"]}, "corpus: found {'source': ['hub']}; input tag"),
        ("a\nb", 1, "a b: unknown key; nearest known key"),
        ("samples/suffix", int("9" * 400), "input should be"),
        pytest.param(
            "samples/suffix", 1 << 20_000, "samples.suffix: found int, too long to show", id="digits"
        ),
    ],
)
def test_values_that_are_not_what_they_look_like(path, value, message):
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        check(changed(path, value), "my.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("/data/*.bin", "corpus.files: found '/data/*.bin'; allowed: a path within dataset, relative to it"),
        ("../*.bin", "corpus.files: found '../*.bin'; allowed: a path within dataset"),
        ("a/../../*.bin", "allowed: a path within dataset"),
        ("~/*.bin", "allowed: a path within dataset"),
        (".", "allowed: a path within dataset"),
        ("", "corpus.files: found ''; string should have at least 1 character"),
        ("a**/*.bin", "corpus.files: found 'a**/*.bin'; ** stands for folders by itself only"),
    ],
)
def test_a_pattern_stays_within_its_data_set(pattern, message):
    corpus = {"source": "tokens", "dataset": "a/b", "files": pattern}
    content = changed("corpus", corpus) | {"held_out": {"source": "embedded"}}
    content["samples"]["balance_duplicates"] = False
    with pytest.raises(UserError, match=re.escape(message)):
        check(content, "my.yaml")
    corpus["files"] = "**/train-*.bin"
    assert check(content, "my.yaml").corpus.files == "**/train-*.bin"


def test_home_is_meant_by_a_tilde(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    content = changed("models/tiny-pythia-3.5m", {"path": "~/models/mine"}) | {"store": "~/store"}
    content["corpus"] = {"source": "files", "train": ["~/a.jsonl", "b~/$HOME.jsonl"]}
    content["held_out"] = {"source": "hub", "dataset": "~/data"}
    checked = check(content, "my.yaml")
    assert checked.models["tiny-pythia-3.5m"].path == "/home/me/models/mine"
    assert checked.store == "/home/me/store"
    assert checked.corpus.train == ["/home/me/a.jsonl", "b~/$HOME.jsonl"]
    assert checked.held_out.dataset == "/home/me/data"
    content["corpus"]["train"] = ["~/a.jsonl", "/home/me/a.jsonl"]
    with pytest.raises(UserError, match=r"corpus.train: found /home/me/a.jsonl twice"):
        check(content, "my.yaml")


def test_the_folders_that_experiments_share_are_those_of_the_rules():
    texts = [path.read_text() for path in (ROOT / "rules").glob("*.smk")]
    named = {name for text in texts for name in re.findall(r"results/([\w.-]+)", text)}
    assert named == set(SHARED_FOLDERS)


def test_keys_are_those_of_the_part_and_not_of_one_of_its_name():
    content = changed("models/samples", {"path": "a", "suffix": 3})
    with pytest.raises(
        UserError, match=r"models.samples.suffix: unknown key; .* allowed: path, repo, revision"
    ):
        check(content, "my.yaml")
    content = changed("strategies/corpus", {"hub": 3})
    with pytest.raises(
        UserError, match=r"strategies.corpus.hub: unknown key; .* allowed: after, matrices, layers"
    ):
        check(content, "my.yaml")


def test_longest_names_make_file_names(tmp_path):
    (tmp_path / f".{variant_name('s' * LONGEST_NAME, 1 / 3e200)}.memorization.parquet.{'x' * 100}").touch()


@settings(deadline=None)
@given(st.floats(0, 1, exclude_min=True))
def test_every_level_makes_a_name_that_the_rules_know(level):
    common = (ROOT / "rules/common.smk").read_text()
    [pattern] = re.findall(r'^LEVEL = r"(.*?)"', common, re.MULTILINE)
    assert re.fullmatch(pattern, level_text(level))
    assert check(changed("strategies/global/levels", [repr(level)]), "").levels(
        "tiny-pythia-3.5m", "global"
    ) == [level]
    assert split_variant(variant_name("global", level)) == ("global", level)


KEYS = st.text(max_size=6) | st.integers() | st.none() | st.booleans() | st.sampled_from(["source", "path"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=4)
    | st.dates(date(1900, 1, 1))
    | st.sampled_from(["all", "files", "hub", "tokens", "dense", "~", "1e-1", "a\nb", 1e400, [50, 50], {}])
)
VALUES = st.recursive(
    SCALARS, lambda own: st.lists(own, max_size=3) | st.dictionaries(KEYS, own, max_size=3), max_leaves=6
)


def places(part: object, before: tuple = ()) -> list[tuple]:
    """The keys and indices that lead to each value in a configuration."""
    items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    return [before, *(place for key, value in items for place in places(value, (*before, key)))]


@settings(max_examples=400, deadline=None)
@given(place=st.sampled_from(places(EMBEDDED)), key=st.none() | KEYS, value=VALUES)
def test_any_value_at_any_key_is_a_configuration_or_one_line(place, key, value):
    place = place if key is None else (*place, key)
    content = {"content": copy.deepcopy(EMBEDDED)}
    *parents, last = ("content", *place)
    part = content
    for parent in parents:
        part = part[parent]
    if isinstance(part, dict) or (isinstance(part, list) and isinstance(last, int) and 0 <= last < len(part)):
        part[last] = value
    line = problem(lambda: check(content["content"], "my.yaml").variants("tiny-pythia-3.5m"))
    assert line is None or line.startswith("my.yaml: ")


def problem(action: Callable[[], object]) -> str | None:
    """The line of the UserError that an action raises, if it does."""
    try:
        action()
    except UserError as error:
        [line] = str(error).splitlines()
        return line


@settings(max_examples=200, deadline=None)
@given(text=st.text("ab01:.-_ \n\t[]{}&*!#'\"|>~<=,?%@\x00é", max_size=40) | st.binary(max_size=20))
def test_any_text_is_yaml_or_one_line(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    line = problem(lambda: read_yaml(path))
    assert line is None or line.startswith(f"{path}: ")
