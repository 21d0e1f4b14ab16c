"""Measurements of mouthpiece: ``python -m benchmarks`` reproduces every number in the docs."""
