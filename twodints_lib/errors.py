"""The one error a user is meant to read."""


class InputError(ValueError):
    """Bad input from outside: one sentence that names the file or the parameter, and the mend.

    The command line prints the sentence alone and exits with 2; everything else
    that is raised is a defect of ours and keeps its traceback.
    """
