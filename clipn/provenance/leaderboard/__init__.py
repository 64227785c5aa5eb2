"""The page of all studies: their numbers, and the trace of each."""
