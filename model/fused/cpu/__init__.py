"""The fused step's kernels on a CPU."""
