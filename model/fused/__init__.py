"""The fused decode step: fewer, larger kernels than transformers' modules, on CPU and GPU."""
