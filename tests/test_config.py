"""What the configuration alone shows to be wrong gives one line: file, key, found, allowed."""

import copy
import json
import re

import pytest
import yaml
from experiments import EMBEDDED, ROOT, changed

from memprune.config.experiment import PARTS, Config, check, load
from memprune.config.strategies.prune_strategy import PruneStrategy
from memprune.errors import UserError
from memprune.planning import paths
from memprune.variants.names import split_variant
from memprune.variants.scope import layers_in_scope


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("modles", {}, "modles: unknown key; nearest known key: models; allowed: experiment, seeds, corp"),
        ("samples/sufix", 9, "samples.sufix: unknown key; nearest known key: suffix;"),
        ("strategies/global/levle", [0.1], "strategies.global.levle: unknown key; nearest known key: levels"),
        (
            "strategies/global/levels",
            [1.2],
            "strategies.global.levels.0: found 1.2; input should be less than or equal to 1",
        ),
        (
            "strategies/global/levels",
            [0.1, 0],
            "strategies.global.levels.1: found 0; input should be greater",
        ),
        ("strategies/global/levels", None, "strategies.global.levels: missing, and model tiny-pythia-0.6m"),
        (
            "strategies/global/matrices",
            "attn",
            "strategies.global.matrices: found 'attn'; input should be 'all'",
        ),
        ("strategies/dense", {"levels": [0.1]}, "`dense` is the unpruned model"),
        ("models/other", {"path": "a", "repo": "b/c"}, "models.other: found both of path and repo"),
        ("models/other", {}, "models.other: found neither of path and repo"),
        ("corpus/source", "web", "corpus: found {'source': 'web'}"),
        ("corpus", {"source": "hub"}, "corpus.dataset: missing key; required"),
        ("corpus", {"source": "tokens", "dataset": "a/b"}, "corpus.files: missing key; required"),
        ("corpus", {"source": "tokens", "dataset": "a/b", "file": "*"}, "corpus.file: unknown key; nearest"),
        (
            "corpus",
            {"source": "tokens", "dataset": "a/b", "files": "*.bin"},
            "held_out: missing, and a corpus of tokens has no text for non-members",
        ),
        ("samples/offset", -1, "samples.offset: found -1; input should be greater than or equal to 0"),
        (
            "models/tiny-pythia-3.5m/published",
            0.4,
            "models.tiny-pythia-3.5m.published: unknown key; nearest known key: path; allowed: path, repo,",
        ),
        ("experiment", "../x", "experiment: found '../x'; string should match pattern"),
        ("seed", 1, "seed: unknown key; nearest known key: seeds; allowed: experiment, seeds"),
        ("seeds", [], "seeds: found []; list should have at least 1 item"),
        ("seeds", [1, 0, 1], "seeds: found 1 twice; give each once"),
        ("seeds", 1, "seeds: found 1; input should be a valid list"),
        (
            "models/tiny-pythia-3.5m/control",
            "once",
            "models.tiny-pythia-3.5m.control: found once, allowed: another model: tiny-pythia-0.6m, tiny-",
        ),
        (
            "models/tiny-pythia-3.5m/control",
            "tiny-pythia-3.5m",
            "models.tiny-pythia-3.5m.control: found tiny-pythia-3.5m, the model itself; give another model",
        ),
        (
            "models",
            {"a": {"path": "a", "control": "b"}, "b": {"path": "b", "control": "c"}, "c": {"path": "c"}},
            "models.a.control: found b, which has a control itself; give a model that has none",
        ),
        (
            "models",
            {"a": {"path": "a", "control": "b"}, "b": {"path": "b", "levels": [0.3]}},
            "models.b.levels: found [0.3], but it is the control of a, and a control is not pruned; leave",
        ),
        ("corpus", {"source": "files"}, "corpus.train: found no file; give a list of one at least"),
        (
            "corpus",
            {"source": "files", "train": ["a.jsonl"], "test": ["b.jsonl"]},
            "corpus.validation: found no file; give a list of one at least, or held_out",
        ),
        (
            "held_out",
            {"source": "files", "validation": ["a.jsonl"]},
            "held_out.test: found no file; give a list of one at least",
        ),
        ("held_out", {"source": "hub", "dataset": "a/b", "part": 2}, "held_out.part: unknown key; nearest"),
        (
            "held_out",
            {"source": "hub", "dataset": "a/b", "parts": 2},
            "held_out.parts: found 2; only members",
        ),
        (
            "corpus",
            {"source": "hub", "dataset": "a/b"},
            "samples.balance_duplicates: found true with corpus.source hub, a stream that would be",
        ),
        (
            "corpus",
            {"source": "hub", "dataset": "a/b", "parts": 145},
            "corpus.parts: found 145, allowed: at most",
        ),
        ("corpus", {"source": "hub", "dataset": "a/b", "parts": 0}, "corpus.parts: found 0; input should be"),
        (
            "samples/context_lengths",
            [],
            "samples.context_lengths: found []; list should have at least 1 item",
        ),
        (
            "metrics",
            ["extracted", "near_ties"],
            "metrics.1: found 'near_ties'; nearest known metric: near_tie; allowed: discoverable, extracted,",
        ),
        ("metrics", ["extracted", "measure"], "metrics.1: found 'measure'; nearest known metric: "),
        ("metrics", ["extracted", "matched", "extracted"], "metrics: found extracted twice; give each once"),
        ("metrics", ["matched"], "metrics: found no extracted, which all tables and figures show; add it"),
        ("metrics", "extracted", "metrics: found 'extracted'; input should be a valid list"),
        ("discoverable", {"n": [0]}, "discoverable.n.0: found 0; input should be greater than or equal to 1"),
        (
            "discoverable",
            {"p": [1.0]},
            "discoverable.p.0: found 1.0; input should be less than 1",
        ),
        ("discoverable", {"n": []}, "discoverable.n: found []; list should have at least 1 item"),
        ("discoverable", {"q": [0.5]}, "discoverable.q: unknown key; nearest known key: "),
    ],
)
def test_each_mistake_gives_its_line(path, value, message):
    with pytest.raises(UserError) as caught:
        check(changed(path, value), "my.yaml")
    line = str(caught.value)
    assert line.startswith("my.yaml: ")
    assert message in line
    assert "\n" not in line


