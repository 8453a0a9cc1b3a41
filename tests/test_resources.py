"""What jobs ask for is at least what they are known to take, and grows with model, attempt and samples."""

from pathlib import Path

import pytest
from experiments import experiment, local_experiment
from tiny_models import tiny_model

from memprune.config.experiment import Config, Model, check
from memprune.devices import footprint
from memprune.devices.footprint import working_bytes
from memprune.evaluation.bisection import MOST_STEPS
from memprune.models.resolve_model import resolve_model
from memprune.planning import change_resources, resources
from memprune.planning.costs import device_bytes, estimate, gathering_bytes, host_bytes
from memprune.planning.machines import CUDA_HOST_BYTES, PROCESS_BYTES
from memprune.planning.operations import variant_tokens
from memprune.planning.parts import parts_of
from memprune.planning.sizes import LARGEST, PYTHIA, assumed_sizes, size_of

LOW_RANK = {"method": "low-rank", "levels": [0.5]}
BILLION, TWELVE_BILLION = (size_of(Model(repo=f"EleutherAI/pythia-{name}")) for name in ("1b", "12b"))


@pytest.mark.parametrize("name", PYTHIA)
@pytest.mark.parametrize("batch_tokens", [2048, 16384])
def test_memory_to_score_is_more_than_weights_and_working_memory(name, batch_tokens):
    size = size_of(Model(repo=f"EleutherAI/pythia-{name}"))
    working = working_bytes(size.architecture, batch_tokens, 4)
    for config in (experiment(), experiment(batch_tokens=batch_tokens)):
        asked = resources.score_shards(size, 16, 0, config)
        assert 10**6 * asked.memory > 4 * size.weights + working


def test_memory_to_score_is_the_plans_with_a_margin_or_what_the_configuration_allows():
    def asked(gpu, config):
        return resources.score_shards(TWELVE_BILLION, 1, gpu, config).memory

    for evaluation in ({}, {"precision": "bfloat16"}, {"batch_tokens": 16384}):
        config = experiment(**evaluation)
        planned = host_bytes(TWELVE_BILLION, config.evaluation)
        assert asked(0, config) == int(1000 + 1.25 * planned / 10**6)
        assert asked(1, config) == int(1000 + 1.25 * (PROCESS_BYTES + CUDA_HOST_BYTES) / 10**6)
    assert asked(0, experiment()) > 54_000 > asked(0, experiment(precision="bfloat16")) > 29_000
    assert asked(1, experiment(memory=6)) == 7_000


@pytest.mark.parametrize("evaluation", [{}, {"precision": "bfloat16", "shards_per_job": 6}])
def test_runtime_on_a_gpu_is_the_plans_with_a_margin(evaluation):
    config = experiment("EleutherAI/pythia-1b", **evaluation)
    plan = estimate("m", config)
    jobs = plan.variants * parts_of(config)
    minutes = 60 * plan.gpu_hours("A100", config.evaluation.precision) / jobs
    asked = resources.score_shards(BILLION, 4, 1, config).runtime
    assert asked == resources.SPARE_MINUTES + int(resources.RUNTIME_MARGIN * minutes)


def test_activations_take_the_memory_of_a_layer_and_a_batch_and_time_by_the_text():
    size = size_of(Model(repo="EleutherAI/pythia-2.8b"))
    assert 8 * 10**8 < gathering_bytes(size) < 4 * 10**9  # its weights take 11 GB in float32
    wanda = {"criterion": "wanda", "levels": [0.3, 0.5]}
    chain = {"wanda": wanda, "again": {"after": "wanda@0.3", "criterion": "wanda", "levels": [0.6]}}
    few, many = (estimate("m", calibrated_experiment(texts, chain)) for texts in (64, 128))
    # Two operations a weight and token, for the dense model and the chain's first variant; attention beside.
    each = 2 * 64 * 2048 * size.architecture.layers * size.layer_weights
    assert 2 * each < many.operations - few.operations < 2.5 * each
    assert many.jobs == few.jobs


