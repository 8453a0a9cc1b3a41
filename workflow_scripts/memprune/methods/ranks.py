"""How many ranks a matrix keeps when a share of its parameters is removed."""

from fractions import Fraction

from memprune.errors import UserError


def rank_at(level: float, shape: tuple[int, int], strategy: str) -> int:
    """The largest rank r of which two factors, r × (m + n), have at most (1 - level) × m × n numbers.

    Levels are taken as decimals, so that 0.9 leaves exactly a tenth. Raises UserError where that is rank 0.
    """
    m, n = shape
    rank = int((1 - Fraction(str(level))) * m * n) // (m + n)
    if rank == 0:
        raise UserError(
            f"strategies.{strategy}.levels: found {level}, which leaves a matrix of {m} × {n} no rank; "
            f"allowed: at most {highest_level(m, n)}"
        )
    return rank


def highest_level(m: int, n: int) -> float:
    """The level at which one rank is left, rounded down to four digits."""
    return int((1 - Fraction(m + n, m * n)) * 10**4) / 10**4
