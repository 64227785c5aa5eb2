"""What rules of the workflow depend on, recorded so that a change of it can be named."""