def test_a_corpus_of_tokens_cannot_be_balanced():
    content = changed("corpus", {"source": "tokens", "dataset": "a/b", "files": "*.bin"})
    content["held_out"] = {"source": "embedded"}
    with pytest.raises(UserError, match=r"my.yaml: samples.balance_duplicates: found true, but a corpus of"):
        check(content, "my.yaml")
    content["samples"]["balance_duplicates"] = False
    assert check(content, "my.yaml").corpus.revision == "main"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": 0}, "strategies.s: seed: found with criterion magnitude; allowed with random only"),
        ({"matrices": ["query_key_value", "key"]}, "found query_key_value and key, which is a part of it"),
        ({"heads": [[0, 1]], "layers": [0]}, "layers: found beside heads, which name their layers"),
        ({"heads": [[0, 1]], "matrices": "mlp"}, "matrices: found up, gate, down beside heads"),
        ({"heads": [[0, 1]], "matrices": ["query", "up"]}, "matrices: found up beside heads"),
        ({"heads": []}, "strategies.s.heads: found []"),
        ({"heads": [[0, 1], [0, 1]]}, "strategies.s.heads: found (0, 1) twice; give each once"),
        ({"heads": [[0]]}, "strategies.s.heads.0.1: missing key; required"),
        (
            {"heads": [[0, -1]]},
            "strategies.s.heads.0.1: found -1; input should be greater than or equal to 0",
        ),
    ],
)
def test_what_a_strategy_cannot_be(settings, message):
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        check(changed("strategies/s", {**settings, "levels": [0.3]}), "my.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("strategies", "message"),
    [
        (
            {"s": {"after": "globall@0.5", "levels": [0.3]}},
            "strategies.s.after: found globall@0.5, allowed for model tiny-pythia-0.6m: global@0.5",
        ),
        (
            {"s": {"after": "global@0.6", "levels": [0.3]}},
            "strategies.s.after: found global@0.6, allowed for model tiny-pythia-0.6m: global@0.5",
        ),
        (
            {"s": {"after": "s@0.3", "levels": [0.3]}},
            "strategies.s.after: found s@0.3, which loops: s after s; give one of them no after",
        ),
        (
            {"s": {"after": "t@0.2", "levels": [0.3]}, "t": {"after": "s@0.3", "levels": [0.2]}},
            "strategies.s.after: found t@0.2, which loops: s after t after s; give one of them no after",
        ),
        (
            {"s": {"method": "low_rank", "levels": [0.3]}},
            "strategies.s.method: found 'low_rank'; allowed: prune, quantize, low-rank, finetune, checkpoint",
        ),
        (
            {"s": {"method": "low-rank", "allocation": "row", "levels": [0.3]}},
            "strategies.s.allocation: unknown key; nearest known key: matrices; allowed: after, matrices",
        ),
        (
            {"s": {"method": "low-rank", "levels": [1.5]}},
            "strategies.s.levels.0: found 1.5; input should be less than or equal to 1",
        ),
        ({"s": {"method": "low-rank"}}, "strategies.s.levels: missing, and model tiny-pythia-0.6m has no"),
        (
            {"s": {"method": "low-rank", "weighting": "inputs", "levels": [0.3]}},
            "strategies.s.weighting: found 'inputs'; input should be 'none' or 'activations'",
        ),
        (
            {"s": {"method": "low-rank", "weighting": "activations", "levels": [0.3]}},
            "strategies.s: found no calibration, which its method needs; add it",
        ),
        ({"s": {"method": "checkpoint"}}, "strategies.s.checkpoints: missing key; required"),
        (
            {"s": {"method": "checkpoint", "checkpoints": {}}},
            "strategies.s.checkpoints: found {}; dictionary",
        ),
        (
            {"s": {"method": "checkpoint", "checkpoints": {0.5: "a", "0.50": "b"}}},
            "strategies.s.checkpoints: found 0.5 and '0.50', which are the same; give each once",
        ),
        (
            {"s": {"method": "checkpoint", "checkpoints": {1.5: "a"}}},
            "strategies.s.checkpoints.1.5: found 1.5; input should be less than or equal to 1",
        ),
        (
            {"s": {"method": "checkpoint", "checkpoints": {0.5: "a"}, "levels": [0.5]}},
            "strategies.s.levels: unknown key; nearest known key: checkpoints; allowed: after, method, check",
        ),
        (
            {"s": {"method": "quantize", "levels": [9]}},
            "strategies.s.levels.0: found 9; input should be 2, 3, 4, 5, 6, 7 or 8",
        ),
        (
            {"s": {"method": "quantize", "algorithm": "gptq", "levels": [4]}},
            "strategies.s: found no calibration, which its method needs; add it",
        ),
        (
            {"s": {"method": "finetune", "levels": [100]}},
            "strategies.s: found no retraining, which its method needs; add it",
        ),
    ],
)
def test_what_a_method_or_a_chain_cannot_be(strategies, message):
    content = changed("strategies", {"global": {"levels": [0.5]}, **strategies})
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        check(content, "my.yaml")
    assert "\n" not in str(caught.value)


