"""Levels that are asked for by what they are to reach: in the configuration, in names, plan and tables."""

import re
from pathlib import Path

import pandas as pd
import pytest
from experiments import ROOT, changed, experiment
from hypothesis import given, settings
from hypothesis import strategies as st

from memprune.config.experiment import Config, check
from memprune.errors import UserError
from memprune.evaluation.bisection import MOST_STEPS
from memprune.findings.frames import in_order, level_label, read_csv
from memprune.findings.memorization_table import memorization_table
from memprune.findings.paired_tests import against_dense
from memprune.findings.paper_layout import paper_layout
from memprune.findings.perplexity_table import perplexity_table
from memprune.planning import change_resources, params, paths, resources
from memprune.planning.costs import estimate
from memprune.planning.sizes import size_of
from memprune.results import place
from memprune.variants.names import split_variant, target_label, variant_name

MODEL = "tiny-pythia-3.5m"


def with_levels(*levels) -> Config:
    return check(changed("strategies/global/levels", list(levels)), "my.yaml")


def target(increase: float) -> dict:
    return {"perplexity_increase": increase}


def test_numbers_come_first_and_both_kinds_ascend():
    config = with_levels(target(2), 0.3, target(0.1), 0.1, target(10))
    labels = ["perplexity+0.1", "perplexity+2.0", "perplexity+10.0"]
    assert config.levels(MODEL, "global") == [0.1, 0.3, *labels]
    assert config.targets(MODEL) == [f"global@{label}" for label in labels]
    own = check(changed(f"models/{MODEL}/levels", [target(0.5)]), "my.yaml")
    assert own.levels(MODEL, "global") == ["perplexity+0.5"]
    names = [name for name in config.variants(MODEL) if name == "dense" or name.startswith("global@")]
    assert sorted(set(names), key=place) == names


@pytest.mark.parametrize(
    ("levels", "line"),
    [
        ([0.1, target(0.2), target(0.20)], "levels: found perplexity_increase=0.2 twice; give each once"),
        ([target(0)], "levels.0.perplexity_increase: found 0; input should be greater than 0"),
        (
            [0.3, target(101)],
            "levels.1.perplexity_increase: found 101; input should be less than or",
        ),
        ([target(True)], "levels.0.perplexity_increase: found true; input should be a number"),
        ([target("much")], "levels.0.perplexity_increase: found 'much'; input should be a valid number"),
        ([{}], "levels.0.perplexity_increase: missing key; required"),
        (
            [{"perplexity": 0.1}],
            "levels.0.perplexity: unknown key; nearest known key: perplexity_increase; "
            "allowed: perplexity_increase",
        ),
        ([2], "levels.0: found 2; input should be less than or equal to 1"),
        (["x"], "levels.0: found 'x'; input should be a valid number"),
    ],
)
def test_mistakes_are_one_line(levels, line):
    with pytest.raises(UserError, match=rf"^my.yaml: strategies.global.{re.escape(line)}") as caught:
        with_levels(*levels)
    assert "\n" not in str(caught.value)


@settings(deadline=None)
@given(st.floats(0, 100, exclude_min=True))
def test_every_target_makes_a_name_that_the_rules_know(increase):
    common = (ROOT / "rules/common.smk").read_text()
    label = target_label(increase)
    [pattern] = re.findall(r'^TARGET = r"(.*?)"', common, re.MULTILINE)
    assert re.fullmatch(pattern, label)
    assert with_levels(target(increase)).targets(MODEL) == [variant_name("global", label)]
    assert split_variant(variant_name("global", label)) == ("global", label)


def test_a_mask_is_made_for_the_level_in_a_file_and_a_figure_shows_the_highest_number():
    config = with_levels(0.3, target(0.1))
    [level] = [path for path in paths.all_levels(config) if MODEL in path]
    assert level == f"results/embedded/levels/{MODEL}/global@perplexity+0.1.json"
    assert paths.level_of(config, MODEL, "global@perplexity+0.1") == [level]
    assert paths.level_of(config, MODEL, "global@0.3") == []
    assert "level" not in params.change_spec(config, "global@perplexity+0.1")
    assert '"level": 0.3' in params.change_spec(config, "global@0.3")
    highest = {Path(path).stem for path in paths.zeros_at_highest_levels(config, MODEL)}
    assert "global@0.3" in highest
    alone = paths.zeros_at_highest_levels(with_levels(target(0.1), target(0.2)), MODEL)
    assert "global@perplexity+0.2" in {Path(path).stem for path in alone}


