"""What the person at the terminal sees: numbered steps with progress."""

import sys
import time


class Failure(Exception):
    """Ends the command with one message that says what to do."""


class Steps:
    def __init__(self, total, quiet=False):
        self.total = total
        self.quiet = quiet
        self.number = 0
        self.title = ""
        self.started = 0.0
        self.live = sys.stdout.isatty()
        self.last_shown = 0.0

    def begin(self, title):
        self.number += 1
        self.title = title
        self.started = time.monotonic()
        self.last_shown = self.started
        if not self.quiet:
            self._write(f"[{self.number}/{self.total}] {title} ...", end="" if self.live else "\n")

    def progress(self, text):
        """Called as often as there is news; shown live on a terminal, every ten seconds elsewhere."""
        if self.quiet:
            return
        if self.live:
            self._write(f"\r\033[K[{self.number}/{self.total}] {self.title} ... {text}", end="")
        elif time.monotonic() - self.last_shown > 10:
            self.last_shown = time.monotonic()
            self._write(f"      {text}")

    def done(self, note=""):
        if self.quiet:
            return
        seconds = time.monotonic() - self.started
        note = f"{note}, {seconds:.1f} s" if note else f"{seconds:.1f} s"
        prefix = "\r\033[K" if self.live else ""
        self._write(f"{prefix}[{self.number}/{self.total}] {self.title}: {note}")

    @staticmethod
    def _write(text, end="\n"):
        print(text, end=end, flush=True)
