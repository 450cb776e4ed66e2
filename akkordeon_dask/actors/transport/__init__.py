"""Messages on their way: the post office of a process, and the links between processes."""
