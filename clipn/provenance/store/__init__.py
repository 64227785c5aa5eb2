"""What a team shares of a study through a remote of DVC: which files there are, and where."""
