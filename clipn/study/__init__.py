"""A study: its typed settings, where its files lie, and what is scored."""
