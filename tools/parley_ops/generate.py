"""Writes what is made from sources, or says what is not as it would be written."""

from pathlib import Path

from parley_ops import dashboards, manifests, rules


def stale(root, made):
    """The paths whose files are not as they would be written."""
    return [path for path, text in made.items() if not (root / path).exists() or (root / path).read_text() != text]


def _write(root, made):
    changed = stale(root, made)
    for path in changed:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(made[path])
    return changed


def write(root):
    """Returns the paths that changed."""
    root = Path(root)
    changed = _write(root, dashboards.files() | rules.files(root))
    # They contain the others.
    return changed + _write(root, manifests.files(root))
