# Sallyport in a container: no root, no permission that the gateway does not need.
#
#   docker build -t sallyport .
#   docker run -p 127.0.0.1:4444:4444 -v sallyport-data:/data -v ./mcp.json:/config/mcp.json:ro sallyport
#
# docs/deployment.md says more.

FROM denoland/deno:debian-2.9.6 AS packages
WORKDIR /app
ENV DENO_DIR=/deno-dir
# Packages change less often than sources: a layer of their own.
COPY deno.json deno.lock ./
RUN deno install --frozen
COPY main.ts ./
COPY src ./src
RUN deno cache --frozen main.ts

FROM denoland/deno:debian-2.9.6
WORKDIR /app
COPY --from=packages /deno-dir /deno-dir
COPY --from=packages /app /app
RUN install --directory --owner=deno --group=deno --mode=0700 /data
USER deno
# Inside a container loopback is nobody's; who may connect is decided by the published port.
ENV DENO_DIR=/deno-dir DENO_NO_UPDATE_CHECK=1 HOST=0.0.0.0 SALLYPORT_CONFIG=/config/mcp.json
VOLUME /data
EXPOSE 4444
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD ["deno", "eval", "const port = Deno.env.get('PORT') || 4444; const r = await fetch(`http://127.0.0.1:${port}/health`); Deno.exit(r.ok ? 0 : 1)"]

# Deno itself, so that signals reach it. The flags are those of `doctor --flags`, written by
# `deno task docs`. A config file that takes ${VARIABLES} needs their names in --allow-env.
ENTRYPOINT [ \
  "deno", \
  "run", \
  "--cached-only", \
  "--no-prompt", \
  "--allow-net", \
  "--allow-env=ALLOWED_HOSTS,ALLOWED_ORIGINS,ASK_TIMEOUT,AUDIT,AUDIT_RETENTION,AUTH_ENCRYPTION_SECRET,AUTH_ENCRYPTION_SECRET_PREVIOUS,CONNECT_TIMEOUT,DATABASE_URL,DRAIN_DELAY,EGRESS_ALLOW_PRIVATE,EVENT_STORE,FIRST_BYTE_TIMEOUT,GATEWAY_TOOL_NAME_SEPARATOR,HEALTH_CHECK_INTERVAL,HOST,JSON_RESPONSE_ENABLED,JWT_ALGORITHM,JWT_AUDIENCE,JWT_ISSUER,JWT_PRIVATE_KEY_PATH,JWT_PUBLIC_KEY_PATH,JWT_SECRET_KEY,LOG_FORMAT,LOG_LEVEL,MCP_CLIENT_AUTH_ENABLED,MCP_REQUIRE_AUTH,OIDC_ISSUERS,PORT,PROXY_SECRET,PROXY_SECRET_HEADER,PROXY_USER_HEADER,PUBLIC_URL,RATE_LIMIT_PRINCIPAL,RATE_LIMIT_SOURCE,RATE_LIMIT_TOOL,REDIS_URL,REQUEST_BODY_MAX,REQUIRE_JTI,REQUIRE_TOKEN_EXPIRATION,REQUIRE_USER_IN_DB,RESPONSE_BODY_MAX,RIGHTS_CACHE_MAX,SALLYPORT_CONFIG,SESSIONS_PER_PRINCIPAL,SESSION_IDLE_TTL,SESSION_MAX_TTL,SHUTDOWN_GRACE,STDIO_CHILDREN_MAX,STDIO_IDLE_TTL,STREAMABLE_HTTP_EVENT_TTL,STREAMABLE_HTTP_MAX_EVENTS_PER_STREAM,STREAMS_PER_PRINCIPAL,TLS_CERT_FILE,TLS_KEY_FILE,TOOL_TIMEOUT,TOOL_TIMEOUT_MAX,TRUSTED_PROXIES,TRUST_PROXY_AUTH,UNHEALTHY_THRESHOLD,UPSTREAM_CONCURRENCY,USE_STATEFUL_SESSIONS,VALIDATE_ARGUMENTS", \
  "--ignore-env", \
  "--allow-read=/data,/config/mcp.json", \
  "--allow-write=/data", \
  "main.ts" \
]
CMD ["serve", "--data", "/data"]
