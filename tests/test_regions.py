"""Parts of matrices: query, key and value where they are stored fused, and heads."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from small_changes import ARCHITECTURE
from tiny_models import log_probabilities, reference_model, tiny_model, write_mask_of
from torch_masks import check_against_torch_prune, mask_of, weights_of
from transformers import FalconConfig
from transformers.models.falcon.modeling_falcon import FalconAttention

from memprune.config.strategies.prune_strategy import PruneStrategy
from memprune.errors import UserError
from memprune.methods.asked import Asked
from memprune.methods.prune import compute_mask
from memprune.models import weights as weights_module
from memprune.models.manifest import Matrix
from memprune.models.resolve_model import resolve_model
from memprune.scoring.variant_model import load_variant
from memprune.variants.achieved import achieved
from memprune.variants.changes import about_change
from memprune.variants.masks import unpack
from memprune.variants.regions import lines_by_head
from memprune.variants.scope import regions_in_scope

HEADS, SIZE, HIDDEN = 4, 8, 32  # of the tiny models
ROLES = ("query", "key", "value", "output", "up", "down")


def separated(family: str, name: str, fused: torch.Tensor) -> dict[str, torch.Tensor]:
    """Query, key and value of a fused matrix as a model with separate ones has them, output × input."""
    if family == "gpt_neox":
        parts = fused.view(HEADS, 3, SIZE, HIDDEN).unbind(1)
    else:
        parts = fused.view(HIDDEN, 3, HEADS, SIZE).permute(1, 2, 3, 0).unbind(0)
    named = zip(("query", "key", "value"), parts, strict=True)
    return {f"{name} {role}": part.reshape(HEADS * SIZE, HIDDEN).contiguous() for role, part in named}


@pytest.mark.parametrize(
    ("key_heads", "settings"),
    [
        (2, {"new_decoder_architecture": True, "num_kv_heads": 2}),
        (1, {"multi_query": True}),
        (6, {"multi_query": False}),
    ],
)
def test_lines_of_heads_are_those_that_falcon_splits_its_matrix_into(key_heads, settings):
    config = FalconConfig(hidden_size=24, num_attention_heads=6, **settings)
    architecture = replace(ARCHITECTURE, family="falcon", heads=6, key_heads=key_heads, head_size=4)
    fused = torch.arange((6 + 2 * key_heads) * 4)
    query, key, value = (part[0, 0] for part in FalconAttention(config, 0)._split_heads(fused[None, None]))
    share = len(key) // key_heads
    expected = {"query": query, "key": key[::share], "value": value[::share]}
    for role, part in expected.items():
        np.testing.assert_array_equal(lines_by_head(role, architecture), part)
    together = np.hstack([part.reshape(key_heads, -1) for part in expected.values()])
    np.testing.assert_array_equal(lines_by_head("query_key_value", architecture), together)


@pytest.mark.parametrize("allocation", ["matrix", "layer", "global"])
@pytest.mark.parametrize("roles", [("query",), ("key", "value"), ("query", "key", "value")])
@pytest.mark.parametrize("family", ["gpt_neox", "gpt2"])
def test_masks_of_fused_parts_are_those_of_separate_matrices(family, roles, allocation, tmp_path):
    manifest = resolve_model("tiny", tiny_model(family, "float32", tmp_path / "model"))
    names = [m.name for m in manifest.matrices if m.role == "query_key_value"]
    weights = {k: v for n in names for k, v in separated(family, n, weights_of(manifest)[n]).items()}
    groups: dict[object, list[str]] = {}
    for layer, name in enumerate(names):
        for role in roles:
            key = {"matrix": (name, role), "layer": layer, "global": 0}[allocation]
            groups.setdefault(key, []).append(f"{name} {role}")
    strategy = PruneStrategy(matrices=list(roles), allocation=allocation)
    for level in (0.3, 1.0):
        fused = mask_of(manifest, strategy.selection, level, tmp_path)
        kept = {k: v for n in names for k, v in separated(family, n, fused[n]).items()}
        own = {name for group in groups.values() for name in group}
        assert all(mask.all() for name, mask in kept.items() if name not in own)
        found = {name: mask for name, mask in kept.items() if name in own}
        check_against_torch_prune(found, weights, list(groups.values()), level)


@pytest.mark.parametrize("family", ["gpt_neox", "gpt2"])
def test_groups_take_the_fused_matrix_as_one(family, tmp_path):
    manifest = resolve_model("tiny", tiny_model(family, "float16", tmp_path))
    for matrices in ("all", "attention", ["query_key_value"]):
        scope = regions_in_scope(manifest, PruneStrategy(matrices=matrices).selection, "s")
        assert all(region.lines is None for region in scope)
        assert sum(region.matrix.role == "query_key_value" for region in scope) == 4


def positions(model: SimpleNamespace, matrix: Matrix, role: str, heads: set[int] | None) -> np.ndarray:
    """Where in the flat matrix the weights of a role and of some heads are, ascending."""
    flat = np.arange(matrix.weights).reshape(matrix.shape)
    flat = flat.T if model.architecture.family == "gpt2" else flat  # output × input
    a = model.architecture
    own = list(range(a.heads) if heads is None else sorted(heads))
    shared = a.heads // a.key_heads
    if role == "output":
        flat = flat.reshape(len(flat), a.heads, a.head_size)[:, own]
    elif matrix.role == "query_key_value":
        split = (a.heads, 3, a.head_size, -1) if a.family == "gpt_neox" else (3, a.heads, a.head_size, -1)
        by_head = flat.reshape(split)
        by_head = by_head if a.family == "gpt_neox" else by_head.swapaxes(0, 1)
        part = slice(None) if role == "query_key_value" else ROLES.index(role)
        flat = by_head[own][:, part]
    elif role in ("key", "value"):
        groups = [g for g in range(a.key_heads) if {*range(g * shared, (g + 1) * shared)} <= {*own}]
        flat = flat.reshape(a.key_heads, a.head_size, -1)[groups]
    elif role == "query":
        flat = flat.reshape(a.heads, a.head_size, -1)[own]
    return np.sort(flat, axis=None)


@st.composite
def cases(draw) -> dict:
    """A model's sizes, what of it is pruned, and how."""
    family = draw(st.sampled_from(["gpt_neox", "gpt2", "llama"]))
    heads, size, layers = draw(st.integers(1, 4)), draw(st.integers(1, 5)), draw(st.integers(1, 3))
    key_heads = (
        draw(st.sampled_from([n for n in (1, 2, heads) if heads % n == 0])) if family == "llama" else heads
    )
    places = st.tuples(st.integers(0, layers - 1), st.integers(0, heads - 1))
    named = draw(st.none() | st.lists(places, min_size=1, max_size=4, unique=True))
    known = ROLES[:4] if named else ROLES
    if family != "llama" and draw(st.booleans()):
        known = ("query_key_value", *known[3:])
    return {
        "sizes": (family, heads, key_heads, size, layers, draw(st.integers(1, 9))),
        "matrices": draw(st.lists(st.sampled_from(known), min_size=1, unique=True)),
        "heads": named,
        "allocation": draw(st.sampled_from(["matrix", "layer", "global"])),
        "criterion": draw(st.sampled_from(["magnitude", "random"])),
        "dtype": draw(st.sampled_from(["float16", "float32"])),
        "level": draw(st.floats(0, 1, exclude_min=True)),
        "seed": draw(st.integers(0, 99)),
    }  # fmt: skip


