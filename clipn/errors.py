"""The one exception a person may cause."""


class ClipnError(Exception):
    """A mistake in input, configuration or data.

    The message is one line that names the file or key and the remedy. The command line prints it
    without a traceback and exits with `status`.
    """

    status = 1
