"""Who may talk to whom: everything is denied first, what is needed is allowed, what is not stays denied."""

from world import World, name, selects, title

# Pods that are not among the manifests: the database operator makes them.
DATABASE = {"cnpg.io/cluster": "manydesk-db"}


def faults(world: World) -> list[str]:
    found = []
    policies = world.of("NetworkPolicy")
    if not any(p["spec"]["podSelector"] == {} and sorted(p["spec"]["policyTypes"]) == ["Egress", "Ingress"]
               and not p["spec"].get("ingress") and not p["spec"].get("egress") for p in policies):
        found.append("no NetworkPolicy denies everything first")
    for doc, template in world.pods():
        own = {"matchLabels": {"app.kubernetes.io/component": template["metadata"]["labels"].get("app.kubernetes.io/component")}}
        if not any(p["spec"]["podSelector"] == own for p in policies):
            found.append(f"{title(doc)}: no NetworkPolicy of its own")
    for policy in policies:
        for rule in policy["spec"].get("ingress") or []:
            if not rule.get("from") or not rule.get("ports"):
                found.append(f"{title(policy)}: lets everyone in, or on every port")
        for rule in policy["spec"].get("egress") or []:
            if not rule.get("ports"):
                found.append(f"{title(policy)}: lets out on every port")
    return found + flows(world)


def flows(world: World) -> list[str]:
    """Follows the calls that must work, and some that must not, through both ends' policies."""
    labels = {name(doc): template["metadata"]["labels"] for doc, template in world.pods()}
    parts = {pod["app.kubernetes.io/name"]: pod for pod in labels.values()}
    parts["database"] = DATABASE
    services = [n for n, pod in parts.items() if pod.get("app.kubernetes.io/component") == "service"]
    wanted = [("gateway", s, "grpc") for s in services]
    wanted += [(step, "database", 5432) for step in ("migrate", "operator")]
    wanted += [(s, peer, "grpc") for s in services for peer in services]
    wanted += [(s, "database", 5432) for s in services] + [("database", "database", 5432)]
    unwanted = [("gateway", "database", 5432), ("migrate", "tenants", "grpc"), ("operator", "tenants", "grpc"),
                ("database", "tenants", "grpc")]
    if "nats" in parts:
        wanted += [(s, "nats", "client") for s in services] + [("nats", "nats", "cluster")]
        unwanted += [("gateway", "nats", "client"), ("nats", "database", 5432), ("tickets", "nats", "cluster")]
    found = []
    for source, target, port in wanted:
        if source in parts and target in parts and not allowed(world, parts[source], parts[target], port):
            found.append(f"{source} cannot reach {target} on {port}")
    for source, target, port in unwanted:
        if source in parts and target in parts and allowed(world, parts[source], parts[target], port):
            found.append(f"{source} can reach {target} on {port}, and should not")
    return found


def allowed(world: World, source: dict, target: dict, port: str | int) -> bool:
    """Whether some policy of the source lets the call out and some policy of the target lets it in."""
    out = any(covers(rule, "to", target, port) for rule in rules(world, source, "egress"))
    into = any(covers(rule, "from", source, port) for rule in rules(world, target, "ingress"))
    return out and into


def rules(world: World, pod: dict, way: str) -> list[dict]:
    policies = [p["spec"] for p in world.of("NetworkPolicy") if selects(p["spec"]["podSelector"], pod)]
    return [rule for spec in policies for rule in spec.get(way) or []]


def covers(rule: dict, field: str, pod: dict, port: str | int) -> bool:
    """A peer in our own namespace is named by a podSelector alone."""
    peers = rule.get(field)
    ours = peers is None or any(
        "podSelector" in peer and "namespaceSelector" not in peer and selects(peer["podSelector"], pod) for peer in peers
    )
    return ours and any(entry.get("port") == port for entry in rule.get("ports", []))
