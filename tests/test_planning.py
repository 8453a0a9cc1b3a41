"""What jobs there are, where their results lie and what their params say, from the configuration alone."""

import json
from pathlib import Path

import pytest

from memprune.config.experiment import Config, check
from memprune.config.published_figures import read_published
from memprune.jobs.arguments import option
from memprune.planning import params, paths
from memprune.planning.draws import all_draws, draw_files, member_draws
from memprune.planning.protocol import compared
from memprune.planning.stale import changed_sources
from memprune.variants.names import split_variant


def experiment(**changed) -> Config:
    """Two models, the second with levels of its own, and two strategies."""
    content = {
        "experiment": "e",
        "corpus": {
            "source": "files",
            "train": ["b.jsonl", "a.jsonl"],
            "validation": ["v.jsonl"],
            "test": ["t.jsonl"],
        },
        "samples": {"members": 600, "non_members": 100, "context_lengths": [50, 100]},
        "models": {
            "m": {"repo": "a/b"},
            "n": {"path": "my models/n", "levels": [0.5, 0.2]},
        },
        "strategies": {"global": {"levels": [0.3]}, "first": {"layers": "first 25 %", "levels": [0.3]}},
    }
    return check(content | changed, "test")


PARTS = {"evaluation": {"shards_per_job": 3}}  # of 2 × (2 + 1) + 1 blocks


def test_every_pruned_variant_has_a_mask_and_its_zeros():
    names = ["m/global@0.3", "m/first@0.3", "n/global@0.2", "n/global@0.5", "n/first@0.2", "n/first@0.5"]
    assert paths.all_changes(experiment()) == [
        f"results/e/changes/{name}{ending}" for name in names for ending in (".safetensors", ".csv")
    ]
    assert paths.all_changes(experiment(strategies={})) == []


def test_every_variant_has_scores_and_all_but_dense_are_scored_with_a_mask_that_is_made():
    config = experiment()
    masks = set(paths.all_changes(config))
    for kind in ("memorization", "perplexity"):
        scores = paths.all_scores(config, kind)
        assert len(scores) == len(set(scores)) == 2 + 2 + 4
        assert scores[0] == f"results/e/scores/m/dense.{kind}.parquet"
    for model in config.models:
        assert paths.changes_of(config, model, "dense") == []
        for variant in config.variants(model)[1:]:
            assert set(paths.changes_of(config, model, variant)) < masks


def test_a_figure_of_sparsity_shows_each_strategy_at_its_highest_level():
    config = experiment()
    for model, highest in (("m", 0.3), ("n", 0.5)):
        found = paths.zeros_at_highest_levels(config, model)
        assert set(found) < set(paths.all_changes(config))
        assert [split_variant(Path(path).stem) for path in found] == [("global", highest), ("first", highest)]


def test_receipts_are_those_of_the_parts_if_there_are_several():
    assert paths.all_receipts(experiment()) == paths.receipts(experiment(), "m", "dense") == []
    config = experiment(**PARTS)
    assert paths.receipts(config, "m", "global@0.3") == [
        f"results/e/scores/m/global@0.3.parts/{part}.json" for part in range(3)
    ]
    assert len(set(paths.all_receipts(config))) == 8 * 3


def test_members_are_drawn_in_the_parts_that_a_corpus_asks_for():
    assert all_draws(experiment()) == ["member-0-0", "non_member-0-0", "perplexity-0-0"]
    hub = experiment(corpus={"source": "hub", "dataset": "a/b", "parts": 2})
    assert member_draws(hub) == ["member-0-0", "member-0-1"]
    assert all_draws(hub) == ["member-0-0", "member-0-1", "non_member-0-0", "perplexity-0-0"]
    assert draw_files(hub, "member-0-1") == []
    files = [draw_files(experiment(), draw) for draw in all_draws(experiment())]
    assert files == [["a.jsonl", "b.jsonl"], ["t.jsonl"], ["v.jsonl"]]


def test_each_seed_draws_samples_and_the_first_perplexity_windows_too():
    hub = {"source": "hub", "dataset": "a/b", "parts": 2}
    assert all_draws(experiment(seeds=[3, 0], corpus=hub)) == [
        "member-3-0", "member-3-1", "member-0-0", "member-0-1", "non_member-3-0", "non_member-0-0",
        "perplexity-3-0",
    ]  # fmt: skip
    one, two = experiment(seeds=[0]), experiment(seeds=[3, 0])
    for kind in ("member", "non_member"):
        assert params.draw_spec(one, f"{kind}-0-0") == params.draw_spec(two, f"{kind}-0-0")
        assert json.loads(params.draw_spec(two, f"{kind}-3-0"))["seed"] == 3


