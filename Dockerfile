# syntax=docker/dockerfile:1.7
# One image for every part: `manydesk serve tickets`, `manydesk serve gateway`, `manydesk migrate`.
#
#   docker build -t manydesk:0.1.0 .
#   docker build -t manydesk:0.1.0-dev --build-arg PROFILE=release .     # no fat LTO, much faster

FROM rust:1.95.0-bookworm AS build
ARG PROFILE=dist
# What building the solver of linear programs takes.
RUN apt-get update && apt-get install -y --no-install-recommends cmake libclang1 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The caches are not part of the image, so the executable is copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --profile "$PROFILE" --package manydesk --bin manydesk \
    && install -D -m 0755 "target/$PROFILE/manydesk" /out/manydesk

# glibc, libgcc and certificates; no shell, no package manager, no PostgreSQL: `manydesk up` is for
# machines, not for this image.
FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="Manydesk" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/manydesk /usr/local/bin/manydesk
USER 65532:65532
EXPOSE 8080 9090 50051
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/manydesk"]
CMD ["--help"]
