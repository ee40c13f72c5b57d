# Starts a PostgreSQL server in a new directory on port $1, says "ready" and the directory, and ends it when standard
# input ends. User and password: mlflow, p@ss/w:rd.
set -euo pipefail
port=$1
directory=$(mktemp -d "${TMPDIR:-/tmp}/mlrun-test-postgres-XXXXXX")
trap 'rm -rf "$directory"' EXIT
as() { "$@"; }
if [ "$(id -u)" = 0 ]; then
  # The server refuses to be root.
  chown postgres "$directory"
  as() { runuser -u postgres -- "$@"; }
fi
cd "$directory"
programs=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)
PATH="${programs:-}:$PATH"
echo 'p@ss/w:rd' >password
as initdb --pgdata="$directory/data" --auth=scram-sha-256 --username=mlflow --pwfile="$directory/password" >log 2>&1 \
  || { cat log >&2; exit 1; }
as postgres -D "$directory/data" -p "$port" -c listen_addresses="127.0.0.1,::1" -c unix_socket_directories="$directory" \
  -c fsync=off -c timezone=UTC >log 2>&1 </dev/null &
server=$!
export PGPASSWORD='p@ss/w:rd' PGHOST=127.0.0.1 PGPORT=$port PGUSER=mlflow
until psql -d postgres -qAtc 'SELECT 1' >/dev/null 2>&1; do
  kill -0 $server || { cat log >&2; exit 1; }
  sleep 0.05
done
echo "ready $directory"
cat >/dev/null
as pg_ctl -D "$directory/data" -m immediate stop >/dev/null 2>&1 || kill -KILL $server
wait $server || true
