"""Programs that measure, each started with `python -m benchmarks.NAME`."""
