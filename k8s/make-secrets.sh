#!/bin/sh
# Prints the Secrets that the manifests name but do not hold, with fresh random values, for a first
# installation or a trial:
#
#   k8s/make-secrets.sh manydesk-dev | kubectl apply -f -
#
# OPERATOR_EMAIL says who the platform's first operator is. Running it again makes new values:
# passwords are changed by the database operator, but a new master key cannot read what the old one
# sealed. Keep that one safe. `--names` prints the names alone. Needs openssl.
set -eu

services="tenants tickets routing workforce billing"

if [ "${1:-}" = --names ]; then
    for service in $services; do
        echo "$service-app-database"
        echo "$service-relay-database"
        echo "$service-service-key"
    done
    printf '%s\n' gateway-service-key cli-service-key service-jwks page-key tenants-master-key tickets-master-key billing-master-key operator-login nats-server nats-client
    exit
fi

namespace=${1:?usage: make-secrets.sh NAMESPACE | kubectl apply -f -   (or --names)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A letter first: NATS reads a value that begins with a digit as a number.
password() { printf 'p%s' "$(openssl rand -hex 24)"; }
encoded() { openssl base64 -A; }
url_encoded() { encoded | tr '+/' '-_' | tr -d '='; }

# secret NAME TYPE KEY FILE [KEY FILE]...
secret() {
    printf -- '---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\n  namespace: %s\n' "$1" "$namespace"
    printf '  labels:\n    app.kubernetes.io/part-of: manydesk\n    cnpg.io/reload: "true"\ntype: %s\ndata:\n' "$2"
    shift 2
    while [ $# -gt 0 ]; do
        printf '  %s: %s\n' "$1" "$(encoded <"$2")"
        shift 2
    done
}

for service in $services; do
    for role in app relay; do
        printf '%s' "${service}_$role" >"$work/username"
        password >"$work/password"
        secret "$service-$role-database" kubernetes.io/basic-auth \
            username "$work/username" password "$work/password"
    done
done

keys=
for service in $services gateway cli; do
    openssl genpkey -algorithm ed25519 -outform DER -out "$work/service.key"
    secret "$service-service-key" Opaque service.key "$work/service.key"
    # The public key is the last 32 bytes of its DER form.
    public=$(openssl pkey -inform DER -in "$work/service.key" -pubout -outform DER | tail -c 32 | url_encoded)
    keys="$keys${keys:+,}{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"svc-$service\",\"x\":\"$public\",\"use\":\"sig\",\"alg\":\"EdDSA\"}"
done

printf '{"keys":[%s]}' "$keys" >"$work/jwks.json"
secret service-jwks Opaque jwks.json "$work/jwks.json"

openssl rand -hex 32 >"$work/pages.key"
secret page-key Opaque pages.key "$work/pages.key"
for service in tenants tickets billing; do
    openssl rand -hex 32 >"$work/master.key"
    secret "$service-master-key" Opaque master.key "$work/master.key"
done

printf '%s' "${OPERATOR_EMAIL:-operator@platform.example}" >"$work/email"
password >"$work/password"
secret operator-login Opaque email "$work/email" password "$work/password"

password >"$work/password"
password >"$work/route-password"
printf 'nats://manydesk:%s@nats:4222' "$(cat "$work/password")" >"$work/url"
secret nats-server Opaque password "$work/password" route-password "$work/route-password"
secret nats-client Opaque url "$work/url"
