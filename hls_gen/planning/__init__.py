"""The decisions between a design point and the text of its project, one stage a module."""
