"""Where the command line begins: signals are heard before the commands are imported, which takes up to a second.

Exit codes: those of `flexdse.application`, 130 stopped by Ctrl-C, 143 by SIGTERM.
"""

from __future__ import annotations

import sys

from flexdse.stopping import EXIT_INTERRUPTED, EXIT_TERMINATED, Terminated, stop_request, stoppable


def main() -> None:
    """Entry point of `flexdse`."""
    with stoppable():
        code = _run()
    if code in (EXIT_INTERRUPTED, EXIT_TERMINATED):
        sys.stderr.write("stopped\n")
    sys.exit(code)


def _run() -> int:
    try:
        with stop_request(at_once=True) as asked:
            try:
                from flexdse.application import run
            except BaseException:
                if asked():  # an import may make an error of its own of what the handler raises
                    raise asked.unwinding() from None
                raise
            if asked():  # or drop it
                raise asked.unwinding()
        return run()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Terminated:
        return EXIT_TERMINATED


if __name__ == "__main__":
    main()