def random_model(case: dict, folder: str) -> tuple[SimpleNamespace, dict[str, np.ndarray]]:
    """What masks need to know of a model, its weights in a file, with many ties."""
    family, heads, key_heads, size, layers, hidden = case["sizes"]
    generator = np.random.default_rng(case["seed"])
    outputs = {"query": heads * size, "key": key_heads * size, "value": key_heads * size}
    if family != "llama":
        outputs = {"query_key_value": 3 * heads * size}
    shapes = {role: (rows, hidden) for role, rows in outputs.items()}
    shapes |= {"output": (hidden, heads * size), "up": (5, hidden), "down": (hidden, 5)}
    matrices = [
        Matrix(f"{layer} {role}", "w", layer, role, shape[::-1] if family == "gpt2" else shape)
        for layer in range(layers)
        for role, shape in shapes.items()
    ]
    weights = {m.name: generator.integers(-4, 5, m.shape).astype(case["dtype"]) for m in matrices}
    save_file(weights, Path(folder, "w"))
    architecture = SimpleNamespace(
        family=family, heads=heads, key_heads=key_heads, head_size=size, layers=layers
    )
    return SimpleNamespace(
        model="m",
        folder=folder,
        files=["w"],
        dtype=case["dtype"],
        matrices=matrices,
        architecture=architecture,
    ), weights


@settings(deadline=None, max_examples=150)
@given(cases(), st.sampled_from([1, 3]))
def test_parts_are_selected_exactly(case, threads):
    """The first of a stable sort of the parts in scope go; in slices of 16, with ties everywhere."""
    strategy = PruneStrategy(**{key: case[key] for key in ("matrices", "heads", "allocation", "criterion")})
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights_module, "SLICE", 16)
        model, weights = random_model(case, folder)
        groups: dict[object, list[tuple[str, np.ndarray]]] = {}
        for m in model.matrices:
            heads = {head for layer, head in case["heads"] if layer == m.layer} if case["heads"] else None
            for role in ("query_key_value", *ROLES):
                fused = m.role == "query_key_value" and role in ROLES[:3]
                if role not in case["matrices"] or not (role == m.role or fused):
                    continue
                key = {"matrix": (m.name, role), "layer": m.layer, "global": 0}[case["allocation"]]
                if len(own := positions(model, m, role, heads)):
                    groups.setdefault(key, []).append((m.name, own))
        if not groups:
            with pytest.raises(UserError, match=r"^strategies.s.heads: found heads of model m that share"):
                regions_in_scope(model, strategy.selection, "s")
            return
        packed = compute_mask(Asked(model, strategy.settings, case["level"], "s", threads=threads))
    kept = {name: unpack(bits, slice(0, weights[name].size)) for name, bits in packed.items()}
    assert all(int(np.bitwise_count(bits).sum()) == kept[name].sum() for name, bits in packed.items())
    outside = {name: np.ones(weights[name].size, dtype=bool) for name in kept}
    for group in groups.values():
        found = np.concatenate([kept[name][own] for name, own in group])
        pruned = round(case["level"] * len(found))
        assert (~found).sum() == pruned
        if case["criterion"] == "magnitude":
            magnitudes = np.concatenate([np.abs(weights[name].ravel()[own]) for name, own in group])
            assert set(np.flatnonzero(~found)) == set(np.argsort(magnitudes, kind="stable")[:pruned])
        for name, own in group:
            outside[name][own] = False
    assert all(kept[name][outside[name]].all() for name in kept)


