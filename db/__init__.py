"""Tables, repositories and the unit of work: the only SQL of the product."""