def test_a_checkpoint_stands_for_a_level_of_its_strategy():
    trained = {"method": "checkpoint", "checkpoints": {0.7: "b", 0.5: "a"}}
    config = check(changed("strategies", {"trained": trained}), "my.yaml")
    assert config.variants("tiny-pythia-0.6m") == ["dense", "trained@0.5", "trained@0.7"]
    assert paths.checkpoint_folders(config) == {"trained@0.5": "a", "trained@0.7": "b"}


def test_a_selection_has_what_applies_alone():
    plain, random = PruneStrategy().selection.settings, PruneStrategy(criterion="random").selection.settings
    assert plain.keys() == {"roles", "layers", "allocation", "criterion"}
    assert random == {**plain, "criterion": "random", "seed": 0}
    one, other = (
        PruneStrategy(heads=[[1, 0], [0, 1]]),
        PruneStrategy(heads=[[0, 1], [1, 0]], matrices="attention"),
    )
    assert one.selection == other.selection


def test_attention_is_compared_at_equal_weights_removed():
    config = load(ROOT / "config/attention.yaml")
    h, layers, heads = 192, 8, 2
    weights = dict.fromkeys(("query", "key", "value", "output"), h**2) | {"attention": 4 * h**2}
    weights |= {"up": 4 * h**2, "down": 4 * h**2, "mlp": 8 * h**2}
    (model,) = config.models
    amounts = {
        tuple(layers * weights[name] * level for level in config.levels(model, name)) for name in weights
    }
    assert amounts == {(73728, 147456, 294912)}
    controls = {layers * weights[name] * config.levels(model, f"random-{name}")[0] for name in weights}
    assert controls == {147456}
    ablated = config.heads_ablated(model)
    assert list(ablated.values()) == [(layer, head) for layer in range(layers) for head in range(heads)]
    assert len(config.strategies) == 2 * len(weights) + len(ablated)


