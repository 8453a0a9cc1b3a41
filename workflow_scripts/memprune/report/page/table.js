// A table that a reader sorts, filters and takes away.
