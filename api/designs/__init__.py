"""Published designs, and the evaluation of any design."""