def test_what_a_level_depends_on_is_what_perplexity_needs():
    config = with_levels(target(0.1))
    spec = params.solve_spec(config, "global@perplexity+0.1")
    others = changed("samples/context_lengths", [60]) | {"metrics": ["extracted", "token_accuracy"]}
    assert params.solve_spec(check(others, ""), "global@perplexity+0.1") == spec
    assert params.solve_spec(config, "global@perplexity+0.2") != spec
    assert params.solve_spec(config, "first-25@perplexity+0.1") != spec
    other_dtype = check(changed("evaluation/precision", "bfloat16"), "")
    assert params.solve_spec(other_dtype, "global@perplexity+0.1") != spec


def test_the_plan_counts_the_steps_to_a_level():
    def planned(*levels) -> Config:
        content = experiment("EleutherAI/pythia-160m").model_dump()
        return check(content | {"strategies": {"global": {"levels": list(levels)}}}, "")

    given, found = (estimate("m", planned(0.1, level)) for level in (0.3, target(0.1)))
    assert (found.jobs, found.variants) == (given.jobs + 1, given.variants)
    assert found.change_bytes == given.change_bytes
    samples = planned(0.1).samples
    windows = samples.perplexity_windows * (samples.perplexity_window + 1)
    assert found.tokens == given.tokens + MOST_STEPS * windows
    assert found.operations > given.operations
    config = planned(target(0.1))
    size = size_of(config.models["m"])
    asked = change_resources.solve_level("global", size, 4, 0, config)
    assert asked.memory > resources.score_shards(size, 4, 0, config).memory
    assert asked.runtime > 0


@pytest.fixture
def measures() -> pd.DataFrame:
    """Of two models: dense, a level, and one of the same number that was found; three samples each."""
    levels = [("dense", 0.0, None), ("global", 0.3, None), ("global", 0.3, "perplexity+0.1")]
    rows = [
        {
            **{"model": model, "strategy": strategy, "level": level, "target": label, "sparsity": level},
            **{
                "removed": level,
                "variant_bytes": 100,
                "sample": sample,
                "document": f"d{sample}",
                "context_length": 10,
            },
            "extracted": sample < (3 if strategy == "dense" else number),
            "compute_dtype": "float32",
            **{"nll": 2.0 + number, "tokens": 2, "bytes": 3, "words": 1},
        }
        for model in ("a", "b")
        for number, (strategy, level, label) in enumerate(levels)
        for sample in range(3)
    ]
    return in_order(pd.DataFrame(rows), ["a", "b"], ["global"])


def test_a_found_level_is_a_variant_of_its_own_in_every_table(measures, tmp_path):
    scored = measures.drop(columns=["nll", "tokens", "bytes", "words"])
    memorization = memorization_table(scored)
    perplexity = perplexity_table(measures)
    extracted = memorization.extracted.groupby(level_label(memorization)).apply(list)
    assert extracted.to_dict() == {"0.0": [3, 3], "0.3": [1, 1], "perplexity+0.1": [2, 2]}
    assert level_label(perplexity).tolist() == level_label(memorization).tolist()
    paired = against_dense(scored)
    lost = paired.lost.groupby(level_label(paired)).apply(list)
    assert lost.to_dict() == {"0.3": [2, 2], "perplexity+0.1": [1, 1]}
    layout = paper_layout(memorization, perplexity)
    assert layout.columns.to_list() == ["quantity", "model", "dense", "global, 0.3", "global, perplexity+0.1"]
    assert layout.iloc[0].to_list()[2:] == [1, 1 / 3, 2 / 3]
    memorization.to_csv(tmp_path / "t.csv", index=False)
    read = read_csv(tmp_path / "t.csv", ["level", "target"])
    assert level_label(read).tolist() == level_label(memorization).tolist()


def test_tables_without_a_target_have_an_empty_column(measures, tmp_path):
    own = measures[measures.target.isna()].drop(columns=["nll", "tokens", "bytes", "words"])
    table = memorization_table(own)
    assert table.extracted.tolist() == [3, 1] * 2
    table.to_csv(tmp_path / "t.csv", index=False)
    read = read_csv(tmp_path / "t.csv", ["level", "target"])
    assert read.target.isna().all()
    assert level_label(read).tolist() == ["0.0", "0.3"] * 2


def test_models_whose_levels_differ_share_the_columns_of_their_targets(measures):
    measures.loc[measures.model == "b", "level"] *= 2
    table = perplexity_table(measures)
    layout = paper_layout(
        memorization_table(measures.drop(columns=["nll", "tokens", "bytes", "words"])), table
    )
    assert layout.columns.to_list()[2:] == ["dense", "global, level 1", "global, perplexity+0.1"]
    assert not layout.isna().any(axis=None)
