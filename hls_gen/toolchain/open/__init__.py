"""Resources without vendor tools: RTL of ours for each unit of a generated project, mapped by Yosys, counted, added up."""
