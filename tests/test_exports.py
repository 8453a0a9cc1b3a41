"""Exported variants: transformers loads them, and they are the model with the mask applied, to the bit."""

import json
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import FAMILIES
from huggingface_hub import ModelCard
from project import ROOT, snakemake
from safetensors import safe_open
from safetensors.torch import load_file
from tiny_models import reference_model, tiny_model, tiny_tokenizer, write_mask_of
from transformers import AutoModelForCausalLM, AutoTokenizer

from memprune.config.strategies.prune_strategy import PruneStrategy
from memprune.disk import folder_written_whole
from memprune.errors import UserError
from memprune.exports import export_variant as module
from memprune.exports.card import model_card
from memprune.exports.export_variant import export_variant
from memprune.models import weights as weights_module
from memprune.models.manifest import Manifest, read_manifest, write_manifest
from memprune.models.resolve_model import resolve_model
from memprune.variants.changes import About, write_change
from memprune.variants.masks import read_mask
from memprune.variants.weights_of_variant import Weights

TEXT = "In the beginning was the word"
SETTINGS = {"roles": ["up"], "layers": "all", "allocation": "global", "criterion": "magnitude"}


def sharded(folder: Path) -> None:
    """Save the model in a folder anew, in several files with an index."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="30KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 2


def random_mask(manifest: Manifest, path: Path, fingerprint: str | None = None) -> Path:
    """A mask file of every other matrix of a model, which keeps some seven weights of ten."""
    generator = np.random.default_rng(0)
    matrices = manifest.matrices[::2]
    packed = {
        m.name: np.packbits(generator.random(m.weights) < 0.7, bitorder="little")
        for m in matrices
    }  # fmt: skip
    kept = {name: int(np.bitwise_count(bits).sum()) for name, bits in packed.items()}
    about = About(
        kind="mask",
        settings=SETTINGS,
        level=0.3,
        fingerprint=fingerprint or manifest.fingerprint,
        shapes={m.name: m.shape for m in matrices},
        remaining=kept,
        in_scope={m.name: m.weights for m in matrices},
        details={"kept": kept},
    )
    write_change(about, packed.items(), path)
    return path


def exported(manifest: Manifest, mask: Path | None, folder: Path) -> dict[str, bool]:
    folder.mkdir()
    return export_variant(manifest, [mask] if mask else [], folder)


def bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous().view(torch.uint8)


def check_tensors(manifest: Manifest, mask: Path | None, folder: Path) -> None:
    """Each file of weights has its tensors, in their dtypes, with the removed weights zero and no other."""
    kept = read_mask(mask) if mask else {}
    for file in manifest.files:
        before, after = load_file(Path(manifest.folder) / file), load_file(folder / file)
        assert list(before) == list(after)
        for name, values in before.items():
            if name in kept:
                mask_of_it = torch.from_numpy(kept[name])
                assert torch.equal(after[name], values * mask_of_it)
                values = torch.where(mask_of_it, values, 0)
            assert values.dtype == after[name].dtype
            assert torch.equal(bits(after[name]), bits(values)), name
        with safe_open(folder / file, "pt") as opened:
            assert opened.metadata() == {"format": "pt"}


@pytest.mark.parametrize("pruned", [True, False], ids=["pruned", "dense"])
@pytest.mark.parametrize("layout", ["one file", "shards"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_transformers_loads_the_masked_model(family, dtype, layout, pruned, tmp_path):
    source = tiny_model(family, dtype, tmp_path / "source", layers=2)
    if layout == "shards":
        sharded(source)
    manifest = resolve_model("tiny", source)
    mask = random_mask(manifest, tmp_path / "mask.safetensors") if pruned else None
    files = exported(manifest, mask, tmp_path / "export")
    check_tensors(manifest, mask, tmp_path / "export")
    carried = [name for name, changed in files.items() if not changed]
    assert all((source / n).read_bytes() == (tmp_path / "export" / n).read_bytes() for n in carried)
    assert set(manifest.files) <= set(carried) or pruned

    model, info = AutoModelForCausalLM.from_pretrained(
        tmp_path / "export", local_files_only=True, output_loading_info=True
    )
    assert model.dtype == getattr(torch, dtype)
    assert not any(info.values()), info
    ids = tiny_tokenizer()(TEXT).input_ids
    assert AutoTokenizer.from_pretrained(tmp_path / "export")(TEXT).input_ids == ids
    with torch.inference_mode():
        found, expected = (
            m(input_ids=torch.tensor([ids])).logits for m in (model, reference_model(source, mask, dtype))
        )
    assert torch.equal(found, expected)


@pytest.fixture
def manifest(tmp_path) -> Manifest:
    """The manifest of a model of several files."""
    folder = tiny_model("gpt_neox", "float16", tmp_path / "source")
    sharded(folder)
    return resolve_model("tiny", folder)


def test_what_is_not_the_model_stays_behind_but_for_licence_and_generation(manifest, tmp_path):
    source = Path(manifest.folder)
    for name in (
        "LICENSE.txt",
        "NOTICE",
        "chat_template.jinja",
        "README.md",
        "pytorch_model.bin",
        "notes.json",
    ):
        (source / name).write_text(name)
    # As in the Hub's cache: a folder of links.
    (source / "LICENSE.txt").rename(tmp_path / "blob")
    (source / "LICENSE.txt").symlink_to(tmp_path / "blob")
    files = exported(manifest, None, tmp_path / "export")
    companions = {"LICENSE.txt", "NOTICE", "chat_template.jinja", "generation_config.json"}
    assert set(files) == set(manifest.hashes) | companions
    assert {path.name for path in (tmp_path / "export").iterdir()} == set(files)
    assert not any(path.is_symlink() for path in (tmp_path / "export").iterdir())
    assert (tmp_path / "export/LICENSE.txt").read_text() == "LICENSE.txt"


def test_weights_pass_through_in_slices(tmp_path, monkeypatch):
    folder = tiny_model("gpt2", "float32", tmp_path / "source", layers=100)
    manifest = resolve_model("tiny", folder)
    mask = random_mask(manifest, tmp_path / "mask.safetensors")
    monkeypatch.setattr(weights_module, "SLICE", 512)
    monkeypatch.setattr(module, "CHUNK", 512)
    lengths, read = [], Weights.read

    def counted(weights, name, part, buffer):
        lengths.append(part.stop - part.start)
        return read(weights, name, part, buffer)

    monkeypatch.setattr(Weights, "read", counted)
    tracemalloc.start()
    exported(manifest, mask, tmp_path / "export")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    check_tensors(manifest, mask, tmp_path / "export")
    assert max(lengths) == 512
    assert sum(lengths) == sum(m.weights for m in manifest.matrices[::2])
    assert peak < (folder / "model.safetensors").stat().st_size / 4


def test_an_interrupted_export_leaves_nothing(manifest, tmp_path, monkeypatch):
    mask = random_mask(manifest, tmp_path / "mask.safetensors")
    target, written = tmp_path / "exports/tiny/global@0.3", []

    def write_changed(source, weights, names, path):
        written.append(path)
        path.write_text("half")
        if len(written) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_changed", write_changed)
    with pytest.raises(KeyboardInterrupt), folder_written_whole(target) as folder:
        export_variant(manifest, [mask], folder)
    assert len(written) == 2
    assert list(target.parent.iterdir()) == []


def test_what_a_killed_export_left_is_removed_by_the_next(manifest, tmp_path):
    target = tmp_path / "dense"
    for folder in (target, tmp_path / ".dense.tmp"):
        folder.mkdir()
        (folder / "old").write_text("old")
    with folder_written_whole(target) as folder:
        (folder / "new").write_text("new")
        assert (target / "old").exists()
    assert [path.name for path in target.iterdir()] == ["new"]
    assert not (tmp_path / ".dense.tmp").exists()


def change_config(manifest: Manifest) -> None:
    path = Path(manifest.folder) / "config.json"
    path.write_text(path.read_text() + " ")


def change_weights(manifest: Manifest) -> None:
    path = Path(manifest.folder) / manifest.files[0]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def lose_weights(manifest: Manifest) -> None:
    (Path(manifest.folder) / manifest.files[-1]).unlink()


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (change_config, "config.json: changed since the model was described"),
        (change_weights, "model-00001-of-.*: changed since the model was described"),
        (lose_weights, ": gone since the model was described"),
    ],
)
def test_files_that_are_not_the_manifests_are_refused(spoil, line, manifest, tmp_path):
    spoil(manifest)
    with pytest.raises(UserError, match=line):
        exported(manifest, None, tmp_path / "export")


def test_a_mask_of_other_weights_is_refused(manifest, tmp_path):
    mask = random_mask(manifest, tmp_path / "mask.safetensors", fingerprint="0" * 64)
    with pytest.raises(UserError, match=r"a change of other weights \(000000000000\) than those of tiny"):
        exported(manifest, mask, tmp_path / "export")


def test_an_export_that_does_not_fit_the_disk_is_refused(manifest, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(UserError, match=r"an export takes 0\.0 GB, found 0\.0 GB free on its disk"):
        exported(manifest, None, tmp_path / "export")
    assert list((tmp_path / "export").iterdir()) == []


def test_the_card_says_what_was_done(manifest, tmp_path):
    mask = random_mask(manifest, tmp_path / "mask.safetensors")
    fetched = {"repo": "owner/tiny", "revision": "main", "commit": "abc", "folder": "/secret"}
    files = exported(manifest, mask, tmp_path / "export")
    card = ModelCard(model_card(manifest, "half@0.3", [mask], fetched, files))
    assert card.data.base_model == "owner/tiny"
    assert card.data.library_name == "transformers"
    assert card.data.tags == ["memprune", "pruning"]
    kept = read_mask(mask)
    removed = sum(int((~own).sum()) for own in kept.values())
    scope = sum(own.size for own in kept.values())
    prunable = sum(m.weights for m in manifest.matrices)
    for line in (
        "| base model | owner/tiny, revision main, commit abc |",
        f"| fingerprint of its weights | `{manifest.fingerprint}` |",
        "| strategy | half |",
        "| level | 0.3 |",
        "| criterion | magnitude |",
        f"| achieved sparsity in scope | {removed / scope:.6f} |",
        f"| share of all prunable weights removed | {removed / prunable:.6f} |",
    ):
        assert f"\n{line}\n" in card.text
    assert "/secret" not in str(card)
    assert str(tmp_path) not in str(card)
    [changed] = [line for line in card.text.splitlines() if line.startswith("- Files with changed weights")]
    assert all((f"`{name}`" in changed) == is_changed for name, is_changed in files.items())


def test_the_card_of_a_dense_local_model_claims_nothing(manifest, tmp_path):
    files = exported(manifest, None, tmp_path / "export")
    card = ModelCard(model_card(manifest, "dense", [], None, files))
    assert card.data.base_model is None
    assert card.data.tags == ["memprune"]
    assert "| base model | tiny, a local folder |" in card.text
    assert "strategy" not in card.text
    assert "- Files with changed weights, otherwise as in the base model: none." in card.text


def test_the_script_verifies_the_mask_and_writes_the_card(manifest, tmp_path):
    write_manifest(manifest, tmp_path / "manifest.json")
    mask = random_mask(manifest, tmp_path / "mask.safetensors")
    record = tmp_path / "fetched.json"
    record.write_text(json.dumps({"repo": "owner/tiny", "revision": "main", "commit": "abc"}))
    command = [
        sys.executable, ROOT / "workflow_scripts/export_variant.py", "--variant", "half@0.3",
        "--manifest", tmp_path / "manifest.json", "--changes", mask, "--fetched", record,
        "--output", tmp_path / "export",
    ]  # fmt: skip
    subprocess.run(command, check=True)
    check_tensors(manifest, mask, tmp_path / "export")
    assert ModelCard.load(tmp_path / "export/README.md").data.base_model == "owner/tiny"


@pytest.mark.slow
def test_a_variant_is_exported_by_its_folders_name(project):
    targets = [f"results/tiny/exports/{name}" for name in ("small/global@0.3", "large/dense")]
    done = snakemake(project, *targets, "--configfile", "tiny.yaml", snakefile=project / "Snakefile")
    assert done.returncode == 0, done.stdout + done.stderr
    for target, mask in zip(targets, ("changes/small/global@0.3.safetensors", None), strict=True):
        own_mask = project / "results/tiny" / mask if mask else None
        manifest = read_manifest(project / f"results/tiny/models/{target.split('/')[-2]}/manifest.json")
        source = project / manifest.folder
        found = AutoModelForCausalLM.from_pretrained(project / target, local_files_only=True)
        expected = reference_model(source, own_mask, "float16")
        assert all(map(torch.equal, found.parameters(), expected.parameters()))
        assert len(list(found.parameters())) == len(list(expected.parameters())) > 10
    again = snakemake(project, *targets, "--configfile", "tiny.yaml", snakefile=project / "Snakefile")
    assert "Nothing to be done" in again.stdout + again.stderr


def test_the_card_names_parts_heads_and_seed(tmp_path):
    manifest = resolve_model("tiny", tiny_model("gpt_neox", "float16", tmp_path / "model"))
    strategy = PruneStrategy(matrices=["query", "output"], heads=[[1, 2], [0, 3]], criterion="random", seed=7)
    write_mask_of(manifest, strategy.selection, 0.5, tmp_path / "mask.safetensors")
    card = model_card(manifest, "heads@0.5", [tmp_path / "mask.safetensors"], None, {})
    for line in (
        "| criterion | random |",
        "| seed | 7 |",
        "| matrices | output, query |",
        "| heads, as [layer, head] | [0, 3], [1, 2] |",
        "| achieved sparsity in scope | 0.500000 |",
    ):
        assert f"\n{line}\n" in card
