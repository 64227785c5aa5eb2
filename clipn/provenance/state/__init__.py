"""What this machine keeps of a project from one process to the next; all of it can be found out again."""