def zeroed(model, family: str, layer: int, head: int) -> None:
    """Set a head's weights of a transformers model to zero, its key and value if they are not shared."""
    own = slice(SIZE * head, SIZE * (head + 1))
    with torch.no_grad():
        if family == "gpt_neox":
            attention = model.gpt_neox.layers[layer].attention
            attention.query_key_value.weight.view(HEADS, 3, SIZE, HIDDEN)[head] = 0
            attention.dense.weight[:, own] = 0
        elif family == "gpt2":
            attention = model.transformer.h[layer].attn
            attention.c_attn.weight.view(HIDDEN, 3, HEADS, SIZE)[:, :, head] = 0
            attention.c_proj.weight[own] = 0
        elif family == "llama":
            attention = model.model.layers[layer].self_attn
            attention.q_proj.weight[own] = 0
            attention.o_proj.weight[:, own] = 0
        else:
            attention = model.model.decoder.layers[layer].self_attn
            for linear in (attention.q_proj, attention.k_proj, attention.v_proj):
                linear.weight[own] = 0
            attention.out_proj.weight[:, own] = 0


def test_a_model_without_a_head_is_transformers_with_its_weights_zero(family, tmp_path):
    folder, mask = tiny_model(family, "float32", tmp_path / "model"), tmp_path / "mask.safetensors"
    manifest = resolve_model("tiny", folder)
    write_mask_of(manifest, PruneStrategy(heads=[[1, 2]]).selection, 1.0, mask)
    model = reference_model(folder, None, "float32")
    before = {name: values.clone() for name, values in model.state_dict().items()}
    zeroed(model, family, 1, 2)
    removed = sum(int((before[name] != values).sum()) for name, values in model.state_dict().items())
    found = achieved(manifest, [mask])
    assert found.sparsity == 1
    assert (
        sum(about_change(mask).in_scope.values())
        == removed
        == (2 if family == "llama" else 4) * SIZE * HIDDEN
    )
    assert found.removed == removed / sum(m.weights for m in manifest.matrices)
    texts = np.random.default_rng(0).integers(0, 200, (2, 40))
    pruned = log_probabilities(load_variant(manifest, (mask,), torch.float32, torch.device("cpu")), texts)
    with torch.inference_mode():
        logits = model(input_ids=torch.from_numpy(texts)[:, :-1]).logits
    expected = logits.log_softmax(-1).gather(2, torch.from_numpy(texts)[:, 1:, None])[..., 0]
    np.testing.assert_allclose(pruned, expected, atol=1e-5, rtol=1e-5)
    dense = log_probabilities(load_variant(manifest, (), torch.float32, torch.device("cpu")), texts)
    assert np.abs(dense - pruned).max() > 1e-2


def test_shared_keys_are_in_scope_with_all_heads_that_share_them(tmp_path):
    manifest = resolve_model("tiny", tiny_model("llama", "float16", tmp_path))  # two heads share one
    both = regions_in_scope(manifest, PruneStrategy(heads=[[0, 2], [0, 3], [1, 2]]).selection, "s")
    assert [(r.matrix.layer, r.matrix.role, r.lines[0], r.axis, len(r.lines)) for r in both] == [
        (0, "query", 16, 0, 16), (0, "key", 8, 0, 8), (0, "value", 8, 0, 8), (0, "output", 16, 1, 16),
        (1, "query", 16, 0, 8), (1, "output", 16, 1, 8),
    ]  # fmt: skip
    with pytest.raises(UserError, match="share key and value with others; name all 2 that share them"):
        regions_in_scope(
            manifest, PruneStrategy(heads=[[0, 1], [0, 2]], matrices=["key", "value"]).selection, "s"
        )


@pytest.mark.parametrize("place", [[4, 0], [0, 4]])
def test_a_head_that_a_model_lacks_is_named(place, family, tmp_path):
    manifest = resolve_model("tiny", tiny_model(family, "float16", tmp_path))
    message = (
        rf"^strategies.s.heads: found \[{place[0]}, {place[1]}\], allowed in model tiny: layers 0 to 3, heads"
    )
    with pytest.raises(UserError, match=message):
        regions_in_scope(manifest, PruneStrategy(heads=[[0, 0], place]).selection, "s")
