"""The commands of the CLI, a file for each group; heavy imports happen inside the commands."""
