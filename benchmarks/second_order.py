"""GPTQ and SparseGPT beside the code that their authors published, on a layer of Pythia-410m's shape.

That code cannot be had here: `published_gptq` and `published_sparsegpt` are its loops, written down anew from
the papers' algorithms, in torch, as users of it run them on the same Hessian.
"""

import torch
from cases import main, median_seconds, run_case, write_report

THREADS, TOKENS, SEED, BLOCK = 2, 8192, 0, 128
SHAPES = {"query_key_value": (3072, 1024), "output": (1024, 1024), "up": (4096, 1024), "down": (1024, 4096)}
CASES = {
    "gptq": {"bits": 4, "group": 128},
    "sparsegpt": {"level": 0.5},
    "2:4": {"level": 0.5, "pattern": (2, 4)},
}


def layer(role: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A matrix, output × input, inputs that correlate and differ in size, and their Hessian."""
    torch.set_num_threads(THREADS)
    generator = torch.Generator().manual_seed(SEED)
    outputs, inputs = SHAPES[role]
    mixed = torch.randn(TOKENS, 256, generator=generator) @ torch.randn(256, inputs, generator=generator) / 16
    rows = (mixed + torch.randn(TOKENS, inputs, generator=generator)) * torch.rand(
        inputs, generator=generator
    )
    weights = torch.randn(outputs, inputs, generator=generator) * 0.02
    return weights, rows, 2 / TOKENS * rows.t() @ rows


def upper_factor(hessian: torch.Tensor) -> torch.Tensor:
    """As published: dampened, factored, inverted, and factored again."""
    hessian = hessian.clone()
    hessian.diagonal().add_(0.01 * hessian.diagonal().mean())
    return torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(hessian)), upper=True)


def published_gptq(weights: torch.Tensor, hessian: torch.Tensor, bits: int, group: int) -> torch.Tensor:
    """The published loop, output × input; grids as ours are (symmetric)."""
    weights, factor = weights.clone(), upper_factor(hessian)
    top, quantized = 2 ** (bits - 1) - 1, torch.zeros_like(weights)
    for start in range(0, weights.shape[1], BLOCK):
        end = min(start + BLOCK, weights.shape[1])
        block, own = weights[:, start:end].clone(), factor[start:end, start:end]
        errors = torch.zeros_like(block)
        for i in range(end - start):
            if (start + i) % group == 0:
                scale = weights[:, start + i : start + i + group].abs().amax(1) / top
            column = block[:, i]
            found = (column / scale).round().clamp(-top, top) * scale
            quantized[:, start + i] = found
            error = (column - found) / own[i, i]
            block[:, i:] -= error.unsqueeze(1).matmul(own[i, i:].unsqueeze(0))
            errors[:, i] = error
        weights[:, end:] -= errors.matmul(factor[start:end, end:])
    return quantized


def published_sparsegpt(
    weights: torch.Tensor, hessian: torch.Tensor, level: float, pattern: tuple[int, int] | None = None
) -> torch.Tensor:
    """The published loop, output × input."""
    weights, factor = weights.clone(), upper_factor(hessian)
    for start in range(0, weights.shape[1], BLOCK):
        end = min(start + BLOCK, weights.shape[1])
        block, own = weights[:, start:end].clone(), factor[start:end, start:end]
        pruned, errors = torch.zeros_like(block), torch.zeros_like(block)
        diagonal = own.diagonal()[None]
        goes = torch.zeros_like(block, dtype=torch.bool)
        if pattern is None:
            costs = block**2 / diagonal**2
            goes = costs <= costs.flatten().sort()[0][int(costs.numel() * level)]
        for i in range(end - start):
            if pattern and i % pattern[1] == 0:
                own_group = slice(i, i + pattern[1])
                costs = block[:, own_group] ** 2 / diagonal[:, own_group] ** 2
                lowest = costs.topk(pattern[1] - pattern[0], dim=1, largest=False).indices
                goes.scatter_(1, i + lowest, True)
            column = block[:, i].clone()
            column[goes[:, i]] = 0
            pruned[:, i] = column
            error = (block[:, i] - column) / own[i, i]
            block[:, i:] -= error.unsqueeze(1).matmul(own[i, i:].unsqueeze(0))
            errors[:, i] = error
        weights[:, start:end] = pruned
        weights[:, end:] -= errors.matmul(factor[start:end, end:])
    return weights


def published(role: str, case: str) -> dict:
    """Seconds of the published code, and the squared error of outputs over that of the outputs."""
    weights, rows, hessian = layer(role)
    solve = published_gptq if case == "gptq" else published_sparsegpt
    found = solve(weights, hessian, **CASES[case])
    return {
        "seconds": median_seconds(3, lambda: solve(weights, hessian, **CASES[case])),
        "error": error_of(found, weights, rows),
    }


def memprune(role: str, case: str) -> dict:
    """The same of ours, from the same layout; and the error of what needs no calibration text."""
    from memprune.methods.gptq import solve_matrix
    from memprune.methods.hessians import curvature_of
    from memprune.methods.nearest import quantize_matrix
    from memprune.methods.rounding import Grid, Rounding, from_codes
    from memprune.methods.sparsegpt import prune_matrix

    weights, rows, hessian = layer(role)
    asked = CASES[case]

    @torch.inference_mode()
    def solve() -> torch.Tensor:
        own = weights.t().contiguous()
        curvature = curvature_of(hessian.clone(), role)
        if case == "gptq":
            solve_matrix(own, curvature, rounding)
        else:
            pattern = "2:4" if case == "2:4" else None
            prune_matrix(own, curvature, round(asked["level"] * own.numel()), pattern)
        return own.t()

    if case == "gptq":
        rounding = Rounding(asked["bits"], asked["group"], True, torch.float32)
        codes, grid = quantize_matrix(weights.t().contiguous(), rounding)
        each = Grid(*(part.repeat_interleave(asked["group"], 0) for part in grid))
        plain = from_codes(codes.float(), each, rounding).t()
    else:
        by_magnitude = weights.abs() if case == "sparsegpt" else weights.abs().unflatten(1, (-1, 4))
        threshold = by_magnitude.flatten() if case == "sparsegpt" else by_magnitude
        middle = threshold.kthvalue(threshold.shape[-1] // 2, dim=-1, keepdim=True).values
        plain = torch.where((by_magnitude > middle).view_as(weights), weights, 0)
    return {
        "seconds": median_seconds(3, solve),
        "error": error_of(solve(), weights, rows),
        "plain": error_of(plain, weights, rows),
    }


def error_of(found: torch.Tensor, weights: torch.Tensor, rows: torch.Tensor) -> float:
    """The squared error of outputs over the sum of their squares."""
    return float((rows @ (found - weights).t()).square().sum() / (rows @ weights.t()).square().sum())


def report() -> None:
    rows, raw = [], {}
    for case, role in [(case, role) for case in CASES for role in SHAPES]:
        theirs, ours = (run_case(name, role, case, tuned=False) for name in ("published", "memprune"))
        raw[f"{case} {role}"] = {"published": theirs, "memprune": ours}
        rows.append(
            {
                "case": f"{case}, {role}, {' × '.join(map(str, SHAPES[role]))}",
                "published": f"{theirs['seconds']:.2f} s",
                "memprune": f"{ours['seconds']:.2f} s",
                "ratio": f"{theirs['seconds'] / ours['seconds']:.1f} ×",
                "error, ours over theirs": f"{ours['error'] / theirs['error']:.4f}",
                "ours over nearest or magnitude": f"{ours['error'] / ours['plain']:.3f}",
            }
        )
    write_report("second_order", "GPTQ and SparseGPT, a matrix of Pythia-410m", rows, raw)


if __name__ == "__main__":
    main([published, memprune], report)
