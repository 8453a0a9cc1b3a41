"""Masks as they come back from their files, held against what torch.nn.utils.prune keeps."""

import torch
from safetensors.torch import load_file
from tiny_models import write_mask_of
from torch.nn.utils import prune

from memprune.variants.masks import read_mask


def mask_of(manifest, selection, level, folder):
    """The mask as it comes back from its file."""
    folder.mkdir(exist_ok=True)
    write_mask_of(manifest, selection, level, folder / "mask.safetensors")
    return {name: torch.from_numpy(kept) for name, kept in read_mask(folder / "mask.safetensors").items()}


def weights_of(manifest) -> dict[str, torch.Tensor]:
    """All weights of a tiny model, which has one file."""
    (file,) = manifest.files
    return load_file(f"{manifest.folder}/{file}")


def torch_prune(weights: dict[str, torch.Tensor], groups: list[list[str]], level: float):
    """What torch.nn.utils.prune keeps: l1_unstructured on one matrix, global_unstructured on more."""
    kept = {}
    for group in groups:
        modules = []
        for name in group:
            module = torch.nn.Module()
            module.weight = torch.nn.Parameter(weights[name].clone())
            modules.append(module)
        if len(group) == 1:
            prune.l1_unstructured(modules[0], "weight", level)
        else:
            prune.global_unstructured([(m, "weight") for m in modules], prune.L1Unstructured, amount=level)
        kept.update({name: m.weight_mask.bool() for name, m in zip(group, modules, strict=True)})
    return kept


def check_against_torch_prune(found, weights, groups: list[list[str]], level: float) -> None:
    """The same number of weights is pruned in each group, and the same ones but for ties."""
    expected = torch_prune(weights, groups, level)
    assert found.keys() == expected.keys()
    for group in groups:
        size = sum(weights[n].numel() for n in group)
        assert sum(int((~found[n]).sum()) for n in group) == round(level * size)
        assert sum(int((~expected[n]).sum()) for n in group) == round(level * size)
        # The largest weight pruned is the same; where it is unique there are no ties, and so are all bits.
        ours = max(weights[n][~found[n]].abs().max() for n in group if (~found[n]).any())
        theirs = max(weights[n][~expected[n]].abs().max() for n in group if (~expected[n]).any())
        assert ours == theirs
        ties = [n for n in group for _ in range(int((weights[n].abs() == ours).sum()))]
        for n in group:
            differ = found[n] != expected[n]
            assert (weights[n][differ].abs() == ours).all()
            assert len(ties) > 1 or not differ.any()
