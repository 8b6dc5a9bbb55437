"""deploy/k8s as it is rendered (tests/golden), in the shape that tests ask about."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
OVERLAYS = ["dev", "prod"]
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


class Rendered:
    def __init__(self, overlay, text=None):
        text = text or (ROOT / "tests" / "golden" / f"k8s-{overlay}.yaml").read_text()
        self.overlay = overlay
        self.documents = list(yaml.safe_load_all(text))

    def of(self, kind):
        return [document for document in self.documents if document["kind"] == kind]

    def one(self, kind, name):
        (found,) = [document for document in self.of(kind) if document["metadata"]["name"] == name]
        return found

    def pods(self):
        """Whose they are (kind and name), and their template."""
        for kind in ("Deployment", "StatefulSet", "Job"):
            for document in self.of(kind):
                yield f"{kind} {document['metadata']['name']}", document["spec"]["template"]

    def services(self):
        """The Deployments of Parley: component and pod template."""
        for document in self.of("Deployment"):
            template = document["spec"]["template"]
            yield template["metadata"]["labels"]["app.kubernetes.io/component"], template

    def config_text(self):
        (found,) = [d for d in self.of("ConfigMap") if d["metadata"]["name"].startswith("parley-config-")]
        return found["data"]["parley.yaml"]


def containers(template):
    return template["spec"].get("initContainers", []) + template["spec"]["containers"]


def seconds(duration):
    """Of a configured duration such as 240s or 1m30s; a bare number does not occur."""
    return sum(int(number) * SECONDS[unit] for number, unit in re.findall(r"(\d+)(ms|s|m|h)", str(duration)))


def chosen(selector, labels):
    """Whether a label selector chooses these labels."""
    wanted = selector.get("matchLabels", {}).items() <= labels.items()
    rules = selector.get("matchExpressions", [])
    assert all(rule["operator"] == "In" for rule in rules)
    return wanted and all(labels.get(rule["key"]) in rule["values"] for rule in rules)
