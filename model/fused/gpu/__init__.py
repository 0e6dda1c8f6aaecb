"""The fused step's kernels on a CUDA GPU."""
