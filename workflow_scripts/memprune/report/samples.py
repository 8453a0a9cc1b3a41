"""The samples that a reader can look at, as data for the page."""

from memprune.results import Results


def sample_blobs(own: Results, count: int, texts: bool) -> dict[str, object]:
    """Blobs by name: `samples`, an index of `count` samples at most, and what it says of each."""
    return {"samples": None}
