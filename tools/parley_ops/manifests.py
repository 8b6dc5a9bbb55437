"""deploy/k8s as kustomize renders it, kept in tests/golden: reviews show what a change does, and machines
without kustomize can test it. The first line has a digest of what it was made from: a stale one is noticed anyway."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import yaml

OVERLAYS = ["dev", "prod"]
SOURCES = ["deploy/k8s", "deploy/prometheus/kustomization.yaml", "deploy/grafana/kustomization.yaml"]
# Long, and copies of other files of this tree.
LEFT_OUT = {("ConfigMap", "parley-dashboards"), ("PrometheusRule", "parley")}


def digest(root):
    sources = [Path(root) / source for source in SOURCES]
    files = sorted(path for source in sources for path in [source, *source.rglob("*")] if path.is_file())
    whole = hashlib.sha256()
    for path in files:
        whole.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()


def kustomize():
    """The command that renders a folder, or None. kubectl before 1.21 has a kustomize without components."""
    if shutil.which("kustomize"):
        return ["kustomize", "build"]
    if shutil.which("kubectl"):
        version = subprocess.run(["kubectl", "version", "--client"], capture_output=True, text=True, check=False)
        if "Kustomize Version: v5" in version.stdout:
            return ["kubectl", "kustomize"]
    return None


def render(root, overlay):
    folder = Path(root) / "deploy" / "k8s" / "overlays" / overlay
    return subprocess.run([*kustomize(), str(folder)], capture_output=True, text=True, check=True).stdout


def _kept(rendered):
    documents = rendered.split("\n---\n")
    kinds = [yaml.safe_load(text) for text in documents]
    return "\n---\n".join(
        text for text, of in zip(documents, kinds) if (of["kind"], of["metadata"]["name"]) not in LEFT_OUT
    )


def files(root):
    head = f"# {digest(root)}; made by `./parley generate` with kustomize\n"
    texts = {overlay: _kept(render(root, overlay)).rstrip() for overlay in OVERLAYS}
    return {f"tests/golden/k8s-{overlay}.yaml": f"{head}{text}\n" for overlay, text in texts.items()}
