"""What tools reported: of our runs, or brought in by users."""
