"""`pilotlight flame -i` in a real terminal: what is on it, and what keys do."""

import os
import subprocess
import tempfile

import programs
from daemons import wait_for

FOLDED = "main;parse;read 40\nmain;parse;größe<a b> 20\nmain;render 30\nidle 10\n"


class Terminal:
    """100 columns by 12 lines of tmux, which ends with its program."""

    def __init__(self, directory, command):
        self.tmux = ["tmux", "-f", "/dev/null", "-S", f"{directory}/tmux"]
        subprocess.run(self.tmux + ["new-session", "-d", "-x", "100", "-y", "12", command], check=True,
                       env=dict(os.environ, LC_ALL="C.UTF-8", TERM="xterm-256color"))

    def lines(self):
        shown = subprocess.run(self.tmux + ["capture-pane", "-p"], check=False, capture_output=True, text=True)
        return shown.stdout.splitlines()

    def press(self, *keys):
        subprocess.run(self.tmux + ["send-keys"] + list(keys), check=True)

    def has_ended(self):
        return subprocess.run(self.tmux + ["has-session"], check=False, capture_output=True).returncode != 0

    def wait_for(self, what, holds):
        wait_for(what, lambda: holds(self.lines()))


def columns(line):
    """Where each name of a row begins."""
    return {name: line.index(name) for name in line.split()}


def main():
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/a.folded"
        with open(path, "w", encoding="utf-8") as file:
            file.write(FOLDED)
        terminal = Terminal(directory, f"{programs.PILOTLIGHT} flame -i {path}")
        terminal.wait_for("the flame graph", lambda lines: len(lines) > 10 and "q quit" in lines[11])
        lines = terminal.lines()
        print("\n".join(lines))
        assert "100 samples" in lines[0], lines
        assert columns(lines[2]) == {"main": 0, "idle": 90}, lines
        assert columns(lines[3]) == {"parse": 0, "render": 60}, lines
        assert lines[4].index("größe<a b>") == 40, lines
        terminal.press("Down", "Down", "Right")
        terminal.wait_for("render selected", lambda lines: "30%" in lines[10] and lines[10].endswith("render"))
        terminal.press("Left", "Enter")
        terminal.wait_for("parse zoomed", lambda lines: columns(lines[3]) == {"parse": 0} and "größe<a b>" in lines[4]
                          and lines[4].index("größe<a b>") == 67)
        terminal.press("Escape")
        terminal.wait_for("main zoomed", lambda lines: columns(lines[3]) == {"parse": 0, "render": 67})
        terminal.press("/")
        terminal.press("größe|idle", "Enter")
        terminal.wait_for("what matches", lambda lines: "30%" in lines[11] and "2 boxes" in lines[11]
                          and lines[10].endswith("größe<a b>"))
        terminal.press("n")
        terminal.wait_for("the next one, zoomed to", lambda lines: columns(lines[2]) == {"idle": 0})
        terminal.press("/")
        terminal.press("(", "Enter")
        terminal.wait_for("a wrong expression", lambda lines: "missing" in lines[11])
        terminal.press("q")
        wait_for("its end", terminal.has_ended)
    refused = subprocess.run([programs.PILOTLIGHT, "flame", "-i", "-"], input=FOLDED, check=False, capture_output=True,
                             text=True)
    assert refused.returncode == 1 and "-i needs a terminal" in refused.stderr, refused


if __name__ == "__main__":
    main()
