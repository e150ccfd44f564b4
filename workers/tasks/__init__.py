"""The bodies of jobs. They are loaded by name in the process of the job; nobody imports them."""
