# Starts a MariaDB server in a new directory on port $1, says "ready" and the directory, and ends it when standard
# input ends. User and password: mlflow, p@ss/w:rd.
set -euo pipefail
port=$1
directory=$(mktemp -d "${TMPDIR:-/tmp}/mlrun-test-mariadb-XXXXXX")
trap 'rm -rf "$directory"' EXIT
cd "$directory"
user=()
if [ "$(id -u)" = 0 ]; then
  chown mysql "$directory"
  user=(--user=mysql)
fi
mariadb-install-db --no-defaults "${user[@]}" --datadir="$directory/data" --auth-root-authentication-method=normal >log 2>&1 \
  || { cat log >&2; exit 1; }
mariadbd --no-defaults "${user[@]}" --datadir="$directory/data" --port="$port" --bind-address=127.0.0.1 \
  --socket="$directory/socket" --pid-file="$directory/pid" --innodb-flush-log-at-trx-commit=0 >log 2>&1 </dev/null &
server=$!
until mariadb --no-defaults --socket="$directory/socket" -u root -e 'SELECT 1' >/dev/null 2>&1; do
  kill -0 $server || { cat log >&2; exit 1; }
  sleep 0.05
done
mariadb --no-defaults --socket="$directory/socket" -u root -e \
  "CREATE USER mlflow@'127.0.0.1' IDENTIFIED BY 'p@ss/w:rd'; GRANT ALL ON *.* TO mlflow@'127.0.0.1' WITH GRANT OPTION;
   CREATE USER mlflow@localhost IDENTIFIED BY 'p@ss/w:rd'; GRANT ALL ON *.* TO mlflow@localhost WITH GRANT OPTION"
echo "ready $directory"
cat >/dev/null
disown $server
kill -KILL $server
