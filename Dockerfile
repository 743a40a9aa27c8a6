# The gateway in an image without a compiler, a downloader, or root.
#
#   docker build -t hookgate --build-arg REVISION="$(git rev-parse --short HEAD)" .
#   docker run --read-only --cap-drop ALL --security-opt no-new-privileges \
#     -v "$PWD/rules.yaml:/etc/hookgate/rules.yaml:ro" -v hookgate-data:/var/lib/hookgate \
#     -e OTTU_HMAC_KEY -p 8080:8080 --stop-timeout 90 hookgate
#
# The command line in a running container: docker exec <container> hookgate events

FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY src src
ARG REVISION=unknown
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    HOOKGATE_REVISION="$REVISION" cargo build --release --locked --bin hookgate \
    && install -D target/release/hookgate /out/hookgate

FROM debian:bookworm-slim
# Whom TLS to destinations trusts.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/hookgate /usr/local/bin/hookgate
# The one place that is written to; a new volume takes its owner and mode.
RUN install -d -o 10001 -g 10001 -m 0700 /var/lib/hookgate
VOLUME /var/lib/hookgate
# Where the rules file names no `store.path`, the data is in a folder of the volume.
WORKDIR /var/lib/hookgate
ENV HOOKGATE_CONFIG=/etc/hookgate/rules.yaml
# By number, so that an orchestrator can tell that it is not root.
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["hookgate", "healthcheck"]
ENTRYPOINT ["hookgate"]
CMD ["serve"]
