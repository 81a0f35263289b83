#!/bin/sh
# Makes up keys and passwords the first time, and starts everything.
set -eu
cd "$(dirname "$0")"
if [ ! -e .env ]; then
  umask 077
  for name in JWT_SECRET_KEY AUTH_ENCRYPTION_SECRET POSTGRES_PASSWORD REDIS_PASSWORD; do
    echo "$name=$(openssl rand -hex 32)"
  done > .env
fi
exec docker compose up --build --detach "$@"
