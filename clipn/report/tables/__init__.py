"""Tables of a study, tidy as CSV and printed as Markdown and LaTeX."""
