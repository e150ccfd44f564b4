"""Generated HLS projects, the runs of tools on them, their files."""