def test_a_missing_key_is_named():
    content = copy.deepcopy(EMBEDDED)
    del content["corpus"]
    with pytest.raises(UserError, match=r"my.yaml: corpus: missing key; required"):
        check(content, "my.yaml")


def test_a_file_that_is_not_yaml(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("models: [")
    with pytest.raises(UserError, match=r"broken.yaml: not YAML"):
        load(path)


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "config").glob("*.yaml")))
def test_shipped_configurations_are_valid(name):
    assert load(ROOT / f"config/{name}.yaml").experiment == name


def test_the_readmes_example_is_valid():
    [example] = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert check(yaml.safe_load(example), "README.md").variants("mine") == [
        "dense", "global@0.1", "global@0.3", "global@0.5", "late-mlp@0.3",
    ]  # fmt: skip


def test_paper_has_the_papers_experiment():
    paper = load(ROOT / "config/paper.yaml")
    assert [model.removeprefix("pythia-") for model in paper.models] == [
        "160m", "410m", "1b", "1.4b", "2.8b", "6.9b", "12b",
    ]  # fmt: skip
    assert len(paper.strategies) == 5
    assert paper.samples.members == 5000
    assert paper.samples.context_lengths == [50, 100, 200, 500]
    assert paper.samples.suffix == 50
    assert paper.levels("pythia-160m", "global") == [0.10, 0.125, 0.15]
    assert paper.levels("pythia-12b", "global") == [0.35, 0.40, 0.45]


def test_schema_file_is_current():
    assert json.loads((ROOT / "config/config.schema.json").read_text()) == Config.model_json_schema()


def test_every_key_is_documented():
    text = (ROOT / "config/README.md").read_text()
    parts = [Config, *PARTS.values()]
    missing = [
        key for part in parts for key in part.model_fields if f"`{key}`" not in text and key != "source"
    ]
    assert missing == []


def test_columns_of_measures_are_in_one_order_however_they_are_listed():
    content = changed("metrics", ["matched", "token_accuracy", "extracted", "discoverable"])
    content["discoverable"] = {"n": [100, 1], "p": [0.5, 0.1]}
    assert check(content, "my.yaml").measured == [
        ("discoverable", {"n": 1, "p": 0.1}),
        ("discoverable", {"n": 1, "p": 0.5}),
        ("discoverable", {"n": 100, "p": 0.1}),
        ("discoverable", {"n": 100, "p": 0.5}),
        ("extracted", {}),
        ("matched", {}),
        ("token_accuracy", {}),
    ]


def test_all_metrics_are_measured_unless_some_are_listed():
    default = check(EMBEDDED, "my.yaml")
    assert [name for name, _ in default.measured if name != "discoverable"] == [
        "extracted", "extraction_strength", "matched", "near_tie", "probability",
        "suffix_log_probability", "token_accuracy",
    ]  # fmt: skip
    least = ["extracted", "token_accuracy"]
    assert check(changed("metrics", least), "my.yaml").measured == [(name, {}) for name in least]


def test_variants_are_named_and_read_back():
    embedded = load(ROOT / "config/embedded.yaml")
    variants = embedded.variants("tiny-pythia-3.5m")
    assert variants[:3] == ["dense", "layer-wise@0.5", "layer-wise@0.6"]
    assert split_variant("layer-wise@0.3") == ("layer-wise", 0.3)
    assert split_variant("dense") == ("dense", 0.0)


@pytest.mark.parametrize(
    ("layers", "total", "expected"),
    [
        ("all", 3, [0, 1, 2]),
        ("first 25 %", 8, [0, 1]),
        ("last 25 %", 8, [6, 7]),
        ("first 25 %", 6, [0, 1]),
        ("last 25 %", 2, [1]),
        ([5, 1], 8, [1, 5]),
    ],
)
def test_layers_in_scope(layers, total, expected):
    assert layers_in_scope(PruneStrategy(layers=layers).selection, total) == expected
