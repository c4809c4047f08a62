"""What is measured: each module is run as ``python -m benchmarks.NAME`` and prints one table."""
