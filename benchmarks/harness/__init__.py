"""What the benchmarks share: the data, the peers, processes on one core, load, and rounds that take turns."""
