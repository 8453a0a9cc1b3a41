"""What is assumed of machines: each figure once, for the plan and for what jobs ask a cluster for."""

# Peak of dense products, operations per second (NVIDIA's data sheets, SXM forms; float32 without TF32, which
# would round the factors to 10 bits).
PEAKS = {
    "A100": {"float32": 19.5e12, "bfloat16": 312e12, "float16": 312e12},
    "H100": {"float32": 66.9e12, "bfloat16": 989e12, "float16": 989e12},
}
SLOWEST = "A100"  # of them: what a cluster may give
# The share of the peak that scoring is assumed to reach; with Pythia-2.8b's shape an H100 has reached 0.74
# and 0.49 to 0.54.
UTILISATION = {"float32": 0.6, "bfloat16": 0.4, "float16": 0.4}
UNSETTLED = 0.05  # share of samples that a screening leaves to float32; docs/screening.md has figures
THREAD_RATE = 4 * 10**10  # operations a second of a thread, in float32; docs/performance.md has 43 to 58
READ_RATE = 2 * 10**8  # bytes a second from a shared disk
FETCH_RATE = 2 * 10**7  # bytes a second from the Hub
START_SECONDS = 20  # of a process that scores: Python, torch and CUDA; 3 s were measured, on a CPU 1 s
PROCESS_BYTES = 4 * 10**8  # of host memory, Python with torch and the samples; 0.27 GB were measured
CUDA_HOST_BYTES = 2 * 10**9  # of host memory, CUDA and its libraries; with the process 1.1 GB were measured


def gpu_rate(gpu: str, dtype: str) -> float:
    """Operations a second that scoring is assumed to reach on a kind of GPU."""
    return PEAKS[gpu][dtype] * UTILISATION[dtype]