def calibrated_experiment(texts: int, strategies: dict) -> Config:
    """An experiment on Pythia-2.8b that is calibrated on so many texts."""
    content = experiment("EleutherAI/pythia-2.8b").model_dump(exclude_unset=True)
    return check({**content, "strategies": strategies, "calibration": {"texts": texts}}, "test")


def test_low_rank_asks_for_the_time_of_its_decompositions_at_each_step():
    config = local_experiment(Path("m"), strategies={"plain": {"levels": [0.3]}, "low": LOW_RANK})
    seconds = change_resources.decomposing_seconds(BILLION, 4)
    assert seconds == 2 * change_resources.decomposing_seconds(BILLION, 8) > 0
    for ask, steps in ((change_resources.compute_change, 1), (change_resources.solve_level, MOST_STEPS)):
        without, with_it = (ask(name, BILLION, 4, 0, config).runtime for name in ("plain", "low"))
        more = resources.RUNTIME_MARGIN * steps * seconds / 60
        assert with_it - without >= int(more) > 0


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "screened"])
def test_a_gpu_is_planned_to_have_free_what_a_job_will_ask_for(tmp_path, family, precision):
    folder = tiny_model(family, "float16", tmp_path / "model")
    config = experiment(precision=precision)
    needed = footprint.device_bytes(resolve_model("m", folder).architecture, config.evaluation_settings)
    planned = device_bytes(size_of(Model(path=str(folder))), config.evaluation)
    assert needed == planned


def test_parts_share_the_runtime_and_a_gpu_shortens_it():
    whole = resources.score_shards(BILLION, 4, 1, experiment()).runtime
    part = resources.score_shards(BILLION, 4, 1, experiment(shards_per_job=6)).runtime
    on_cpu = resources.score_shards(BILLION, 4, 0, experiment()).runtime
    assert resources.SPARE_MINUTES < part < whole < on_cpu


def test_tables_of_parts_are_put_together_by_a_small_job():
    config = experiment(shards_per_job=6)
    small = resources.evaluate(BILLION, 1, 0, config)
    assert small.memory < resources.score_shards(BILLION, 1, 0, config).memory / 2
    assert small.runtime == resources.SPARE_MINUTES
    assert resources.evaluation_threads(BILLION, config) == 1
    whole = resources.score_shards(BILLION, 16, 1, experiment())
    assert resources.evaluate(BILLION, 16, 1, experiment()) == whole


def test_a_mask_asks_for_a_part_of_the_model_and_a_later_attempt_for_more():
    first = resources.rewrite(TWELVE_BILLION, 16)
    assert 1000 + 6000 <= first.memory < 12_000
    assert first.at(3).memory == 3 * first.memory
    assert first.at(2).runtime == 2 * first.runtime
    assert first.at(10**6).runtime == resources.LONGEST


def test_threads_and_groups_follow_the_size():
    small = size_of(Model(repo="EleutherAI/pythia-70m"))
    assert [resources.threads(size) for size in (small, BILLION, TWELVE_BILLION)] == [2, 16, 16]
    of = resources.group("changes")
    assert [of(size) for size in (small, BILLION, TWELVE_BILLION)] == ["changes", None, None]


def test_a_model_of_unknown_size_is_taken_for_the_largest():
    assert assumed_sizes(experiment()) == {"m": TWELVE_BILLION}
    assert assumed_sizes(experiment("EleutherAI/pythia-1b")) == {"m": BILLION}
    assert size_of(Model(repo=LARGEST)).weights == max(
        size_of(Model(repo=f"EleutherAI/pythia-{name}")).weights for name in PYTHIA
    )


def test_scored_tokens_are_those_of_all_passes():
    assert variant_tokens(experiment()) == (100 + 150 + 250 + 550) * 6000 + 500 * 513
