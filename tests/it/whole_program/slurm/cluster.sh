# Starts a Slurm cluster of this one machine in a new directory, with its controller on port $1 and its
# node on port $2. Says where its slurm.conf is when the node takes jobs; ends all when standard input ends.
set -euo pipefail
controller_port=$1 node_port=$2
export PATH=$PATH:/usr/sbin
directory=$(mktemp -d "${TMPDIR:-/tmp}/mlrun-test-slurm-XXXXXX")
trap 'rm -rf "$directory"' EXIT
chmod 755 "$directory"
cd "$directory"
mkdir state spool
host=$(uname -n)
host=${host%%.*}
user=$(id -un)
(umask 077 && head -c 128 /dev/urandom >munge.key)

# Processes are found by their parents, and no cgroup is made: containers allow that too. The node has
# more processors than the machine, so that many jobs run at once. KillWait is shorter than mlrun's own
# patience.
cat >slurm.conf <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$controller_port
SlurmdPort=$node_port
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$directory/munge.socket
CredType=cred/munge
StateSaveLocation=$directory/state
SlurmdSpoolDir=$directory/spool
SlurmctldPidFile=$directory/slurmctld.pid
SlurmdPidFile=$directory/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=sched_min_interval=0
SlurmdParameters=config_overrides
KillWait=5
NodeName=$host NodeAddr=127.0.0.1 CPUs=256 State=UNKNOWN
PartitionName=main Nodes=$host Default=YES PriorityTier=2 PreemptMode=OFF
PartitionName=low Nodes=$host PriorityTier=1
PartitionName=high Nodes=$host PriorityTier=2 PreemptMode=OFF
CONF
export SLURM_CONF=$directory/slurm.conf

munged --foreground --force --socket="$directory/munge.socket" --key-file="$directory/munge.key" \
  --pid-file="$directory/munged.pid" --log-file="$directory/munged.log" --seed-file="$directory/munged.seed" \
  >munged.out 2>&1 </dev/null &
munged=$!
slurmctld -D >slurmctld.out 2>&1 </dev/null &
controller=$!
slurmd -D >slurmd.out 2>&1 </dev/null &
node=$!
for _ in $(seq 600); do
  state=$(timeout 5 sinfo -h -p main -o %T 2>/dev/null) || state=
  [ "$state" = idle ] && break
  if ! kill -0 $munged $controller $node 2>/dev/null; then
    break
  fi
  sleep 0.1
done
if [ "$state" = idle ]; then
  echo "$SLURM_CONF"
  cat >/dev/null
  scancel -u "$user" --signal=KILL --full 2>/dev/null || true
  scancel -u "$user" 2>/dev/null || true
else
  tail -n 30 ./*.out >&2
fi
kill -TERM $node $controller 2>/dev/null || true
wait $node $controller || true
kill -TERM $munged 2>/dev/null || true
wait $munged || true
