"""The card of an exported variant: its README.md, which says what was done to which model."""

from collections.abc import Mapping
from pathlib import Path

import yaml

from memprune.models.manifest import Manifest
from memprune.models.roles import FUSED, FUSED_ROLES
from memprune.variants.achieved import achieved
from memprune.variants.masks import about_mask
from memprune.variants.names import split_variant

TOOL = "memprune"
PRUNED = f"{TOOL} has removed weights of this model: they are zero. Nothing was trained after that."
DENSE = f"The model as it is: {TOOL} has removed no weight."
LOADING = """\
```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("path/to/this/folder")
tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")
```"""


def model_card(
    manifest: Manifest,
    variant: str,
    mask: Path | None,
    fetched: Mapping[str, str] | None,
    files: Mapping[str, bool],
) -> str:
    """The card as Markdown, with the front matter that the Hub reads.

    `fetched` is the record of having fetched the model from the Hub, None of a local one, whose place is
    nobody's concern; `files` are the exported ones, each with whether a weight in it was removed.
    """
    front = {"base_model": fetched["repo"]} if fetched else {}
    front |= {"library_name": "transformers", "pipeline_tag": "text-generation"}
    front["tags"] = [TOOL, "pruning"] if mask else [TOOL]
    facts = base_model(manifest, fetched) | (pruning(manifest, variant, mask) if mask else {})
    return "\n".join(
        [
            "---",
            f"{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---\n",
            f"# {manifest.model}, {variant}\n",
            f"{PRUNED if mask else DENSE}\n",
            "| | |",
            "| --- | --- |",
            *(f"| {name} | {value} |" for name, value in facts.items()),
            "",
            f"- Files with weights removed, otherwise as in the base model: {listed(files, True)}.",
            f"- Files of the base model, to the byte: {listed(files, False)}.\n",
            f"{LOADING}\n",
            "The licence is that of the base model.\n",
        ]
    )


def listed(files: Mapping[str, bool], changed: bool) -> str:
    """The names of the files that were changed, or of those that were not."""
    return ", ".join(f"`{name}`" for name, is_changed in files.items() if is_changed == changed) or "none"


def base_model(manifest: Manifest, fetched: Mapping[str, str] | None) -> dict[str, str]:
    """What is known of the model that the variant was made from, in words."""
    place = (
        f"{fetched['repo']}, revision {fetched['revision']}, commit {fetched['commit']}" if fetched else ""
    )
    return {
        "base model": place or f"{manifest.model}, a local folder",
        "fingerprint of its weights": f"`{manifest.fingerprint}`",
        "family": manifest.architecture.family,
        "dtype of the weights": manifest.dtype,
    }


def pruning(manifest: Manifest, variant: str, mask: Path) -> dict[str, str]:
    """How the variant was made and what that came to, in words."""
    about, (strategy, asked) = about_mask(mask), split_variant(variant)
    selection, layers = about["selection"], about["selection"]["layers"]
    found = achieved(manifest, mask)
    return {
        "strategy": strategy,
        "level": f"{about['level']!r}, found for {asked}" if isinstance(asked, str) else repr(asked),
        "criterion": selection["criterion"] + (f", seed {selection['seed']}" if "seed" in selection else ""),
        "matrices": ", ".join(pruned_roles(manifest, about)),
        "layers": layers if isinstance(layers, str) else ", ".join(map(str, layers)),
        **(
            {"heads, as [layer, head]": ", ".join(map(str, heads))}
            if (heads := selection.get("heads"))
            else {}
        ),
        "where the sparsity holds": selection["allocation"],
        "achieved sparsity in scope": f"{found.sparsity:.6f}",
        "share of all prunable weights removed": f"{found.removed:.6f}",
    }


def pruned_roles(manifest: Manifest, about: Mapping) -> list[str]:
    """The roles that a mask is for: those of its matrices, or of the parts of a fused one that were named."""
    roles, named = (
        {m.role for m in manifest.matrices if m.name in about["shapes"]},
        about["selection"]["roles"],
    )
    if FUSED in roles and FUSED not in named:
        roles = roles - {FUSED} | {role for role in FUSED_ROLES if role in named}
    return sorted(roles)
