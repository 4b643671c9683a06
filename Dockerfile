# syntax=docker/dockerfile:1
# Rollcall in an image without a shell, as a user without rights. Build it in this folder: docker build --tag rollcall .
# Its data folder is /data: mount a volume there, or give it PostgreSQL and a secret and it keeps nothing.

# The devices page, which the program holds.
FROM node:22-bookworm-slim AS page
WORKDIR /src
COPY clients clients
COPY web web
COPY scripts scripts
RUN scripts/page

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
COPY --from=page /src/web/dist web/dist
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --package rollcall --bin rollcall \
    && install -D target/release/rollcall /out/usr/bin/rollcall \
    && install -d -m 0700 -o 65532 -g 65532 /out/data

# glibc, the certificates of authorities, and nothing that can be started.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/ /
USER 65532:65532
ENV ROLLCALL_DATA_DIR=/data \
    ROLLCALL_HTTP__LISTEN=0.0.0.0:3000 \
    ROLLCALL_LOG__FORMAT=json
VOLUME /data
EXPOSE 3000
# SIGTERM drains for shutdown.delay and shutdown.drain: give it more than that to stop.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["/usr/bin/rollcall", "healthcheck"]
ENTRYPOINT ["/usr/bin/rollcall"]
CMD ["serve"]
