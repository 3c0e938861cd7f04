"""The rendered objects, and how they find each other."""

SERVICES = {"tenants", "tickets", "routing", "workforce", "billing"}
WORKLOADS = {"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"}


class World:
    """The objects by kind and name."""

    def __init__(self, docs: list[dict]):
        self.docs = docs

    def of(self, *kinds: str) -> list[dict]:
        return [doc for doc in self.docs if doc["kind"] in kinds]

    def names(self, kind: str) -> set[str]:
        return {name(doc) for doc in self.of(kind)}

    def pods(self) -> list[tuple[dict, dict]]:
        """Every workload with its pod template."""
        return [(doc, doc["spec"]["template"]) for doc in self.of(*WORKLOADS)]


def name(doc: dict) -> str:
    return doc["metadata"]["name"]


def title(doc: dict) -> str:
    return f"{doc['kind']} {name(doc)}"


def selects(selector: dict, labels: dict) -> bool:
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for rule in selector.get("matchExpressions", []):
        if rule["operator"] != "In" or labels.get(rule["key"]) not in rule["values"]:
            return False
    return True
