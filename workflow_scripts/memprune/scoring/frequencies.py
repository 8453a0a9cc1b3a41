"""The frequencies of rotary positions (RoFormer, Su et al. 2021) and of their stretched forms."""

import math

import torch

from memprune.models.architecture import Rotary


def frequencies_of(rotary: Rotary) -> tuple[torch.Tensor, float]:
    """Radians a token of each pair of features, float32, and the factor of cosine and sine.

    Operation by operation as transformers computes them, so that both round alike. `linear` divides all;
    `llama3` (Llama 3.1) and `yarn` (Peng et al. 2023) divide long waves, leave short ones, and blend between;
    `proportional` turns only some of the pairs.
    """
    scaling = rotary.scaling
    kind = scaling["rope_type"]
    exponents = torch.arange(0, rotary.features, 2).float() / rotary.features
    if kind == "yarn":
        return yarn(rotary.base**exponents, rotary), yarn_factor(scaling)
    frequencies = 1.0 / rotary.base**exponents
    if kind == "linear":
        frequencies /= scaling["factor"]
    elif kind == "llama3":
        frequencies = llama3(frequencies, scaling)
    elif kind == "proportional":
        frequencies = frequencies[: rotary.turned // 2]
        frequencies[scaling["pairs"] :] = 0
        frequencies /= scaling.get("factor", 1.0)
    return frequencies, 1.0


def llama3(frequencies: torch.Tensor, scaling: dict) -> torch.Tensor:
    """Frequencies whose waves longer than the original positions / `low_freq_factor` are stretched."""
    low, high, factor = (scaling[key] for key in ("low_freq_factor", "high_freq_factor", "factor"))
    original = scaling["original_max_position_embeddings"]
    waves = 2 * math.pi / frequencies
    stretched = torch.where(waves > original / low, frequencies / factor, frequencies)
    share = (original / waves - low) / (high - low)
    blended = (1 - share) * stretched / factor + share * stretched
    between = ~(waves < original / high) * ~(waves > original / low)
    return torch.where(between, blended, stretched)


def yarn(powers: torch.Tensor, rotary: Rotary) -> torch.Tensor:
    """Frequencies of which those that turn often within the original positions are left as they are."""
    scaling, features = rotary.scaling, rotary.features
    original = scaling["original_max_position_embeddings"]

    def feature_that_turns(times: float) -> float:
        return (features * math.log(original / (times * 2 * math.pi))) / (2 * math.log(rotary.base))

    low = feature_that_turns(scaling.get("beta_fast") or 32)
    high = feature_that_turns(scaling.get("beta_slow") or 1)
    if scaling["truncate"]:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, features - 1)
    if low == high:
        high += 0.001
    ramp = ((torch.arange(features // 2, dtype=torch.float32) - low) / (high - low)).clamp(0, 1)
    kept = 1 - ramp
    return 1.0 / (scaling["factor"] * powers) * (1 - kept) + 1.0 / powers * kept


def yarn_factor(scaling: dict) -> float:
    """The factor of cosine and sine; where the settings give none, it grows with the stretch."""
    if "attention_factor" in scaling:
        return scaling["attention_factor"]

    def grown(weight: float) -> float:
        stretch = scaling["factor"]
        return 0.1 * weight * math.log(stretch) + 1.0 if stretch > 1 else 1.0

    own, all_features = scaling.get("mscale"), scaling.get("mscale_all_dim")
    return grown(own) / grown(all_features) if own and all_features else grown(1)
