"""Valid files of every kind and what damages them; `benchmarks/fuzz.py` tries them by the ten thousand."""
