"""What is to be done, and by whom: the tasks of a command, workers, scratch files."""
