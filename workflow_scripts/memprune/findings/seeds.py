"""How far the samples of several seeds differ."""

import pandas as pd


def with_seed_spread(table: pd.DataFrame, measures: pd.DataFrame) -> pd.DataFrame:
    """A memorization table with a column `seed_spread` behind the interval of its fractions.

    It is the sample standard deviation (n - 1) of the fractions that each seed's own samples give, null where
    there is one seed only. `measures` are the rows of all seeds, not the pooled ones alone; their groups are
    what stands in the table before `extracted`.
    """
    keys = list(table.columns[: table.columns.get_loc("extracted")])
    by_seed = measures.groupby([*keys, "seed"], observed=True, dropna=False).extracted.mean()
    spread = by_seed.groupby(keys, observed=True, dropna=False).std(ddof=1).rename("seed_spread")
    joined = table[keys].merge(spread.reset_index(), how="left", on=keys, validate="one_to_one")
    place = table.columns.get_loc("ci_high") + 1
    columns = {name: table[name] for name in table.columns[:place]}
    columns["seed_spread"] = joined.seed_spread.to_numpy()
    return pd.DataFrame(columns | {name: table[name] for name in table.columns[place:]})
