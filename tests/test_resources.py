"""What jobs ask for is at least what they are known to take, and grows with model, attempt and samples."""

import pytest
from experiments import experiment

from memprune.config.experiment import Model
from memprune.devices.footprint import working_bytes
from memprune.planning import resources
from memprune.planning.costs import scored_texts
from memprune.planning.sizes import PYTHIA, size_of


@pytest.mark.parametrize("name", PYTHIA)
@pytest.mark.parametrize("batch_tokens", [2048, 16384])
def test_memory_to_score_is_more_than_weights_and_working_memory(name, batch_tokens):
    size = size_of(Model(repo=f"EleutherAI/pythia-{name}"))
    working = working_bytes(size.architecture, size.vocabulary, batch_tokens, 4)
    asked = resources.score_shards(size.weights, 16, 0, experiment())
    assert 10**6 * asked.memory > 4 * size.weights + working


def test_memory_to_score_follows_the_configuration():
    of = {
        name: resources.score_shards(10**10, 1, 1, experiment(**evaluation)).memory
        for name, evaluation in {
            "float32": {},
            "bfloat16": {"dtype": "bfloat16"},
            "bounded": {"memory": 6},
        }.items()
    }
    assert of == {"float32": 54_000, "bfloat16": 29_000, "bounded": 7_000}


def test_parts_share_the_runtime_and_a_gpu_shortens_it():
    whole = resources.score_shards(10**9, 4, 1, experiment()).runtime
    part = resources.score_shards(10**9, 4, 1, experiment(shards_per_job=6)).runtime
    assert resources.STARTUP < part < whole < resources.score_shards(10**9, 4, 0, experiment()).runtime


def test_a_mask_asks_for_a_part_of_the_model_and_a_later_attempt_for_more():
    first = resources.compute_mask(12 * 10**9, 16)
    assert 1000 + 6000 <= first.memory < 12_000
    assert first.at(3).memory == 3 * first.memory
    assert first.at(2).runtime == 2 * first.runtime
    assert first.at(10**6).runtime == resources.LONGEST


def test_scored_tokens_are_those_of_all_passes():
    config = experiment()
    tokens = sum(count * length for count, length, _ in scored_texts(config))
    assert tokens == (100 + 150 + 250 + 550) * 6000 + 500 * 513
