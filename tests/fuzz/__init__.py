"""Fuzzing of the whole decoder: one whole number is one input, made by mutations that know what they mutate.

`python -m tests.fuzz --build checked --inputs 1000000 --jobs 2` is the long run; `test_fuzz.py` is a short one on each build.
"""
