"""Sensitivity: gradients against torch's of transformers' models, masks against the formula, forgetting."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import FAMILIES
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.numpy import load_file
from tiny_models import VOCABULARY, reference_model, tiny_model, write_mask_of
from torch.nn.functional import cross_entropy

from memprune.config.strategies.prune_strategy import PruneStrategy
from memprune.corpus.document_windows import token_column
from memprune.errors import UserError
from memprune.methods import prune, trainable
from memprune.methods.asked import Asked
from memprune.methods.criteria.sensitivity import descending, losses
from memprune.methods.gather_gradients import gather
from memprune.methods.read_tokens import read_fitted
from memprune.models import weights as weights_module
from memprune.models.manifest import Manifest, write_manifest
from memprune.models.resolve_model import resolve_model
from memprune.scoring.forced_pass import score_suffixes
from memprune.scoring.variant_model import load_variant
from memprune.variants.masks import read_mask

CPU, SUFFIX = torch.device("cpu"), 4
RANDOM = np.random.default_rng(0)
FITTED, OTHERS = RANDOM.integers(0, VOCABULARY, (3, 12)), RANDOM.integers(0, VOCABULARY, (5, 9))


def gathered(manifest: Manifest, changes: list[Path], folder: Path, fitted=FITTED, others=OTHERS) -> Path:
    path = folder / "gradients.safetensors"
    gather(manifest, changes, (fitted, SUFFIX), others, "cpu", 1, path)
    return path


def reference_gradients(manifest: Manifest, mask: Path | None, tokens: np.ndarray, scored: int) -> dict:
    """Of the mean loss of the last `scored` tokens of all texts at one time, by torch."""
    model, ids = reference_model(Path(manifest.folder), mask, "float32"), torch.from_numpy(tokens)
    logits = model(ids).logits[:, -scored - 1 : -1]
    cross_entropy(logits.flatten(0, 1), ids[:, -scored:].flatten()).backward()
    own = dict(model.named_parameters())
    names = {matrix.name: f"{model.base_model_prefix}.{matrix.name}" for matrix in manifest.matrices}
    return {name: own.get(name, own.get(longer)).grad.numpy() for name, longer in names.items()}


@pytest.fixture(scope="module", params=FAMILIES)
def model(request, tmp_path_factory) -> tuple[Manifest, Path, Path]:
    """A pruned model, its mask and the gradients gathered of it, texts in batches of two."""
    folder = tmp_path_factory.mktemp(request.param)
    manifest = resolve_model("tiny", tiny_model(request.param, "float16", folder / "model"))
    write_mask_of(manifest, PruneStrategy(matrices="mlp").selection, 0.3, folder / "mask")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainable, "BATCH_TOKENS", 24)
        return manifest, folder / "mask", gathered(manifest, [folder / "mask"], folder)


def test_gradients_are_those_of_the_mean_losses(model):
    manifest, mask, path = model
    found = load_file(path)
    assert len(found) == 2 * len(manifest.matrices)
    for kind, tokens, scored in (("fitted", FITTED, SUFFIX), ("others", OTHERS, OTHERS.shape[1] - 1)):
        for name, expected in reference_gradients(manifest, mask, tokens, scored).items():
            scale = np.abs(expected).max()
            np.testing.assert_allclose(found[f"{name}.{kind}"] / scale, expected / scale, atol=1e-5)


@pytest.mark.parametrize("others", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("allocation", ["global", "matrix"])
def test_the_weights_of_the_highest_scores_go(model, others, allocation, tmp_path, monkeypatch):
    manifest, mask, path = model
    strategy = PruneStrategy(criterion="sensitivity", others=others, allocation=allocation)
    monkeypatch.setattr(weights_module, "SLICE", 1000)
    asked = Asked(manifest, strategy.settings, 0.4, "tested", [mask], {"gradients": path}, threads=2)
    prune.make(asked, tmp_path / "change")
    kept, gradients = read_mask(tmp_path / "change"), load_file(path)
    own = reference_model(Path(manifest.folder), mask, "float32").state_dict()
    prefix = reference_model(Path(manifest.folder), None, "float32").base_model_prefix
    scores, zeros = {}, {}
    for matrix in manifest.matrices:
        weights = own.get(matrix.name, own.get(f"{prefix}.{matrix.name}")).numpy()
        use = {kind: np.abs(weights * gradients[f"{matrix.name}.{kind}"]) for kind in ("fitted", "others")}
        scores[matrix.name] = use["fitted"] - np.float32(others) * use["others"]
        zeros[matrix.name] = weights == 0
    for names in [[name] for name in scores] if allocation == "matrix" else [list(scores)]:
        score, zero, stays = (np.concatenate([of[n].ravel() for n in names]) for of in (scores, zeros, kept))
        assert not stays[zero].any()
        assert np.count_nonzero(~stays) == round(0.4 * len(stays))
        assert score[~stays & ~zero].min() >= score[stays].max()


floats = st.floats(allow_nan=False, allow_infinity=True, width=32)


@given(arrays(np.float32, st.integers(1, 40), elements=floats))
def test_keys_order_all_scores_and_stand_for_them(scores):
    scores = scores + np.float32(0)  # no negative zero: none is computed
    keys = descending(scores)
    assert keys.dtype == np.uint32
    np.testing.assert_array_equal(scores[np.argsort(keys, kind="stable")], np.sort(scores)[::-1])
    assert len(np.unique(keys)) == len(np.unique(scores))
    assert keys.min() > 0  # which stands for a weight that is zero
    np.testing.assert_array_equal(losses(keys), -scores)


def test_whole_heads_go_by_their_mean_score(tmp_path):
    manifest = resolve_model("tiny", tiny_model("gpt_neox", "float16", tmp_path / "model"))
    path = gathered(manifest, [], tmp_path)
    strategy = PruneStrategy(
        criterion="sensitivity", pattern="heads", matrices=["output"], allocation="layer"
    )
    asked = Asked(manifest, strategy.settings, 0.25, "tested", [], {"gradients": path}, threads=1)
    prune.make(asked, tmp_path / "change")
    gradients, kept = load_file(path), read_mask(tmp_path / "change")
    own = reference_model(Path(manifest.folder), None, "float32").state_dict()
    for name, stays in kept.items():
        use = {kind: np.abs(own[name].numpy() * gradients[f"{name}.{kind}"]) for kind in ("fitted", "others")}
        means = (use["fitted"] - use["others"]).reshape(len(stays), 4, -1).mean(axis=(0, 2))
        goes = ~stays.reshape(len(stays), 4, -1).any(axis=(0, 2))
        assert goes.tolist() == (np.arange(4) == means.argmax()).tolist()


def test_only_fitted_samples_are_read(tmp_path):
    rows = {
        "split": ["member", "fitted", "non_member", "fitted"],
        "tokens": token_column([[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]]),
    }
    pq.write_table(pa.table(rows).replace_schema_metadata({"suffix": "2"}), tmp_path / "samples.parquet")
    tokens, suffix = read_fitted(tmp_path / "samples.parquet")
    assert tokens.tolist() == [[4, 5, 6], [10, 11, 12]]
    assert suffix == 2


def test_more_members_gather_nothing_and_other_fitted_samples_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MEMPRUNE_STORE", str(tmp_path / "store"))
    manifest = resolve_model("tiny", tiny_model("gpt2", "float16", tmp_path / "model", layers=2))
    write_manifest(manifest, tmp_path / "manifest.json")
    pq.write_table(pa.table({"tokens": token_column(OTHERS.tolist())}), tmp_path / "calibration")

    def run(splits: list[str]) -> str:
        rows = {"split": splits, "tokens": token_column(np.arange(12 * len(splits)).reshape(-1, 12).tolist())}
        pq.write_table(pa.table(rows).replace_schema_metadata({"suffix": "4"}), tmp_path / "samples")
        given = {name: tmp_path / name for name in ("samples", "calibration", "output")}
        given |= {"manifest": tmp_path / "manifest.json", "spec": '{"device": "cpu"}', "threads": 1}
        words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
        monkeypatch.setattr(sys, "argv", ["gather_gradients.py", *words])
        script = Path(__file__).parents[1] / "workflow_scripts/gather_gradients.py"
        runpy.run_path(str(script), run_name="__main__")
        return capsys.readouterr().out.split()[-1]

    assert run(["fitted", "member"]) == "computed"
    assert run(["fitted", "member", "member", "non_member"]) == "found"
    assert run(["fitted", "fitted"]) == "computed"


def test_a_gradient_that_is_not_finite_is_told(tmp_path, monkeypatch):
    manifest = resolve_model("tiny", tiny_model("gpt2", "float16", tmp_path / "model", layers=2))
    monkeypatch.setattr(
        torch.nn.functional, "cross_entropy", lambda logits, *_, **__: logits.sum() * torch.nan
    )
    with pytest.raises(
        UserError, match=r"^models.tiny: gradients: found one of transformer.h.0.attn.c_attn.weight that is"
    ):
        gathered(manifest, [], tmp_path)


def test_what_is_fitted_is_forgotten_more_than_by_magnitude_and_than_what_is_not(tmp_path):
    manifest = resolve_model("tiny", overfitted(tmp_path / "model", np.concatenate(HALVES)))

    def lost(criterion: str, *inputs: np.ndarray) -> np.ndarray:
        """The loss on each half after a tenth of the weights is removed."""
        given = {"gradients": gathered(manifest, [], tmp_path, *inputs)} if inputs else {}
        settings = PruneStrategy(criterion=criterion).settings
        prune.make(Asked(manifest, settings, 0.1, "tested", inputs=given), tmp_path / "change")
        model = load_variant(manifest, [tmp_path / "change"], torch.float32, CPU)
        context = HALVES[0].shape[1] - SUFFIX
        scored = [score_suffixes(model, half, [context], SUFFIX, 64).log_probability for half in HALVES]
        return -np.array([log_probability.mean() for log_probability in scored])

    first, second = HALVES
    fitted, other_way_round = lost("sensitivity", first, second), lost("sensitivity", second, first)
    for untargeted in (lost("magnitude"), lost("random")):
        assert fitted[0] > 10 * untargeted[0]
        assert other_way_round[1] > 10 * untargeted[1]
    assert fitted[0] / fitted[1] > 1.5 * other_way_round[0] / other_way_round[1]


HALVES = FITTED, RANDOM.integers(0, VOCABULARY, FITTED.shape)


def overfitted(folder: Path, texts: np.ndarray) -> Path:
    """A tiny model that has texts by heart."""
    tiny_model("gpt_neox", "float32", folder, layers=2)
    model, ids = reference_model(folder, None, "float32"), torch.from_numpy(texts)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0)
    for _ in range(60):
        optimizer.zero_grad()
        loss = cross_entropy(model(ids).logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
    model.save_pretrained(folder)
    return folder
