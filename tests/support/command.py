"""Commands that a test runs, and what they said if they fail."""

import subprocess


def run(*args, check=True, **kwargs):
    """What a command printed; with check=False the finished process."""
    done = subprocess.run([str(a) for a in args], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          **kwargs)
    if not check:
        return done
    assert done.returncode == 0, f"{args}:\n{done.stdout}{done.stderr}"
    return done.stdout
