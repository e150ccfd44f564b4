"""From a design point to a complete HLS project, and from the project to its reports."""
