"""Samplers: ours, which think once a batch, Optuna's TPE and GP, and those that users register."""
