"""Pruning in training: the schedule is the paper's, masks have exact counts, and what is zero stays zero."""

import itertools
import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch.nn.utils import prune

from memprune.embedded import train_suite
from memprune.embedded.gradual_pruning import (
    PRUNABLE,
    MaskedWeight,
    Schedule,
    count_zeros,
    keep_from_rounding_to_zero,
    keep_largest,
    unmasked,
    update_masks,
    zero_gradients,
    zero_weights,
)
from memprune.embedded.train_suite import Recipe, Size

SUITE = Path(__file__).parents[1] / "resources/tiny-pythia"
SIZE = Size("tiny", hidden=32, layers=2, heads=2, learning_rate=1e-2)
schedules = st.builds(
    Schedule,
    sparsity=st.floats(0.05, 0.95),
    start=st.integers(0, 100),
    every=st.integers(1, 20),
    updates=st.integers(1, 20),
)


def test_the_schedule_is_the_papers_at_known_points():
    schedule = Schedule(sparsity=0.8, start=100, every=10, updates=20)
    assert schedule.end == 300
    assert [schedule.at(step) for step in (0, 100, 300, 5000)] == [0, 0, 0.8, 0.8]
    assert schedule.at(150) == pytest.approx(0.8 - 0.8 * 27 / 64)
    assert schedule.at(200) == pytest.approx(0.8 * 7 / 8)
    assert [step for step in range(400) if schedule.updates_at(step)] == list(range(100, 301, 10))


@given(schedules)
def test_the_schedule_rises_ever_slower(schedule):
    shares = [schedule.at(step) for step in range(schedule.start, schedule.end + 1)]
    rises = [after - before for before, after in itertools.pairwise(shares)]
    assert min(rises) >= 0
    assert all(after <= before + 1e-12 for before, after in itertools.pairwise(rises))
    assert shares[-1] == schedule.sparsity


@given(st.integers(1, 20), st.integers(1, 20), st.floats(0, 1), st.integers(0, 2**31))
def test_a_mask_has_exact_counts_and_is_torchs_where_magnitudes_differ(rows, columns, sparsity, seed):
    weight = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    kept = keep_largest(weight, torch.ones_like(weight, dtype=torch.bool), sparsity)
    pruned = round(sparsity * weight.numel())
    assert int((~kept).sum()) == pruned
    if len(weight.abs().unique()) == weight.numel():
        layer = torch.nn.Linear(columns, rows, bias=False)
        layer.weight.data = weight
        prune.l1_unstructured(layer, "weight", amount=pruned)
        assert torch.equal(layer.weight_mask.bool(), kept)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 2**31))
def test_masks_are_nested_though_all_weights_tie(first, second, seed):
    weight = torch.zeros(7, 9)
    kept = torch.randperm(63, generator=torch.Generator().manual_seed(seed)).view(7, 9) >= round(63 * first)
    sparser = keep_largest(weight, kept, max(first, second))
    assert not (sparser & ~kept).any()
    assert int((~sparser).sum()) == round(63 * max(first, second))


def test_zeros_stay_zero_through_steps_with_weight_decay_and_momentum():
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(30, 20))
    optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9, weight_decay=0.1)
    masked = [MaskedWeight(weight, torch.ones_like(weight, dtype=torch.bool))]
    before = weight.detach().clone()
    for step in range(40):
        if step in (10, 20):  # momentum has gathered by then
            masked = update_masks(masked, 0.03 * step)
        ((weight - 1) ** 2).sum().backward()
        zero_gradients(masked)
        kept = masked[0].kept
        assert not weight.grad[~kept].any()
        optimizer.step()
        zero_weights(masked)
        optimizer.zero_grad()
        assert not weight[~kept].any()
    assert int((weight == 0).sum()) == int((~kept).sum()) == 360
    assert (weight != before)[kept].all()


def test_kept_weights_are_no_zeros_in_float16_and_all_others_are_as_they_were():
    weight = torch.nn.Parameter(torch.tensor([[1e-9, -1e-9, 0.0, 0.0, 0.3, -7e-8]]))
    kept = torch.tensor([[True, True, True, False, True, True]])
    keep_from_rounding_to_zero([MaskedWeight(weight, kept)])
    assert torch.equal(weight.half() == 0, ~kept)
    assert weight[0, 0] > 0 > weight[0, 1]
    assert weight[0, 4:].tolist() == torch.tensor([0.3, -7e-8]).tolist()


def test_the_prunable_matrices_are_all_of_two_dimensions_within_blocks():
    model = train_suite.new_model(SIZE, Recipe())
    within = [p for name, p in model.named_parameters() if ".layers." in name and p.dim() == 2]
    assert [id(m.weight) for m in unmasked(model)] == [id(p) for p in within]
    assert len(within) == 8


@pytest.mark.parametrize("sparsity", train_suite.SPARSITIES)
def test_the_suites_pruned_models_have_exactly_their_sparsity_in_each_matrix(sparsity):
    name = f"{train_suite.PRUNED.name}-pruned-{sparsity}"
    tensors = load_file(SUITE / name / "model.safetensors")
    matrices = [tensor for tensor_name, tensor in tensors.items() if tensor_name.endswith(PRUNABLE)]
    assert len(matrices) == 4 * train_suite.PRUNED.layers
    assert [int((m == 0).sum()) for m in matrices] == [round(sparsity * m.numel()) for m in matrices]
    told = json.loads((SUITE / "training.json").read_text())["models"][name]["pruning"]
    assert (told["zeros"], told["prunable_weights"]) == count_zeros(SUITE / name)
    assert told["sparsity"] == sparsity
    for file in ("tokenizer.json", "tokenizer_config.json", "config.json", "generation_config.json"):
        assert (SUITE / name / file).read_bytes() == (SUITE / train_suite.PRUNED.name / file).read_bytes()
