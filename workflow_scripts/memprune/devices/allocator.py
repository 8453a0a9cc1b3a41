"""How the C library's allocator is set for all jobs."""

# A pass makes large arrays and drops them: kept by the process, in huge pages, they are not zeroed anew
# by the system each time. Other C libraries than glibc do not read this.
GLIBC_TUNABLES = ":".join(
    f"glibc.malloc.{setting}"
    for setting in ("hugetlb=1", f"mmap_threshold={2**32}", f"trim_threshold={2**33}", f"top_pad={2**26}")
)