def test_a_control_is_evaluated_dense_and_in_tables_but_neither_pruned_nor_in_figures():
    models = {"m": {"repo": "a/b", "control": "once"}, "once": {"repo": "a/c"}, "n": {"repo": "a/d"}}
    config = experiment(models=models)
    assert config.variants("once") == ["dense"]
    assert config.variants("m") == config.variants("n") == ["dense", "global@0.3", "first@0.3"]
    assert not [path for path in paths.all_changes(config) if "/once/" in path]
    assert json.loads(params.order_spec(config))["models"] == ["m", "n"]
    tables = json.loads(params.tables_spec(config))
    assert (tables["models"], tables["controls"]) == (["m", "once", "n"], {"m": "once"})
    with_levels = {"global": {"levels": [0.3]}, "first": {}}
    models = {"m": models["m"] | {"levels": [0.2]}, "once": models["once"]}
    assert experiment(models=models, strategies=with_levels).variants("once") == ["dense"]


def test_specs_are_the_same_for_the_same_settings_and_no_others():
    """The names of strategies and the order of keys decide nothing; order, levels and roles do."""
    config = experiment()
    renamed = experiment(strategies={"other": {"levels": [0.3], "allocation": "global", "matrices": "all"}})
    assert params.change_spec(config, "global@0.30") == params.change_spec(renamed, "other@0.3")
    assert params.change_spec(config, "global@0.3") != params.change_spec(config, "global@0.2")
    assert params.change_spec(config, "global@0.3") != params.change_spec(config, "first@0.3")
    assert params.evaluation_spec(config) == params.evaluation_spec(experiment(**PARTS))
    assert params.evaluation_spec(config) != params.evaluation_spec(
        experiment(evaluation={"precision": "bfloat16"})
    )
    assert params.samples_spec(config) == '{"suffix": "50"}'
    assert params.canonical({"b": "é", "a": [1]}) == '{"a": [1], "b": "é"}'


def test_tables_and_figures_know_the_order_and_tables_what_is_compared_with_published_figures():
    order = {"models": ["m", "n"], "strategies": ["global", "first"]}
    assert json.loads(params.order_spec(experiment())) == order
    spec = json.loads(params.tables_spec(experiment()))
    assert {name: spec[name] for name in [*order, "controls"]} == order | {"controls": {}}
    assert spec["published"]["sources"] == json.loads(json.dumps(read_published()))
    compared = spec["published"]["experiment"]
    assert compared["models"] == {
        "m": {"repo": "a/b", "revision": "main"},
        "n": {"repo": None, "revision": None},
    }
    assert compared["strategies"]["first"]["layers"] == "first 25 %"
    assert compared["protocol"] == {
        "suffix": 50, "context_lengths": [50, 100], "offset": "by the seed", "balance_duplicates": False,
        "set": "drawn", "corpus": "local files", "decoding": "greedy", "dtype": "float32",
        "perplexity_text": "local files validation", "perplexity_window": 512,
    }  # fmt: skip


def test_tables_depend_on_nothing_of_how_it_is_computed():
    for changed in ({"evaluation": {"device": "cpu", "batch_tokens": 64}}, {"store": "elsewhere"}, PARTS):
        assert params.tables_spec(experiment(**changed)) == params.tables_spec(experiment())


@pytest.mark.parametrize(
    ("unseen", "text"),
    [
        ({"source": "hub", "dataset": "a/b", "validation": "dev"}, "a/b dev"),
        ({"source": "embedded"}, "mini-pile validation"),
    ],
)
def test_the_perplexity_text_is_that_of_the_held_out_corpus(unseen, text):
    config = experiment(corpus={"source": "tokens", "dataset": "c/d", "files": "*.bin"}, held_out=unseen)
    protocol = compared(config)["protocol"]
    assert (protocol["corpus"], protocol["perplexity_text"]) == ("c/d", text)


@pytest.mark.parametrize("draw", ["member-0-0", "perplexity-0-0"])
def test_a_draw_depends_on_the_code_of_its_own_corpus(draw):
    files, embedded = experiment(), experiment(corpus={"source": "embedded"})
    assert params.draw_source(files, draw) != params.draw_source(embedded, draw)
    assert params.draw_source(files, draw) == params.draw_source(files, "non_member-0-0")
    assert params.change_source(files, "compute_change.py", "global").startswith("source: ")


def test_options_say_where_a_model_and_a_mask_are():
    config = experiment()
    assert params.model_place(config, "m") == "--fetched results/e/models/m/fetched.json"
    assert params.model_place(config, "n") == option("--folder", "my models/n") == "--folder 'my models/n'"
    assert params.changes_option(config, "m", "dense") == ""
    assert (
        params.changes_option(config, "m", "first@0.3")
        == "--changes results/e/changes/m/first@0.3.safetensors"
    )


def test_what_cannot_be_read_any_more_is_a_changed_source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = experiment()
    assert changed_sources(config) == {}
    broken = [paths.manifest("results/e", "n"), paths.fetched("results/e", "m")]
    for path in map(Path, broken):
        path.parent.mkdir(parents=True)
        path.write_text("{")
    draw = Path(paths.draw("results/e", "member-0-0"))
    draw.parent.mkdir(parents=True)
    draw.touch()  # of files that are not there: another reason
    assert changed_sources(config) == dict.fromkeys(broken, "it cannot be read")
