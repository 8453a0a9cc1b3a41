"""One sentence a table that says how to read it; the tables' files and their list carry it."""

HOW_TO_READ = {
    "memorization": (
        "Of so many member samples, whose text the model was trained on, greedy decoding from k tokens of "
        "context reproduces the whole suffix of so many (extracted); in brackets stands Wilson's 95 % "
        "interval, and other metrics follow."
    ),
    "memorization_non_members": (
        "The same metrics on text that no model was trained on: what is extracted here is guessed, not "
        "memorized."
    ),
    "memorization_fitted": (
        "The same metrics on samples of training text that methods may be fitted to, drawn as members are, "
        "and in no other table: what a method does to what it is fitted to, beside what it does to members."
    ),
    "memorization_by_duplicates": (
        "The same metrics by how often a sample stands in the training data; an empty cell is what nobody "
        "counted, and of more than 24 numbers each row is from a power of two up to the next."
    ),
    "memorization_by_subset": "The same metrics by the part of the corpus that a sample comes from.",
    "categories": (
        "The same measurement by what samples are like (feature, category); of a changed model also how many "
        "samples of those that the dense model extracts (dense) are kept and lost, how many are gained, and "
        "the p-value of McNemar's exact test of whether that is chance; an empty category is not known."
    ),
    "paired": (
        "Two variants on the same samples: how many samples only one of them reproduces, and the p-value "
        "of McNemar's exact test of whether that is chance."
    ),
    "between_strategies": (
        "Two strategies at the same level on the same samples: how many samples only one of them "
        "reproduces, and the p-value of McNemar's exact test of whether that is chance."
    ),
    "power": (
        "The smallest drop in extracted samples that this many samples would probably have shown: a "
        "smaller one may be there and remain unseen."
    ),
    "excess": (
        "How much larger the share extracted of members is than that of non-members, with its 95 % "
        "interval: one that holds 0 is no evidence of memorization."
    ),
    "lasting": (
        "Does forgetting last? Of the same samples, what the dense model extracts (before), what the changed "
        "one does (after), and what comes of that under an attack: a strategy after it, a longer context, "
        "sampling in place of greedy decoding, or prefixes with replaced tokens; came_back counts the lost "
        "samples that the attack extracts again, and p is of McNemar's exact test of after and attacked."
    ),
    "perturbed": (
        "The metrics at the longest k where so large a share of the prefix's tokens is replaced by others: "
        "share 0 is the same samples with their own prefix."
    ),
    "memorization_by_seed": (
        "The same measurement on samples drawn with different seeds: their spread beside the interval says "
        "how much of a difference is the draw."
    ),
    "perplexity": (
        "How well a variant predicts held-out text: perplexity per token, word and byte, where lower is "
        "better, and how many times the dense model's it is, with a 95 % interval over documents; perplexity "
        "of another data set, split, revision or window is another number."
    ),
    "concatenated_perplexity": (
        "Perplexity per token as the pruning papers compute it, of one joined text that is cut into windows "
        "without context, with its ratio to the dense model's and a 95 % interval over windows; perplexity "
        "of another data set, split, revision or window is another number."
    ),
    "published": (
        "Every published figure of the sources beside ours: z is how many standard errors ours lies from it, "
        "`possible` says whether so many samples can give the published fraction at all, and deviations name "
        "each difference in protocol."
    ),
    "sequences": (
        "How many known sequences each context length has, of so many rows that were read, and how many were "
        "too short for it."
    ),
    "published_scores": (
        "Known sequences that this model extracts here and those that it was published to extract: how many "
        "are both, one of them or neither, Cohen's kappa (1 is full agreement, 0 what chance gives) with its "
        "95 % interval, and the p-value of McNemar's exact test of whether one side extracts more."
    ),
    "published_differences": (
        "The known sequences on which this model and its published score differ: the margin is of the token "
        "that decides, in logits, and near a tie another machine may decide otherwise."
    ),
    "at_equal_sparsity": (
        "Strategies of one model with the same share of the weights in their scope removed: place 1 is the "
        "least memorized; an interpolated row lies between two levels, and its bracket is a 95 % band."
    ),
    "at_equal_removed": (
        "Strategies of one model with the same share of all prunable weights removed: place 1 is the least "
        "memorized; an interpolated row lies between two levels, and its bracket is a 95 % band."
    ),
    "at_equal_bytes": (
        "Strategies of one model whose variants take the same share of bytes less than the dense model "
        "(bytes_saved): place 1 is the least memorized; an interpolated row lies between two levels, and its "
        "bracket is a 95 % band."
    ),
    "at_equal_perplexity": (
        "Strategies of one model where each has raised perplexity by the same share: place 1 is the least "
        "memorized at that cost; an interpolated row lies between two levels, and its bracket is a 95 % "
        "band."
    ),
    "frontier": (
        "All variants of all models: one on the frontier is beaten by no other, that is, none has both at "
        "most its share extracted and at most its perplexity, and less of one; others name one that beats "
        "them."
    ),
    "verdicts": (
        "Signs that a variant has failed, with the number behind each: where a model has collapsed, "
        "extracting nothing is no forgetting; a variant named as having the same scores equals it to the "
        "last bit."
    ),
    "metrics": (
        "The mean of every metric over so many items, in brackets its 95 % interval, and how far a change of "
        "weights moved it on the same items, with the p-value of the exact McNemar test of what is true or "
        "false and "
        "of Wilcoxon's signed-rank test of numbers; metrics of samples are at the longest k."
    ),
    "metrics_between_strategies": (
        "Two strategies at the same level on the same items: how far the second's mean lies from the "
        "first's, with its 95 % interval, and the p-value of the exact McNemar test or of Wilcoxon's "
        "signed-rank test."
    ),
    "metrics_at_equal": (
        "What every metric is where strategies of one model have the same sparsity, share of weights "
        "removed or of bytes saved, or increase of perplexity: an interpolated row lies between two levels, "
        "and its bracket is "
        "a 95 % band."
    ),
    "metrics_controls": (
        "How much larger the mean of every metric is of members than of non-members, and than a control "
        "model has it on the same items, with 95 % intervals: one that holds 0 is no evidence of a "
        "difference."
    ),
    "agreement": (
        "How perplexity, the quality of generated text and the accuracy of tasks rank the same variants: 1 "
        "is one order, -1 its reverse, and an interval that holds 0 tells neither; variants of one strategy "
        "are no independent draws, so take intervals as too narrow."
    ),
    "screening": (
        "How many samples a fast type's margins settled, how many float32 scored instead, how many of those "
        "settled it scored too, and how many it contradicted, of which one has all of the variant scored in "
        "float32: what is extracted is float32's on every sample, all other metrics are of the types that "
        "compute_dtype names."
    ),
    "paper_layout": (
        "Models in rows, dense and every strategy and level in columns: the share of samples extracted at "
        "each k and on average, then token perplexity."
    ),
    "membership": (
        "How well a score tells text that the model was trained on from text that it was not: an AUC of 0.5 "
        "is guessing, and models that saw very much text once are near it before any change (Pythia on the "
        "Pile 0.49 to 0.54, but for GitHub), so that is no sign of forgetting; what a change did is "
        "auc_change, on the same samples, and an empty TPR is one that so few non-members cannot tell."
    ),
}
